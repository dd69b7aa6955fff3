"""Runs the application on its sockets until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from folkmoot import observe
from folkmoot.connections import Allowance, Guard, Protocol
from folkmoot.refusals import Refusal
from folkmoot.seats import Acceptor, Seats

BACKLOG = 1024
# What a parent sends to a worker; when the parent is gone, that means the first.
STOP, AT_ONCE = b"s", b"a"


class PortTaken(Refusal):
    """The port is in use."""


class Place(NamedTuple):
    """A worker's place among others: its number, where all count their connections, and where orders come from."""

    number: int
    seats: Seats
    orders: socket.socket


class Stopping(NamedTuple):
    """How a server stops, in seconds: how long it says before that it will, and how long requests may take then."""

    unready_seconds: float
    grace_seconds: int


class _Server(uvicorn.Server):
    """uvicorn's server without signal handling of its own: here two of them share one process."""

    def __init__(self, config: uvicorn.Config, guard: Guard, place: Place | None) -> None:
        super().__init__(config)
        self._guard = guard
        self._place = place

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        assert sockets is not None  # noqa: S101
        config, [bound], loop = self.config, sockets, asyncio.get_running_loop()
        seconds = self._guard.allowance.receive_seconds
        make = partial(Protocol, self._guard, config, self.server_state, {}, loop)
        if self._place is None:
            server = await loop.create_server(
                make, sock=bound, ssl=config.ssl, backlog=BACKLOG, ssl_handshake_timeout=seconds if config.ssl else None
            )
            self.servers = [server]
        else:
            number, seats, _ = self._place
            self.servers = [Acceptor(bound, make, config.ssl, seconds, seats, number)]  # type: ignore[list-item]
        self.started = True

    def stop(self) -> None:
        """Take no more connections, and on those that there are no more requests."""
        self.should_exit = True
        for server in getattr(self, "servers", ()):
            server.close()

    def say_so(self) -> None:
        """Have every answer say that its connection ends with it."""
        closing = (b"connection", b"close")
        if self.config.loaded:
            self.config.encoded_headers.append(closing)
        self.server_state.default_headers = [*self.server_state.default_headers, closing]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Ending TLS politely waits for the client, and an idle client reads nothing. It has been answered: cut it off.
        for connection in list(self.server_state.connections):
            if not isinstance(connection, HttpToolsProtocol) or connection.transport.get_write_buffer_size():
                continue
            if connection.cycle is None or connection.cycle.response_complete:
                connection.transport.abort()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int, option: str) -> socket.socket:
    """A listening socket. Raises `PortTaken` naming the option to change."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        remedy = "stop what uses it"
        if isinstance(error, PermissionError):
            remedy = "let this program have the low port (the capability CAP_NET_BIND_SERVICE)"
        named = f"[{host}]" if ":" in host else host
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise PortTaken(
                f"Cannot listen on {named}:{port} ({error.strerror}): name an address of this machine with --host."
            ) from error
        raise PortTaken(
            f"Cannot listen on {named}:{port} ({error.strerror}): {remedy}, or choose another with {option}."
        ) from error
    bound.listen(BACKLOG)
    return bound


def run(
    application: Any,
    sockets: Sequence[tuple[socket.socket, tuple[str, str] | None]],
    allowance: Allowance,
    stop: Stopping,
    started: Callable[[], None],
    stopping: Callable[[], None],
    ended: Callable[[], Awaitable[None]],
    place: Place | None = None,
) -> None:
    """Serve on `sockets`, each with the paths of its certificate chain and key, or None for plain HTTP.

    Calls `started` once requests are answered, and `stopping` when no more will be. Returns after SIGINT or SIGTERM,
    when the requests under way are done and then what `ended` gives; a second signal does not wait for the requests.
    A worker, which has a `place`, returns after SIGTERM or on its parent's order.
    """
    guard = Guard(allowance, None if place is None else lambda: place.seats.add(place.number, -1))
    servers = [(_server(application, tls, guard, place, stop.grace_seconds), bound) for bound, tls in sockets]

    async def serve() -> None:
        loop = asyncio.get_running_loop()

        def close() -> None:
            stopping()
            for server, _ in servers:
                server.stop()

        def told() -> None:
            if observe.draining:
                return
            observe.draining = True
            for server, _ in servers:
                server.say_so()
            if stop.unready_seconds:
                loop.call_later(stop.unready_seconds, close)
            else:
                close()

        def told_again() -> None:
            close()
            for server, _ in servers:
                server.force_exit = True

        def signalled() -> None:
            (told_again if observe.draining else told)()

        def ordered(orders: socket.socket) -> None:
            order = orders.recv(1)
            if not order:
                loop.remove_reader(orders)
            (told_again if order == AT_ONCE else told)()

        observe.draining = False
        if place is None:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, signalled)
        else:
            # Ctrl-C reaches every process of the terminal, and a service manager may signal all: the parent decides.
            loop.add_signal_handler(signal.SIGTERM, told)
            loop.add_reader(place.orders, ordered, place.orders)
            place.seats.enter(place.number)
        guard.start()
        running = [asyncio.create_task(server.serve(sockets=[bound])) for server, bound in servers]
        while not all(server.started for server, _ in servers):
            if any(task.done() for task in running):
                break
            await asyncio.sleep(0.002)
        else:
            started()
        try:
            await asyncio.gather(*running)
        finally:
            await ended()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


def _server(application: Any, tls: tuple[str, str] | None, guard: Guard, place: Place | None, grace: int) -> _Server:
    config = uvicorn.Config(
        application,
        http=HttpToolsProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ssl_certfile=tls[0] if tls else None,
        ssl_keyfile=tls[1] if tls else None,
        timeout_graceful_shutdown=grace,
    )
    return _Server(config, guard, place)
