"""A program that wants notifications: a little web server that answers validations, and keeps what it is sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit


class Asked(NamedTuple):
    """A request: its path with the query, its type, and its body."""

    path: str
    content_type: str
    body: bytes


class Listener:
    """Where it listens, and what it was asked. Below `/deaf` it answers no validation."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.asked: list[Asked] = []
        self.changed = threading.Condition()

    @property
    def told(self) -> list[dict[str, Any]]:
        """The notifications so far, in the order in which they came."""
        bodies = [each.body for each in self.asked if each.content_type.startswith("application/json")]
        return [notification for body in bodies for notification in json.loads(body)["value"]]

    def wait_for(self, count: int, seconds: float = 30.0) -> list[dict[str, Any]]:
        """The notifications once there are so many. Raises `TimeoutError`."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.told) >= count, timeout=seconds):
                raise TimeoutError(f"{len(self.told)} notifications of {count} came: {self.told}")
        return self.told


@contextmanager
def listening() -> Iterator[Listener]:
    """A listener on this machine until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            with listener.changed:
                listener.asked.append(Asked(self.path, self.headers.get("Content-Type", ""), body))
                listener.changed.notify_all()
            given = parse_qs(urlsplit(self.path).query).get("validationToken")
            deaf = self.path.startswith("/deaf")
            answer = b"" if given is None or deaf else given[0].encode()
            self.send_response(200 if given is not None and not deaf else 202)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: tests look at `asked`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    listener = Listener(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
