"""A thousand clients that read nothing, a thousand that trickle and a thousand that are idle: what they cost others."""

from __future__ import annotations

import argparse
import contextlib
import resource
import socket
import threading
import time
from http.client import HTTPConnection
from typing import Any

from benchmarks import tenant
from benchmarks.fill import fill
from benchmarks.measure import Failed
from benchmarks.servers import Databases, Running, server, token
from folkmoot.config import Settings

EACH = 1_000
PAGE = 999  # posts of a kilobyte: an answer of more than a megabyte
SECONDS = 20.0
_TOGETHER = 32
PAUSE = 0.1  # between two requests of the client that is measured


def run(made: Databases, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Print what an ordinary client waits and what the server holds, without the slow ones and with them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * EACH)), hard))
    place = made.new()
    thread = fill(Settings(data=str(place.data), database=place.url), 1, PAGE + 1)[0]
    path = f"/v1.0/groups/{tenant.GROUP}/threads/{thread}/posts?$top="
    with server(place, workers=options.workers) as running, contextlib.ExitStack() as stack:
        key = token(place)
        head = f"host: localhost:{running.port}\r\nauthorization: Bearer {key}\r\n"
        before, alone = running.memory()[1], _ordinary(running, key, path + "20", SECONDS / 4)
        most = [before]
        # Some at a time: it is not to be measured how long a thousand answers take to be made.
        for first in range(0, EACH, _TOGETHER):
            some = [_connection(stack, running.port) for _ in range(min(_TOGETHER, EACH - first))]
            for each in some:
                each.sendall(f"GET {path}{PAGE} HTTP/1.1\r\n{head}\r\n".encode())
            for each in some:
                said = each.recv(12, socket.MSG_PEEK)
                if said != b"HTTP/1.1 200":
                    raise Failed(f"slow-readers: {said!r}")
            most.append(running.memory()[1])
        for _ in range(EACH):
            _connection(stack, running.port)
        trickling = [_connection(stack, running.port) for _ in range(EACH)]
        for each in trickling:
            each.sendall(f"POST /v1.0/groups/{tenant.GROUP}/conversations HTTP/1.1\r\n{head}x-slow: ".encode())
        ended = threading.Event()
        thread_of_bytes = threading.Thread(target=_trickle, args=(trickling, ended))
        thread_of_bytes.start()
        watching = threading.Thread(target=_watch, args=(running, most, ended))
        watching.start()
        try:
            among = _ordinary(running, key, path + "20", SECONDS)
        finally:
            ended.set()
            thread_of_bytes.join()
            watching.join()
    found = {
        "database": made.kind,
        "workers": options.workers,
        "clients": 3 * EACH,
        "alone_p50_ms": alone[0],
        "alone_p99_ms": alone[1],
        "among_p50_ms": among[0],
        "among_p99_ms": among[1],
        "own_mb": (before, max(most)),
    }
    print(
        f"slow-readers, {made.kind}, {options.workers} worker(s), {EACH} of each: an ordinary page p50, p99 "
        f"{alone[0]:.1f}, {alone[1]:.1f} ms alone, {among[0]:.1f}, {among[1]:.1f} ms among them; "
        f"own memory before, at most {before:.0f}, {max(most):.0f} MB",
        flush=True,
    )
    return [found]


def _connection(stack: contextlib.ExitStack, port: int) -> socket.socket:
    found = stack.enter_context(contextlib.closing(socket.socket()))
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    found.connect(("127.0.0.1", port))
    return found


def _trickle(connections: list[socket.socket], ended: threading.Event) -> None:
    while not ended.wait(1.0):
        for each in connections:
            with contextlib.suppress(OSError):  # it was cut off, as it should be
                each.send(b"x")


def _watch(running: Running, most: list[float], ended: threading.Event) -> None:
    while not ended.wait(0.1):
        most.append(running.memory()[1])


def _ordinary(running: Running, key: str, path: str, seconds: float) -> tuple[float, float]:
    """Median and 99th percentile of what one client waits for a page, in milliseconds."""
    waits = []
    deadline = time.perf_counter() + seconds
    with contextlib.closing(HTTPConnection("127.0.0.1", running.port, timeout=60)) as connection:
        while time.perf_counter() < deadline:
            began = time.perf_counter()
            connection.request("GET", path, headers={"authorization": f"Bearer {key}"})
            with connection.getresponse() as answer:
                answer.read()
                if answer.status != 200:
                    raise Failed(f"slow-readers: {answer.status}")
            waits.append((time.perf_counter() - began) * 1000)
            time.sleep(PAUSE)
    waits.sort()
    return waits[len(waits) // 2], waits[len(waits) * 99 // 100]
