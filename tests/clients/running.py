"""A started server that is listened to while it runs, and has nothing to complain of in the end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.server import Server, start

_LAST_WORDS = "folkmoot: stopped; everything that was answered is stored."


@contextmanager
def running(data: Path, *, limits: str = "off") -> Iterator[Server]:
    """A server on `data`, with `limits` for strict applications. Fails when it logged anything or stopped badly."""
    server = start(data, FOLKMOOT_STRICT_LIMITS=limits)
    said: list[str] = []
    stdout = server.process.stdout
    assert stdout is not None
    with stdout:
        # A pipe that nobody reads would fill and hold the server up.
        listener = threading.Thread(target=lambda: said.extend(stdout))
        listener.start()
        try:
            yield server
        finally:
            server.process.send_signal(signal.SIGTERM)
            status = server.process.wait(timeout=20)
            listener.join()
    log = "".join(said).strip()
    assert (status, log) == (0, _LAST_WORDS), f"The server ended with {status} and said:\n{log}"
