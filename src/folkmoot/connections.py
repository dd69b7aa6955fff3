"""Connections that cost too much: heads without end, requests that trickle in, answers that nobody takes, idle ones.

uvicorn waits for ever for the rest of a request, and keeps for ever what a client does not read. All connections of a
process are looked at once a second: timers of their own would cost every request what only a few deserve.

What waits is counted by what it holds, not by what is unsent: of an answer of two megabytes the system often takes all
but a little at once, and the whole of it stays in memory until the last byte has gone.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import msgspec
from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from folkmoot import observe
from folkmoot.observe import ABORT, GONE, HOLDS, WHOLE, log

# Longer than clients and proxies keep idle connections (httpx 5 s, aiohttp 15 s, load balancers 60 s). Whoever closes
# first must be the client: a request that meets the server's closing fails, and a POST is not safely sent again.
KEEP_ALIVE_SECONDS: Final = 75
LOOK_SECONDS: Final = 1.0
# A body may take longer, as long as it goes on bringing so many bytes a second: less than any line does.
SLOWEST: Final = 1_000
# Whatever stays unsent is counted, until nothing does. (uvloop's TLS takes 0 for "always full".)
_HIGH_WATER, _LOW_WATER = 1, 0
# Of a request line and its headers, with the trailers of a body in chunks. The parser puts a line together anew with
# each packet, which is quadratic. Clients' heads are smaller: a token has a few kilobytes.
MAX_HEAD_BYTES: Final = 64 * 1024


class Allowance(msgspec.Struct, frozen=True):
    """How long clients may take, in seconds, and how many bytes answers may hold that wait for all of them together.

    The names are those of the settings.
    """

    receive_seconds: float = 30
    send_seconds: float = 60
    max_unsent_bytes: int = 128 * 1024 * 1024


class Guard:
    """Looks at the connections of a process, and calls `left` when one ends.

    `unsent` is how many bytes the answers hold that wait in them.
    """

    def __init__(self, allowance: Allowance, left: Callable[[], None] | None = None) -> None:
        self.allowance = allowance
        self.left = left
        self.connections: set[Protocol] = set()
        self.now = 0.0
        self.unsent = 0
        self._defaults: list[tuple[bytes, bytes]] = []
        self._default_lines = b""
        self._full: dict[Protocol, None] = {}  # those that wait for their clients, the longest first
        self._relieving = False

    def start(self) -> None:
        """Begin, on the event loop that is running; it ends with the loop."""
        loop = asyncio.get_running_loop()
        self.now = loop.time()
        for each in list(self.connections):
            each.look(self.now)
        loop.call_later(LOOK_SECONDS, self.start)

    def defaults(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """The lines of what uvicorn puts into each answer: a list of its own for each second."""
        if headers is not self._defaults:
            self._defaults = headers
            self._default_lines = b"".join([b"%b: %b\r\n" % header for header in headers])
        return self._default_lines

    def full(self, connection: Protocol, size: int) -> None:
        """A connection waits for its client, with an answer that holds `size` bytes."""
        self._full[connection] = None
        self.unsent += size - connection.counted
        connection.counted = size
        if self.unsent > self.allowance.max_unsent_bytes and not self._relieving:
            self._relieving = True
            asyncio.get_running_loop().call_soon(self._relieve)

    def emptied(self, connection: Protocol) -> None:
        """It waits no more, or has gone."""
        self._full.pop(connection, None)
        self.unsent -= connection.counted
        connection.counted = 0

    def _relieve(self) -> None:
        """Cut off those who have taken nothing for longest, until there is room."""
        self._relieving = False
        cut = 0
        for each in list(self._full):
            if self.unsent <= self.allowance.max_unsent_bytes * 3 // 4:
                break
            self.emptied(each)
            each.transport.abort()
            cut += 1
        if cut:
            log.warning("%d connections were cut off: they did not take their answers, and others need the memory", cut)


class Protocol(HttpToolsProtocol):
    """uvicorn's, looked after by a `Guard`. The application may break a connection off."""

    def __init__(self, guard: Guard, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._guard = guard
        self.counted = 0
        self._holds = 0
        self._receiving = False
        self._since = 0.0  # when the request began that is being received; when it began to be idle
        self._waiting = 0  # bytes that were unsent at the last look, and since when they have not become fewer
        self._stuck_since = 0.0
        self._extensions: dict[str, Any] = {}
        # The parser does not say where in a packet a head begins. These are what the one that is being received has at
        # most, and how many bytes of that may have come before it in the packet that is, or was, its first.
        self._most = self._unsure = self._packet = 0
        self._refusal: bytes | None = None
        self._plain = b""  # the head of a request that asks for another protocol, without that
        self._refused = False  # it has been sent, and what still comes is dropped

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(_HIGH_WATER, _LOW_WATER)
        self._extensions = {
            ABORT: transport.abort,
            GONE: transport.is_closing,
            WHOLE: self.whole,
            HOLDS: self._hold,
        }
        self._since = self._guard.now
        self._guard.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._guard.connections.discard(self)
        self._guard.emptied(self)
        if self._guard.left is not None:
            self._guard.left()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # As uvicorn's, but for a request that asks for another protocol.
        if self._refusal is not None:
            return
        self._unset_keepalive_if_required()
        while data:
            data = self._parse(data)
        if self._most - self._unsure > MAX_HEAD_BYTES and self._refusal is None and not self.transport.is_closing():
            self._refuse(_too_large())

    def _parse(self, data: bytes) -> bytes:
        """Parse what came, and return what is to be parsed after it.

        That is a request that asks for another protocol, once more and without that (`_plain`), with what came after
        its head: the parser took its body for the other protocol.
        """
        self._packet = size = len(data)
        if self._receiving:
            self._most += size
        else:
            self._most, self._unsure = size, 0
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            head, self._plain = self._plain, b""
            return head and head + data[upgrade.args[0] :]
        except HttpParserError:
            message = "Invalid HTTP request received."
            self.logger.warning(message)
            self.send_400_response(message)
        return b""

    def send_400_response(self, msg: str) -> None:
        if self._refusal is None:
            super().send_400_response(msg)
        else:
            self._refuse(self._refusal)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = self._extensions
        self._receiving = True
        self._since = self._guard.now

    def on_headers_complete(self) -> None:
        self._measure()
        ends = b"".join([value[-1:] for _, value in self.headers])
        if b" " in ends or b"\t" in ends:
            # Blanks around a value are none of it (RFC 9110 §5.5); the parser leaves those behind it.
            self.headers[:] = [(name, value.rstrip(b" \t")) for name, value in self.headers]
        names = [name for name, _ in self.headers]
        hosts = names.count(b"host")
        if hosts != 1 and (hosts or self.parser.get_http_version() != "1.0"):
            self._refusal = _no_host()
        elif b"transfer-encoding" in names and any(
            name == b"transfer-encoding" and value.lower() != b"chunked" for name, value in self.headers
        ):
            self._refusal = _not_decoded()
        if self._refusal is not None:
            raise ValueError("the head is refused")
        if self.parser.should_upgrade() and (method := self.parser.get_method()) != b"CONNECT":
            # Whoever asks for another protocol is answered in this one (RFC 9110 §7.8), as Java's client does, which
            # asks for HTTP/2 with each request over plain HTTP.
            lines = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
            version = self.parser.get_http_version().encode()
            self._plain = b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, b"".join(lines))
            return
        super().on_headers_complete()

    def _measure(self) -> None:
        """What may be a new head begins here. The one that ends is not too large, or this raises."""
        if self._most > MAX_HEAD_BYTES:
            lines = len(self.parser.get_method()) + len(self.url) + len("  HTTP/1.1\r\n\r\n")
            if lines + sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers) > MAX_HEAD_BYTES:
                self._refusal = _too_large()
                raise ValueError("the head is too large")
        self._most = self._unsure = self._packet

    def whole(self, scope: Any, status: int, head: bytes, body: bytes) -> bool:
        """Answer the request of `scope` at once, which costs half of what two messages of ASGI do.

        `head` are the lines of the headers, each with its end: the application answers for what is in them, and that
        the length of `body` is among them. False, and nothing is sent, where a connection is in a state for which
        uvicorn has its own way: one that ends with this answer, that takes no more bytes now, or has requests waiting.
        """
        cycle = self.cycle
        if (
            cycle is None
            or cycle.scope is not scope
            or cycle.response_started
            or cycle.disconnected
            or not cycle.keep_alive
            or self.flow.write_paused
            or observe.draining
        ):
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        defaults = self._guard.defaults(self.server_state.default_headers)
        self.transport.write(b"".join((STATUS_LINE[status], defaults, head, b"\r\n", body)))
        cycle.message_event.set()
        cycle.on_response()
        return True

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        # Bytes that came fast are no time to send nothing in.
        self._since = min(self._since + len(body) / SLOWEST, self._guard.now)
        self._most = self._unsure = self._packet

    def on_message_complete(self) -> None:
        self._measure()
        self._receiving = False
        if not self._plain:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        # As uvicorn's, but without a timer for each answer: those that are idle are looked at with all others.
        self._holds = 0
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._refusal is not None:
            self._say_no()

    def _hold(self, size: int) -> None:
        self._holds = size

    def pause_writing(self) -> None:
        super().pause_writing()
        self._waiting = 0  # it took something, even if as much waits as did before
        self._guard.full(self, max(self._holds, self.transport.get_write_buffer_size()))

    def resume_writing(self) -> None:
        super().resume_writing()
        self._guard.emptied(self)

    def look(self, now: float) -> None:
        """See whether it keeps the server waiting; `now` is the event loop's time."""
        waiting = self.transport.get_write_buffer_size()
        if waiting:
            if waiting != self._waiting:
                self._waiting, self._stuck_since = waiting, now
            elif now - self._stuck_since >= self._guard.allowance.send_seconds:
                self.transport.abort()
            return
        self._waiting = 0
        if self._refused:
            self.transport.close()
        elif self._receiving:
            if self.flow.read_paused:
                self._since = now  # it is the server that takes its time
            elif now - self._since > self._guard.allowance.receive_seconds:
                self._refuse(_late(self._guard.allowance.receive_seconds))
        elif self.cycle is not None and not self.cycle.response_complete:
            self._since = now
        elif now - self._since > KEEP_ALIVE_SECONDS:
            self.transport.close()

    def _refuse(self, answer: bytes) -> None:
        """Say `answer` to the request that is being received, after those to earlier ones, and nothing after it."""
        self._refusal = answer
        self._receiving = False
        cycle = self.cycle
        if cycle is not None and cycle.scope is self.scope:
            if cycle.response_complete:
                self.transport.close()
                return
            if cycle.response_started:
                self.transport.abort()
                return
            # What the application says after this is not sent.
            cycle.disconnected = True
            cycle.message_event.set()
            if not self.pipeline:
                self._say_no()
            else:
                self.pipeline.popleft()
        elif cycle is None or cycle.response_complete:
            self._say_no()

    def _say_no(self) -> None:
        """Send the refusal. What the client has not sent yet is still taken, until the next look.

        A connection that is closed before that is reset, and the client may never read the answer (RFC 9112 §9.6).
        """
        assert self._refusal is not None  # noqa: S101
        self._refused = True
        self.transport.write(self._refusal)
        if self.transport.can_write_eof():
            self.transport.write_eof()


