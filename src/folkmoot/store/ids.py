"""GUIDs: time-ordered ones for what is stored, random ones for all else."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

_TICKS = 1000 << 12  # in a second


class IdSource:
    """Makes ids (RFC 9562 §5.7, UUID version 7) whose text order is the order in which they were made.

    `clock` gives seconds since the epoch. Between processes of one machine they are in the order of its clock, to a
    quarter of a microsecond.

    The 12 bits after the milliseconds are the fraction of the millisecond (RFC 9562 §6.2, method 3): what several
    processes write in turn within one millisecond ascends. Ids made while the clock stands still or runs back are
    counted on from the last (method 1), so they ascend, too.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._last = 0
        self._random = b""
        self._lock = threading.Lock()

    def new(self, now: float, after: str | None = None) -> str:
        """A new id for the instant `now` (seconds since the epoch), as canonical lower-case text.

        It comes behind `after`, an id that another process made by a clock which was ahead; those that follow need not.
        """
        with self._lock:
            tick = max(round(now * _TICKS), self._last + 1)
            self._last = tick
            if after is not None:
                tick = max(tick, _tick(after) + 1)
            # A call into the system for each id would cost more than all the rest.
            if not self._random:
                self._random = os.urandom(4096)
            taken, self._random = self._random[:8], self._random[8:]
        ms, counter = tick >> 12, tick & 0xFFF
        random = int.from_bytes(taken, "big") & 0x3FFF_FFFF_FFFF_FFFF
        text = f"{ms:012x}7{counter:03x}{random | 0x8000_0000_0000_0000:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _tick(id: str) -> int:
    """The tick of an id; 0 for one that is not time-ordered."""
    return int(id[:8] + id[9:13] + id[15:18], 16) if id[14] == "7" else 0


class RandomIds:
    """Random GUIDs (RFC 9562 §5.4, UUID version 4), for what is not stored. For one thread."""

    def __init__(self) -> None:
        self._digits: list[str] = []

    def new(self) -> str:
        """A new id, as canonical lower-case text."""
        if not self._digits:
            # A call into the system for each id would cost more than all the rest.
            digits = os.urandom(1024).hex()
            self._digits = [digits[at : at + 32] for at in range(0, len(digits), 32)]
        d = self._digits.pop()
        return f"{d[:8]}-{d[8:12]}-4{d[13:16]}-{'89ab'[int(d[16], 16) & 3]}{d[17:20]}-{d[20:]}"
