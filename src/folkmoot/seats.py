"""Spreads connections evenly over worker processes that listen on one socket.

Whoever is quickest to accept would get most of them, and keep-alive connections stay where they are. So each worker
leaves a connection to the others for a moment while it has more than one of them. Sockets of their own (SO_REUSEPORT)
would be spread by chance, and what waits at the socket of a worker that died would wait in vain.
"""

from __future__ import annotations

import asyncio
import mmap
import socket
import ssl
from collections.abc import Callable

from folkmoot.observe import log

# For so long the others may take a connection; then whoever is there does, however many it has.
_LEAVE_SECONDS = 0.005
# After which accepting is tried again when there were no descriptors left.
_AGAIN_SECONDS = 1.0


class Seats:
    """How many connections each worker has, in memory that the processes share. Made before they are."""

    def __init__(self, count: int) -> None:
        self._taken = memoryview(mmap.mmap(-1, count * 4)).cast("i")
        self._count = count
        for number in range(count):
            self.leave(number)

    def leave(self, number: int) -> None:
        """Worker `number` is not there."""
        self._taken[number] = -1

    def enter(self, number: int) -> None:
        """It is, without connections."""
        self._taken[number] = 0

    def add(self, number: int, change: int) -> None:
        """It has so many more."""
        self._taken[number] += change

    def behind(self, number: int) -> bool:
        """Whether another worker has fewer."""
        own = self._taken[number]
        return any(0 <= taken < own for taken in self._taken)

    def held(self) -> list[int]:
        """How many each has; -1 where it is not there."""
        return list(self._taken)


class Acceptor:
    """Accepts connections for one worker on a socket that all share. `close` as asyncio's servers have it."""

    def __init__(
        self,
        bound: socket.socket,
        make: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext | None,
        handshake_seconds: float,
        seats: Seats,
        number: int,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = bound
        self._make = make
        self._tls = tls
        self._handshake_seconds = handshake_seconds if tls else None
        self._seats = seats
        self._number = number
        self._open = True
        self._tasks: set[asyncio.Task[None]] = set()
        bound.setblocking(False)
        self._wait()

    def close(self) -> None:
        """Accept no more."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._socket)

    async def wait_closed(self) -> None:
        """Handshakes under way end by themselves."""

    def _wait(self) -> None:
        if self._open:
            self._loop.add_reader(self._socket, self._ready)

    def _ready(self) -> None:
        if self._seats.behind(self._number):
            self._loop.remove_reader(self._socket)
            self._loop.call_later(_LEAVE_SECONDS, self._left)
        else:
            self._accept()

    def _left(self) -> None:
        if self._open:
            self._wait()
            self._accept()

    def _accept(self) -> None:
        try:
            accepted, _ = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another has it, or nobody any more
        except OSError as error:
            log.error("no connection can be accepted for now: %s", error)
            self._loop.remove_reader(self._socket)
            self._loop.call_later(_AGAIN_SECONDS, self._wait)
            return
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._seats.add(self._number, 1)
        task = self._loop.create_task(self._connect(accepted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._make, accepted, ssl=self._tls, ssl_handshake_timeout=self._handshake_seconds
            )
        except (OSError, TimeoutError):
            # The handshake failed, of which the application's protocol is not told.
            self._seats.add(self._number, -1)
