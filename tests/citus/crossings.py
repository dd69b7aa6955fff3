"""The statements that look into the rows of several groups, each with the reason why it may.

A new one fails the run (see `tests/conftest.py`). None is on the way of a request about one group.
"""

from __future__ import annotations

from collections.abc import Mapping

from folkmoot import metrics
from folkmoot.store import everywhere, integrity, lanes, places, retention, subscriptions, watch
from folkmoot.store.db import Statement

_BEHIND = "the notifier asks in the background, for all groups at once, who is behind"
_ENDS = "a subscription to all groups has a place in each, and goes seldom"
_DOCTOR = "the doctor goes through everything, and no request waits for it"

CROSSINGS: Mapping[Statement, str] = {
    watch._LATELY: "each server looks every few seconds which groups changed, by an index of numbers",
    lanes._IN_GROUPS: _BEHIND,
    lanes._LATELY: _BEHIND,
    lanes._ANYWHERE: _BEHIND,
    lanes._OF_URL: _BEHIND,
    lanes._OF_URL_IN: _BEHIND,
    lanes._NEW_IN: _BEHIND,
    lanes._NEW_LATELY: _BEHIND,
    lanes._HAS_LANES: _ENDS,
    lanes._DROP_LANES: _ENDS,
    subscriptions.REMOVE_CURSORS: _ENDS,
    places._HEADS: "a stream of all my groups begins where each of them stands, once when it is opened",
    metrics._NEWEST: "whoever fetches the metrics sees when anything changed last, by an index of numbers",
    integrity.HEADS: _DOCTOR,
    integrity.MEMBERSHIPS.page: _DOCTOR,
    integrity.MEMBERSHIPS.there: _DOCTOR,
    everywhere._ENDED_UPLOADS: "a sweep asks once a minute where uploads were left behind, of which there are few",
    retention._GROUPS: "the hourly sweep walks through the groups, a page in each statement",
}


def texts() -> Mapping[str, str]:
    """Text on PostgreSQL → reason."""
    return {statement.compiled("postgresql")[0]: reason for statement, reason in CROSSINGS.items()}
