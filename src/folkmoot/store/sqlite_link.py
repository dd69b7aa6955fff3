"""Hints between the processes that have one database file open: datagrams to sockets in a directory beside it.

Each process that listens has a socket there (unix(7)); who has something to tell sends to all of them. A hint that a
full or forgotten socket does not take is lost, as hints may be.
"""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path

from folkmoot.ownership import share
from folkmoot.store.watch import Broken, names

_EVERYTHING = b"*"
_MOST = 16_000  # bytes of a datagram; the least that systems allow is above that
_AT_ONCE = 1_000  # datagrams that are read before anything else is done


class SqliteLink:
    """See `watch.Link`."""

    def __init__(self, database: Path) -> None:
        self._directory = database.with_name(database.name + "-hints")
        self._name = secrets.token_hex(8)
        self._folder = -1
        self._socket: socket.socket | None = None

    def open(self) -> int:
        """Make the socket, which is heard of by nobody yet."""
        self.close()
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            share(self._directory)
            self._folder = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
        except OSError as error:
            raise Broken(str(error)) from error
        return self._socket.fileno()

    def listen(self) -> None:
        """Give the socket its name, so that others find it."""
        try:
            self._own.bind(self._path(self._name))
        except OSError as error:
            raise Broken(str(error)) from error

    def send(self, groups: frozenset[str] | None) -> None:
        """To each socket that is there but our own."""
        try:
            found = [name for name in os.listdir(self._folder) if name != self._name]  # noqa: PTH208  (it is open)
        except OSError as error:
            raise Broken(str(error)) from error
        if not found:
            return
        messages = [_EVERYTHING] if groups is None else [text.encode() for text in names(groups, _MOST)]
        for name in found:
            try:
                for message in messages:
                    self._own.sendto(message, self._path(name))
            except ConnectionRefusedError:
                # Of a process that was killed.
                with suppress(OSError):
                    os.unlink(name, dir_fd=self._folder)
            except OSError:
                continue  # it is full, or has just gone

    def received(self) -> tuple[frozenset[str], bool]:
        """What has come."""
        groups: set[str] = set()
        everything = False
        try:
            for _ in range(_AT_ONCE):
                message = self._own.recv(2 * _MOST)
                if message == _EVERYTHING:
                    everything = True
                else:
                    groups.update(message.decode("ascii", "replace").split(","))
        except BlockingIOError:
            pass
        except OSError as error:
            raise Broken(str(error)) from error
        return frozenset(groups), everything

    def close(self) -> None:
        """Take the socket away."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._folder >= 0:
            with suppress(OSError):
                os.unlink(self._name, dir_fd=self._folder)
            os.close(self._folder)
            self._folder = -1

    @property
    def _own(self) -> socket.socket:
        if self._socket is None:
            raise Broken("closed")
        return self._socket

    def _path(self, name: str) -> str:
        """The name by way of the open directory: a socket's own path may have 107 bytes at most (unix(7))."""
        if os.path.isdir("/proc/self/fd"):  # noqa: PTH112  (asked at each message)
            return f"/proc/self/fd/{self._folder}/{name}"
        return str(self._directory / name)
