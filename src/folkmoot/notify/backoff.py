"""When an endpoint that failed is tried again, and what is too old by then."""

from __future__ import annotations

import random
from email.utils import parsedate_to_datetime

import msgspec

from folkmoot.store.endpoints import Standing

FIRST_SECONDS = 1.0
MOST_SECONDS = 600.0
# As the cloud: what could not be told for so long after the first failure never is.
GIVE_UP_SECONDS = 4 * 3600.0
# An endpoint may ask for more patience than we have, and for less.
_ASKED_LEAST, _ASKED_MOST = 1.0, 3600.0


class Backoff:
    """Waits twice as long after each failure, up to ten minutes, and then somewhat less by chance.

    The chance keeps endpoints that failed together from being tried together. `source` gives it.
    """

    def __init__(self, source: random.Random) -> None:
        self._source = source

    def after(self, standing: Standing, now: float, asked: float | None = None) -> Standing:
        """How it stands after one more failure at `now`; `asked`: the seconds that the endpoint wants to be left."""
        failures = standing.failures + 1
        wait = min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** min(failures - 1, 30)) * self._source.uniform(0.5, 1.0)
        if asked is not None:
            wait = min(max(asked, _ASKED_LEAST), _ASKED_MOST)
        since = now if standing.failing_since is None else standing.failing_since
        return Standing(failures, since, now + wait)


def taken_up(standing: Standing, now: float) -> Standing:
    """How it stands with an endpoint that is tried at `now`: what it could not fail, for no server was there to try it,
    does not count."""
    if standing.failing_since is None or standing.retry_at is None or now - standing.retry_at < MOST_SECONDS:
        return standing
    return msgspec.structs.replace(standing, failing_since=standing.failing_since + now - standing.retry_at)


def horizon(standing: Standing, now: float) -> float | None:
    """What happened before this is not told any more; None while the endpoint has not failed for that long."""
    if standing.failing_since is None or now - standing.failing_since < GIVE_UP_SECONDS:
        return None
    return now - GIVE_UP_SECONDS


def asked_to_wait(status: int | None, retry_after: str | None, now: float) -> float | None:
    """The seconds of a Retry-After (RFC 9110 §10.2.3) that came with 429 or 503, or None."""
    if status not in (429, 503) or retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return None
