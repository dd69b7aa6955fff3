"""Which endpoints were slow of late: those wait longer, so that they hold no others up.

The cloud looks at ten minutes. With more than a tenth of the answers over the limit it delays what it sends, with more
than 15 % it drops it. Here nothing is dropped for that: the log keeps what waits, and more of it goes with each POST.
"""

from __future__ import annotations

from collections import OrderedDict

WINDOW_SECONDS = 600.0
SLOW_SHARE, SLOWER_SHARE = 0.10, 0.15
SLOW_DELAY, SLOWER_DELAY = 10.0, 60.0
# Fewer answers say little.
LEAST_ANSWERS = 10
_PARTS = 10
# Endpoints whose answers are remembered; of more, those not heard of for longest are forgotten.
_REMEMBERED = 10_000


class Health:
    """The answers of each endpoint in the last ten minutes, by the minute."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, list[list[int]]] = OrderedDict()  # URL → [minute, answers, slow ones]

    def note(self, url: str, now: float, *, slow: bool) -> None:
        """Remember an answer, or that none came in time (`slow`)."""
        minute = int(now * _PARTS // WINDOW_SECONDS)
        parts = self._of.setdefault(url, [])
        self._of.move_to_end(url)
        if not parts or parts[-1][0] != minute:
            parts.append([minute, 0, 0])
            del parts[:-_PARTS]
        parts[-1][1] += 1
        parts[-1][2] += slow
        if len(self._of) > _REMEMBERED:
            self._of.popitem(last=False)

    def delay(self, url: str, now: float) -> float:
        """The seconds that an endpoint is left alone after it was sent something."""
        minute = int(now * _PARTS // WINDOW_SECONDS)
        parts = [part for part in self._of.get(url, ()) if minute - _PARTS < part[0] <= minute]
        answers, slow = sum(part[1] for part in parts), sum(part[2] for part in parts)
        if answers < LEAST_ANSWERS or slow <= SLOW_SHARE * answers:
            return 0.0
        return SLOWER_DELAY if slow > SLOWER_SHARE * answers else SLOW_DELAY
