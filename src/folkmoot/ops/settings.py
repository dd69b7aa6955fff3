"""What a group does with its mail, and what each person set for the group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from folkmoot.model import Standing
from folkmoot.ops import access
from folkmoot.store import senders
from folkmoot.store.changes import next_seq, record
from folkmoot.store.db import Tx
from folkmoot.store.directory_log import note

# resourceBehaviorOptions (Graph, group resource) → the switch that it turns on at creation.
_BEHAVIOUR = {
    "SubscribeNewGroupMembers": "auto_subscribe_new_members",
    "HideGroupInOutlook": "hide_from_outlook_clients",
}


def at_creation(options: Iterable[str]) -> dict[str, bool]:
    """The columns of a new group that hold its switches, as its resourceBehaviorOptions turn them."""
    on = {_BEHAVIOUR[option] for option in options if option in _BEHAVIOUR}
    columns = (*senders.SWITCHES, "has_accepted_senders", "has_rejected_senders")
    return {name: name in on for name in columns}


def switch(tx: Tx, standing: Standing, changes: Mapping[str, bool]) -> None:
    """Turn switches of the group, by their columns; its owners, administrators and applications may."""
    access.manage_group(standing)
    for name, value in changes.items():
        senders.switch(tx, standing.group, name, value)
    record(tx, standing.group, standing.caller.oid, ("updated", "group", standing.group))


def renew(tx: Tx, standing: Standing) -> None:
    """Say that the group is still in use: `renewedDateTime` is now."""
    access.manage_group(standing)
    senders.renew(tx, standing.group)
    record(tx, standing.group, standing.caller.oid, ("updated", "group", standing.group))
    note(tx, "group", standing.group, "renewedDateTime")


# ── what each person set ─────────────────────────────────────────────────────────────────────────────────────────────


def prefer(
    tx: Tx, standing: Standing, *, subscribed: bool | None = None, favorite: bool | None = None, seen: bool = False
) -> None:
    """Keep what the caller says of the group for himself; None leaves a value as it is, `seen` is a visit now.

    Whoever may read the group's content may. Asking for what is so already changes nothing, except a visit.
    """
    access.read_content(standing)
    group, person = standing.group, standing.caller.oid
    known = senders.preference(tx, group, person)
    old = known or (None, None, _unseen_since(tx, standing))
    new = (
        old[0] if subscribed is None else subscribed,
        old[1] if favorite is None else favorite,
        # The visit is itself the group's next change.
        next_seq(tx, group) if seen else old[2],
    )
    if new == known:
        return
    senders.set_preference(tx, group, person, new, known=known is not None)
    record(tx, group, person, ("updated", "preference", person))


def joined(tx: Tx, group: str, person: str) -> None:
    """Begin what is kept of a new member: subscribed where the group says so, and nothing unseen yet."""
    known = senders.preference(tx, group, person)
    subscribed = senders.auto_subscribes(tx, group) or (known is not None and known[0] is True)
    new = (subscribed, known[1] if known else None, next_seq(tx, group))
    senders.set_preference(tx, group, person, new, known=known is not None)


def left(tx: Tx, group: str, person: str) -> None:
    """Forget what somebody set who is no member any more."""
    senders.forget_preference(tx, group, person)


def _unseen_since(tx: Tx, standing: Standing) -> int:
    """Where the unseen begin for somebody of whom nothing is kept: founding members have seen nothing yet."""
    return 0 if standing.member else next_seq(tx, standing.group) - 1
