"""A server that is asked to stop: what is under way is answered, and what was answered is stored."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

from tests.faults.clients import AT_ONCE, CLIENTS, GROUPS, PATIENCE, Crowd, Memory, Running, running, tokens, until
from tests.faults.truth import check

TEXT = "Begun before the end"


@contextmanager
def half_a_post(served: Running) -> Iterator[tuple[socket.socket, bytes]]:
    """A connection on which the server has begun to read a post, and the rest of it."""
    body = json.dumps(
        {"topic": "End", "threads": [{"posts": [{"body": {"contentType": "text", "content": TEXT}}]}]}
    ).encode()
    head = (
        f"POST /v1.0/groups/{GROUPS[0]}/conversations HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
        f"Authorization: Bearer {tokens(served.data)[0]}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as connection:
        connection.sendall(head.encode())
        # The server asks for the body (RFC 9110 §10.1.1), so the request is under way.
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body[:20])
        yield connection, body[20:]


def takes_nobody_new(served: Running) -> bool:
    try:
        socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return True
    except OSError:  # accepted by the system and then dropped
        return False
    return False


def everything_from(connection: socket.socket) -> bytes:
    """What comes until the server closes the connection."""
    found = b""
    while data := connection.recv(65536):
        found += data
    return found


def test_a_request_under_way_is_answered(served: Running) -> None:
    memory = Memory()
    with half_a_post(served) as (connection, rest):
        served.server.process.terminate()
        until(lambda: takes_nobody_new(served))
        connection.sendall(rest)
        head, _, body = everything_from(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 201 ")
    assert served.stop() == 0
    memory.tried[TEXT] = "Adele Vance"
    memory.acknowledged[TEXT] = json.loads(body)["threads"][0]["id"]
    check(served.data, served.database, memory)
    assert "everything that was answered is stored" in "".join(served.printed)


def test_what_was_acknowledged_is_there_after_the_end(served: Running) -> None:
    memory = Memory()
    crowd = Crowd(served.port, tokens(served.data), memory, "Until the end")
    memory.wait_for_more(4 * CLIENTS)
    assert served.stop() == 0
    crowd.join()
    assert memory.others == []
    check(served.data, served.database, memory)


def test_a_second_signal_does_not_wait_for_anybody(served: Running) -> None:
    with half_a_post(served) as (connection, _):
        served.server.process.terminate()
        until(lambda: takes_nobody_new(served))
        assert served.server.process.poll() is None
        served.server.process.terminate()
        served.server.process.wait(AT_ONCE)
        with suppress(OSError):
            assert b" 201 " not in everything_from(connection)
    check(served.data, served.database, Memory())
    served.printed.clear()  # uvicorn tells of the request that was cut off, with a traceback


def test_it_says_that_it_will_stop_and_goes_on_for_a_while(tmp_path: Path) -> None:
    """So that load balancers notice before connections are refused."""
    with running(tmp_path / "data", FOLKMOOT_UNREADY_SECONDS="600") as served:

        def closing_answer() -> bool:
            with closing(HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE)) as connection:
                connection.request("GET", "/")
                answer = connection.getresponse()
                assert (answer.status, len(answer.read()) > 0) == (200, True)
                return answer.headers["Connection"] == "close"

        assert not closing_answer()
        served.server.process.terminate()
        until(closing_answer)
        assert not takes_nobody_new(served)
        assert served.stop() == 0


def test_requests_under_way_have_their_time_and_no_more(tmp_path: Path) -> None:
    with running(tmp_path / "data", FOLKMOOT_GRACE_SECONDS="0") as served:
        with half_a_post(served):
            served.server.process.terminate()
            served.server.process.wait(AT_ONCE)
        served.printed.clear()  # uvicorn tells of the request that was cut off, with a traceback
