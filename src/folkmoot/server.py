"""Runs the application on its sockets until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from folkmoot.refusals import Refusal

GRACE_SECONDS = 10
# A request's extension (ASGI) that breaks its connection off, for answers which the client does not take.
ABORT = "folkmoot.abort"
# Longer than clients and proxies keep idle connections (httpx 5 s, aiohttp 15 s, load balancers 60 s). Whoever closes
# first must be the client: a request that meets the server's closing fails, and a POST is not safely sent again.
KEEP_ALIVE_SECONDS = 75


class PortTaken(Refusal):
    """The port is in use."""


class _Protocol(HttpToolsProtocol):
    """uvicorn's, which also lets the application break a connection off."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: self.transport.abort}  # type: ignore[dict-item]


class _Server(uvicorn.Server):
    """uvicorn's server without signal handling of its own: here two of them share one process."""

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
        raise PortTaken(
            f"Cannot listen on {host}:{port} ({error.strerror}): stop what uses it, or choose another with {option}."
        ) from error
    bound.listen(1024)
    return bound


def run(
    application: Any,
    sockets: Sequence[tuple[socket.socket, tuple[str, str] | None]],
    started: Callable[[], None],
    stopping: Callable[[], None],
    ended: Callable[[], Awaitable[None]],
) -> None:
    """Serve on `sockets`, each with the paths of its certificate chain and key, or None for plain HTTP.

    Calls `started` once requests are answered, and `stopping` when no more will be. Returns after SIGINT or SIGTERM,
    when the requests under way are done and then what `ended` gives; a second signal does not wait for the requests.
    """
    servers = [(_server(application, tls), bound) for bound, tls in sockets]

    async def serve() -> None:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            for server, _ in servers:
                server.force_exit = server.should_exit
                server.should_exit = True
            stopping()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
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


def _server(application: Any, tls: tuple[str, str] | None) -> _Server:
    return _Server(
        uvicorn.Config(
            application,
            http=_Protocol,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ssl_certfile=tls[0] if tls else None,
            ssl_keyfile=tls[1] if tls else None,
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
    )
