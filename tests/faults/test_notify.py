"""Subscribers are told everything in order, whatever becomes of them, of the server, or of one of several servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from folkmoot import lab
from tests import postgres
from tests.faults.clients import CLIENTS, GROUPS, Crowd, Memory, Running, running, tokens
from tests.faults.listening import Listener, check_told, logged, subscribe

CREATOR = lab.PEOPLE[0].id


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()
    yield found
    found.stop()


def test_everything_is_told_whatever_fails(served: Running, listener: Listener) -> None:
    memory, keys = Memory(), tokens(served.data)
    root = f"http://127.0.0.1:{listener.port}"
    subscribe(served.data, served.database, GROUPS, [f"{root}/{name}" for name in ("well", "ill", "dead")], CREATOR)
    listener.become("ill", "failing")
    listener.become("dead", "hanging")
    with Crowd(served.port, keys, memory, "Failing"):
        memory.wait_for_more(2 * CLIENTS)
        listener.wait_for(lambda: listener.refused["ill"] > 1 and listener.held["dead"] > 0)
        # Nobody else waits for them.
        seen = len(listener.told("well"))
        listener.wait_for(lambda: len(listener.told("well")) > seen + CLIENTS)
    check_told(listener, "well", logged(served.data, served.database))
    assert len(listener.taken["well"]) == len(listener.told("well")), "told twice without a reason"
    assert listener.taken["ill"] == listener.taken["dead"] == []
    listener.become("ill", "well")
    listener.become("dead", "well")
    crowd = Crowd(served.port, keys, memory, "Killed")
    memory.wait_for_more(2 * CLIENTS)
    listener.stop()
    memory.wait_for_more(CLIENTS)
    served.kill()
    crowd.join()
    listener.start()
    served.start_again()
    truth = logged(served.data, served.database)
    assert sum(map(len, truth.values())) >= len(memory.acknowledged)
    for name in ("well", "ill", "dead"):
        check_told(listener, name, truth)
    assert "fail, and will be tried again" in "".join(served.printed)


def test_two_servers_share_the_work_and_one_goes_on_alone(listener: Listener, tmp_path: Path) -> None:
    memory = Memory()
    names = [f"endpoint{number}" for number in range(12)]
    with postgres.fresh() as url, ExitStack() as stack:
        servers = [stack.enter_context(running(tmp_path / name, url)) for name in ("one", "two")]
        subscribe(servers[0].data, url, GROUPS, [f"http://127.0.0.1:{listener.port}/{name}" for name in names], CREATOR)
        with ExitStack() as crowds:
            for number, each in enumerate(servers):
                crowds.enter_context(Crowd(each.port, tokens(each.data), memory, f"Server {number}"))
            memory.wait_for_more(4 * CLIENTS)
        truth = logged(servers[0].data, url)
        for name in names:
            check_told(listener, name, truth)
            assert len(listener.taken[name]) == len(listener.told(name)), "told by both"
        crowd = Crowd(servers[0].port, tokens(servers[0].data), memory, "To be killed")
        with Crowd(servers[1].port, tokens(servers[1].data), memory, "To go on"):
            memory.wait_for_more(2 * CLIENTS)
            servers[0].kill()
            crowd.join()
            memory.wait_for_more(CLIENTS)
        truth = logged(servers[1].data, url)
        for name in names:
            check_told(listener, name, truth)
        assert servers[1].stop() == 0
