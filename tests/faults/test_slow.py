"""Clients that trickle, that read nothing and that do nothing: they are put up with for a while, and hold nobody up."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.faults.clients import AT_ONCE, GROUPS, PATIENCE, Running, ask, running, tokens
from tests.faults.test_stop import everything_from

POST = 480 * 1024  # sixteen of them still fit on one page
POSTS = 16
UNSENT = 32  # megabytes that may wait for clients
READERS = 28  # ask for eight megabytes each
IDLE = 200
ENVIRONMENT = {
    "FOLKMOOT_RECEIVE_SECONDS": "1",
    "FOLKMOOT_SEND_SECONDS": "3",
    "FOLKMOOT_MAX_UNSENT_BYTES": str(UNSENT * 1024 * 1024),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("slow") / "data", **ENVIRONMENT) as found:
        yield found


def connected(served: Running, *, receives: int | None = None) -> socket.socket:
    """A connection; `receives`: how many bytes the system takes of answers that are not read."""
    found = socket.socket()
    if receives is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
    found.settimeout(PATIENCE)
    found.connect(("127.0.0.1", served.port))
    return found


def me(served: Running, token: str) -> int:
    """What somebody else is answered."""
    with closing(HTTPConnection("127.0.0.1", served.port, timeout=AT_ONCE)) as connection:
        return ask(connection, "GET", "/me", token).status


@pytest.mark.parametrize("body", [False, True], ids=["head", "body"])
def test_a_request_that_trickles_is_refused(served: Running, body: bool) -> None:
    """A byte now and then makes it no better."""
    token = tokens(served.data)[0]
    head = f"POST /v1.0/groups/{GROUPS[0]}/threads HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    began = time.monotonic()
    with connected(served) as connection:
        connection.sendall(head.encode())
        if body:
            connection.sendall(b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
        connection.settimeout(0.2)
        said = b""
        while not said:
            assert time.monotonic() < began + AT_ONCE, "it may go on for ever"
            connection.sendall(b"x")
            try:
                said = connection.recv(65536)
            except TimeoutError:
                continue
        connection.settimeout(PATIENCE)
        said += everything_from(connection)
    start, _, content = said.partition(b"\r\n\r\n")
    assert start.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in start
    assert b"access-control-allow-origin: *" in start, "the page of a browser may not read it"
    error = json.loads(content)["error"]
    assert (error["code"], list(error["innerError"])) == (
        "RequestTimeout",
        ["date", "request-id", "client-request-id"],
    )
    assert me(served, token) == 200


def test_those_who_read_nothing_are_cut_off_and_cost_little(served: Running) -> None:
    """Answers of 224 megabytes are asked for, and of 32 there is room."""
    token = tokens(served.data)[0]
    with closing(HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE)) as connection:
        thread = None
        for _ in range(POSTS):
            post = {"body": {"contentType": "text", "content": "x" * POST}}
            if thread is None:
                body = {"topic": "Long", "threads": [{"posts": [post]}]}
                answer = ask(connection, "POST", f"/groups/{GROUPS[0]}/conversations", token, body)
                thread = answer.json["threads"][0]["id"]
            else:
                answer = ask(connection, "POST", f"/groups/{GROUPS[0]}/threads/{thread}/reply", token, {"post": post})
            assert answer.status in (201, 202), answer.content
    before = memory(served)
    path = f"/v1.0/groups/{GROUPS[0]}/threads/{thread}/posts?$top={POSTS}"
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    with ExitStack() as stack:
        for _ in range(IDLE):
            stack.enter_context(connected(served))
        me(served, token)
        others = sockets(served)
        readers = [stack.enter_context(connected(served, receives=4096)) for _ in range(READERS)]
        for each in readers:
            each.sendall(request)
            assert each.recv(17) == b"HTTP/1.1 200 OK\r\n"
        # With what it takes to make an answer of eight megabytes.
        assert memory(served) - before < 4 * UNSENT
        assert me(served, token) == 200
        # Nobody is waited for until all is read: each is cut off, sooner or later.
        deadline = time.monotonic() + PATIENCE
        while sockets(served) > others:
            assert time.monotonic() < deadline, "some are still there"
            time.sleep(0.05)
        for each in readers:
            assert len(everything_from(each)) < POSTS * POST
        assert me(served, token) == 200
    with closing(HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE)) as connection:
        posts = ask(connection, "GET", path.removeprefix("/v1.0"), token).json["value"]
        assert [len(post["body"]["content"]) for post in posts] == [POST] * POSTS
    assert "cut off" in "".join(served.printed)


def sockets(served: Running) -> int:
    """How many the server has open."""
    found = 0
    for each in Path(f"/proc/{served.server.process.pid}/fd").iterdir():
        with suppress(OSError):
            found += str(each.readlink()).startswith("socket:")
    return found


def memory(served: Running) -> float:
    """Megabytes of the server's own."""
    status = Path(f"/proc/{served.server.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("RssAnon:"))
    return int(line.split()[1]) / 1024
