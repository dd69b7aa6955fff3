"""Accepted and rejected senders: who may post into a group, beyond its being open to them."""

from __future__ import annotations

from typing import Literal

from folkmoot.model import Standing
from folkmoot.ops import access
from folkmoot.refusals import Conflict, NoSuchObject
from folkmoot.store import everywhere, senders
from folkmoot.store.changes import record
from folkmoot.store.db import Snapshot, Tx

Verdict = Literal["accepted", "rejected"]


def add(tx: Tx, standing: Standing, verdict: Verdict, object_id: str) -> None:
    """Put a user or group into a list.

    Raises `NoSuchObject` when there is none, or none that the caller may see; `Conflict` when it is in one of the two
    lists already (Graph, acceptedSenders: one object cannot be in both).
    """
    access.manage_group(standing)
    if everywhere.person(tx, object_id) is not None:
        kind = "user"
    else:
        access.see_group(tx, standing.caller, object_id)
        kind = "group"
    known = senders.verdict(tx, standing.group, object_id)
    if known == verdict:
        raise Conflict(
            f"One or more added object references already exist for the following modified properties: "
            f"'{verdict}Senders'.",
            target="@odata.id",
        )
    if known is not None:
        raise Conflict(
            f"The object is in '{known}Senders' and cannot be in '{verdict}Senders' too; remove it there first.",
            target="@odata.id",
        )
    senders.add(tx, standing.group, verdict, object_id, kind)
    record(tx, standing.group, standing.caller.oid, ("created", _noun(verdict), object_id))


def remove(tx: Tx, standing: Standing, verdict: Verdict, object_id: str) -> None:
    """Take a user or group out of a list. Raises `NoSuchObject` when it is not in it."""
    access.manage_group(standing)
    if senders.verdict(tx, standing.group, object_id) != verdict:
        raise NoSuchObject(object_id)
    senders.drop(tx, standing.group, verdict, object_id)
    record(tx, standing.group, standing.caller.oid, ("deleted", _noun(verdict), object_id))


def forget(tx: Tx, object_id: str, by: str | None) -> None:
    """Take a user or group that is being deleted out of every list that it is in.

    Else a group whose only accepted sender is gone would be closed to all. The transaction has those groups' turns.
    """
    for verdict, group in everywhere.sender_in(tx, object_id):
        senders.drop(tx, group, verdict, object_id)
        record(tx, group, by, ("deleted", _noun(verdict), object_id))


def put_back(tx: Tx, group: str, verdict: str, object_id: str, kind: str, by: str) -> None:
    """Put a user or group that is being restored into a list again. The transaction has the group's turn."""
    senders.add(tx, group, verdict, object_id, kind)
    record(tx, group, by, ("created", _noun(verdict), object_id))


def verdicts(snapshot: Snapshot, group: str, sender: str) -> set[str]:
    """The lists that `sender` is in, by itself or through groups that it is a member of, also nested ones.

    A group is a sender, too: an application posts as the group's own mailbox.
    """
    found: set[str] = set()
    through: dict[str, str] = {}
    for verdict, object_id in senders.that_matter(snapshot, group, sender):
        if object_id == sender:
            found.add(verdict)
        else:
            through[object_id] = verdict
    if through:
        found.update(through[above] for above in everywhere.groups_above(snapshot, sender) if above in through)
    return found


def _noun(verdict: str) -> Literal["acceptedSender", "rejectedSender"]:
    return "acceptedSender" if verdict == "accepted" else "rejectedSender"