def _late(seconds: float) -> bytes:
    """The answer to a request that did not come (RFC 9110 §15.5.9)."""
    message = f"The request did not come whole within {seconds:g} seconds."
    return _refusal(HTTPStatus.REQUEST_TIMEOUT, "RequestTimeout", message)


def _too_large() -> bytes:
    """The answer to a request whose head is too large (RFC 6585 §5)."""
    message = f"The request line and the headers have more than {MAX_HEAD_BYTES} bytes."
    return _refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "RequestHeaderFieldsTooLarge", message)


def _no_host() -> bytes:
    """The answer to a request that does not name its host, or names several (RFC 9112 §3.2)."""
    return _refusal(HTTPStatus.BAD_REQUEST, "BadRequest", "The request must have one Host header.")


def _not_decoded() -> bytes:
    """The answer to a body in a transfer coding that is not known (RFC 9112 §6.1)."""
    return _refusal(HTTPStatus.NOT_IMPLEMENTED, "NotImplemented", "The only transfer coding is chunked.")


def _refusal(status: HTTPStatus, code: str, message: str) -> bytes:
    """An answer in Graph's envelope that ends its connection.

    Pages of every origin may read it: the request may have been given up before its `Origin` came.
    """
    date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    id = str(uuid.uuid4())
    inner = {"date": date, "request-id": id, "client-request-id": id}
    body = msgspec.json.encode({"error": {"code": code, "message": message, "innerError": inner}})
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
        f"access-control-allow-origin: *\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
