"""What the rest uses to tell operators what happens: one logger, and what is counted."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections import Counter

log = logging.getLogger("folkmoot")

# Set when the server was told to stop: it is not ready for more.
draining = False


class Durations:
    """How often something took how long: the count of each bucket, all of them together, and the seconds."""

    bounds = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3600.0, 14400.0)

    def __init__(self) -> None:
        self.buckets = [0] * (len(self.bounds) + 1)
        self.count = 0
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.buckets[bisect_left(self.bounds, seconds)] += 1
        self.count += 1
        self.seconds += seconds


# Since the process began. `posts` to subscribers by outcome ("delivered", "refused", "unanswered"), and how long they
# took; `notifications` "delivered" and "dropped"; from a change until its subscriber knew.
posts: Counter[str] = Counter()
notifications: Counter[str] = Counter()
post_seconds = Durations()
lag_seconds = Durations()
