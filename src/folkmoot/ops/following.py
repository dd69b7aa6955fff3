"""Who may be told of what happens in the directory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from folkmoot.model import Caller, Change
from folkmoot.store import directory_log, everywhere
from folkmoot.store.db import Snapshot


def may_follow_directory(snapshot: Snapshot, caller: Caller) -> bool:
    """Whether somebody may be told of users and groups at all: applications, and people with an enabled account."""
    if caller.kind == "app":
        return True
    person = everywhere.person(snapshot, caller.oid)
    return person is not None and person.enabled


def runs(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """Changes of the directory (see `directory_log.since`), neighbours of one object and one moment put together."""
    run: list[Change] = []
    for change in changes:
        if run and (change.item, change.at) != (run[0].item, run[0].at):
            yield run
            run = []
        run.append(change)
    if run:
        yield run


def saw(snapshot: Snapshot, caller: Caller, run: Sequence[Change]) -> bool:
    """Whether the object of a run is there for somebody who may follow the directory, or was until it was deleted.

    The same rule as `access.inside`, also for groups that are not there any more.
    """
    if caller.kind == "app" or run[0].noun == "user":
        return True
    person = everywhere.person(snapshot, caller.oid)
    if person is None or not person.enabled:
        return False
    if person.admin:
        return True
    group = run[0].item
    visibility = everywhere.visibility(snapshot, group)
    if visibility is not None:
        if visibility == "Public" and not person.guest:
            return True
        return any(everywhere.holds(snapshot, group, role, person.id) for role in ("member", "owner"))
    purge = next((change for change in run if change.kind == "purged"), None)
    if purge is None:
        return False
    was_public, held = directory_log.before_purge(snapshot, purge, person.id)
    return held or (was_public and not person.guest)
