"""What the rest uses to tell operators what happens: loggers, what is under way, and a meter that counts.

Nothing here waits, and nothing here costs much: the meter counts nothing until `metrics` puts one there that does.
"""

from __future__ import annotations

import logging
from collections import Counter
from contextvars import ContextVar
from typing import Any, Final, Literal
from weakref import WeakSet

log = logging.getLogger("folkmoot")

# The request-id of the request that is being answered; "" elsewhere. Each line of the log carries it (see `logs`).
request_id: ContextVar[str] = ContextVar("request_id", default="")

# Under these names a door leaves in the request's scope (ASGI) which operation was asked for (a row's address, never a
# path) and by which application.
OPERATION: Final = "folkmoot.operation"
APPLICATION: Final = "folkmoot.application"
# And what it was answered, where that did not go by ASGI's messages: its status, the bytes of its
# body, its request-id and client-request-id.
ANSWERED: Final = "folkmoot.answered"

# And under these, among the request's extensions (ASGI), the HTTP server gives what breaks its connection off,
ABORT: Final = "folkmoot.abort"
# what says whether the client has gone, so that nobody reads on for it,
GONE: Final = "folkmoot.gone"
# what sends a whole answer at once, where it can,
WHOLE: Final = "folkmoot.whole"
# and what must be told how many bytes of memory the answer takes until it has been sent.
HOLDS: Final = "folkmoot.holds"

# Set when the server was told to stop: it is not ready for more (see `readiness`).
draining = False

# How many "requests", "streams" and "uploads" are under way in this process. Its event loop alone writes here.
under_way: Counter[str] = Counter()
# How many times the database was read, "quick" (a few indexed rows) or "long". The event loop alone writes here.
reads: Counter[str] = Counter()
# Connections to PostgreSQL that were made; each says in `closed` whether it is.
connections: WeakSet[Any] = WeakSet()


class Meter:
    """Counts, by name and never of whom. This one counts nothing."""

    def answered(self, operation: str, method: str, status: int, seconds: float) -> None:
        """An HTTP request's answer began, after so many seconds. Status 0: there was none."""

    def items(self, operation: str, method: str, status: int, count: int) -> None:
        """So many requests within a batch were answered."""

    def committed(self, writes: int, seconds: float) -> None:
        """So many writes were committed together; it took so long from their beginning until they were on disk."""

    def rolled_back(self) -> None:
        """A transaction with writes was undone."""

    def connected(self, connection: Any) -> None:
        """A connection to PostgreSQL was made."""

    def database_failed(self, doing: Literal["read", "write", "connect"]) -> None:
        """The database could not be reached, or broke off."""

    def swept(self, now: float, removed: int) -> None:
        """Retention has gone through the change log, at `now` (seconds), and removed so many changes."""

    def posted(self, outcome: Literal["delivered", "refused", "unanswered"], seconds: float) -> None:
        """There was a POST to a subscriber."""

    def notified(self, outcome: Literal["delivered", "dropped"], count: int) -> None:
        """So many notifications were told, or given up."""

    def lagged(self, seconds: float) -> None:
        """So long after a change its subscriber knew."""


# Always by this name (`observe.meter.…`), since it is put in another's place.
meter = Meter()
