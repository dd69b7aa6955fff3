"""Processes that write to one SQLite file take turns: nobody is passed, and nobody waits for ever."""

from __future__ import annotations

import multiprocessing
import threading
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from folkmoot.refusals import Busy
from folkmoot.store.turn import Turn

PATIENCE = 20  # seconds, for what must happen
TURNS = 200


def write_on_and_on(file: Path, stop: Event, begun: Event) -> None:
    """A process that asks for its next turn as soon as it has given back the last, and holds each for a while."""
    turn = Turn(file)
    while not stop.is_set():
        turn.take(PATIENCE)
        begun.set()
        time.sleep(0.002)  # an fsync
        turn.give_back()


def test_a_busy_process_starves_nobody(tmp_path: Path) -> None:
    """Between two turns of ours there are one or two of the other's, and not as many as it likes."""
    spawn = multiprocessing.get_context("spawn")
    stop, begun = spawn.Event(), spawn.Event()
    other = spawn.Process(target=write_on_and_on, args=(tmp_path / "db", stop, begun))
    other.start()
    try:
        assert begun.wait(PATIENCE)
        turn = Turn(tmp_path / "db")
        began = time.monotonic()
        for _ in range(TURNS):
            turn.take(PATIENCE)
            turn.give_back()
        # Were it a race for one lock, many turns of the other's would come between two of ours.
        assert time.monotonic() - began < TURNS * 0.02
    finally:
        stop.set()
        other.join(PATIENCE)


def test_who_was_stopped_in_its_turn_holds_up_others_for_a_while_only(tmp_path: Path) -> None:
    one, two = Turn(tmp_path / "db"), Turn(tmp_path / "db")
    one.take()
    with pytest.raises(Busy):
        two.take(0.05)
    with pytest.raises(Busy):
        two.take(0.05)
    one.give_back()
    # It is not kept by the one who no longer wanted it.
    one.take(PATIENCE)
    one.give_back()
    two.take(PATIENCE)
    three = threading.Thread(target=one.take, args=(PATIENCE,))
    three.start()
    two.give_back()
    three.join(PATIENCE)
    assert not three.is_alive()


def test_a_turn_that_cannot_be_waited_for_is_not_waited_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit of threads that is met once must not keep this process from writing afterwards."""
    one, two = Turn(tmp_path / "db"), Turn(tmp_path / "db")
    one.take()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_more_threads)
        with pytest.raises(RuntimeError):
            two.take(PATIENCE)
    one.give_back()
    two.take(PATIENCE)
    two.give_back()


def no_more_threads(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")
