"""The memory that the bodies of requests may take together.

What has come is counted, not what is said to come: who announces a large body and does not send it would keep
everybody else's out, at the cost of a connection.
"""

from __future__ import annotations

from folkmoot.refusals import Busy


class Room:
    """Memory for bodies: `most` bytes of all requests together, `held` of them taken."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = 0


class Share:
    """What the body of one request has of a `Room`, in bytes."""

    __slots__ = ("_room", "held")

    def __init__(self, room: Room) -> None:
        self._room = room
        self.held = 0

    def hold(self, size: int) -> None:
        """Hold `size` bytes, instead of what was held so far. Raises `Busy` where there is no room for them."""
        more = size - self.held
        if more > 0 and self._room.held + more > self._room.most:
            raise Busy
        self._room.held += more
        self.held = size

    def expect(self, size: int) -> None:
        """Raise `Busy` where there is no room for `size` bytes that are said to come, and take none for them yet."""
        if self._room.held + size > self._room.most:
            raise Busy
