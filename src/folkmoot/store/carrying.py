"""What a writer knows of groups from its last batches: it writes by that in one message, instead of asking first.

The message begins with a question that fails unless all is as it was (`rows.make_sure`), and then nothing of it
happens. In a group whose number is the same nothing was changed: each change of what a writer remembers is recorded.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from folkmoot.store import rows
from folkmoot.store.db import Hint, Tx

# Seconds; what somebody changed by hand, past the change log, counts after so long.
_LASTS = 5.0
_MOST = 1000  # groups
# Seconds in which nothing is kept after something was not so: another server writes there, and would again.
_RESTS = 1.0


class Known:
    """Of one group: the number of its last change, what `Tx.memo` held, and when that was first read."""

    __slots__ = ("head", "memo", "since")

    def __init__(self) -> None:
        self.head = 0
        self.memo: dict[tuple[str, ...], Any] = {}
        self.since = time.monotonic()


class Carried:
    """What one writer knows of groups, for one thread. Whoever fails calls `forget`, or `doubt`."""

    def __init__(self) -> None:
        self._groups: dict[str, Known] = {}
        self._rests_until = 0.0

    def forget(self) -> None:
        """Know nothing any more."""
        self._groups.clear()

    def doubt(self) -> None:
        """Know nothing, and nothing more for a while: something was not so."""
        self.forget()
        self._rests_until = time.monotonic() + _RESTS

    def of(self, hints: Sequence[Hint]) -> dict[str, Known] | None:
        """What is known of the groups that are hinted at; None where nothing is known of one."""
        oldest = time.monotonic() - _LASTS
        found: dict[str, Known] = {}
        for hint in hints:
            known = self._groups.get(hint.group)
            if known is None or known.since < oldest:
                return None
            found[hint.group] = known
        return found

    def keep(self, tx: Tx, begun_with: Mapping[str, Known]) -> None:
        """Remember what `tx` knew in the end, once it is committed."""
        if tx.forgot or len(self._groups) > _MOST:
            self.forget()
            begun_with = {}
        if time.monotonic() < self._rests_until:
            return
        for group, head in tx.heads.items():
            known = self._groups[group] = begun_with.get(group) or Known()
            known.head = head
        for key, value in tx.memo.items():
            self._groups[key[1]].memo[key] = value


def go_on(tx: Tx, hints: Sequence[Hint], begin_with: Mapping[str, Known]) -> None:
    """Let `tx` begin with what is known of what is hinted at, and fail if that is no longer so."""
    # In the order in which turns are taken (`rows.prefetch`).
    for group, oid, thread, _ in sorted(hints, key=lambda hint: hint.group):
        known = begin_with[group]
        tx.heads[group] = known.head
        keys = [("standing", group, oid)]
        if thread is not None and (found := known.memo.get(("thread", group, thread))) is not None:
            keys += [("thread", group, thread), ("conversation", group, found.conversation)]
        tx.memo.update((key, known.memo[key]) for key in keys if key in known.memo)
    rows.make_sure(tx)
