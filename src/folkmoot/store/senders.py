"""Rows about who may post into a group, and what each person set for it. Every statement names the group."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, bindparam, delete, insert, literal, or_, select, update

from folkmoot.store import schema as s
from folkmoot.store.db import Snapshot, Statement, Tx

_G: BindParameter[str] = bindparam("g")
_listed = s.senders.c

_VERDICT = Statement(select(_listed.verdict).where(_listed.group_id == _G, _listed.object_id == bindparam("item")))
_ANY = Statement(
    select(_listed.object_id).where(_listed.group_id == _G, _listed.verdict == bindparam("verdict")).limit(1)
)
_THAT_MATTER = Statement(
    select(_listed.verdict, _listed.object_id).where(
        _listed.group_id == _G,
        or_(_listed.object_id == bindparam("me"), _listed.object_type == literal("group")),
    )
)
_ADD = Statement(insert(s.senders))
_DROP = Statement(delete(s.senders).where(_listed.group_id == _G, _listed.object_id == bindparam("item")))
_MARK = {
    verdict: Statement(
        update(s.groups).where(s.groups.c.group_id == _G).values({f"has_{verdict}_senders": bindparam("some")})
    )
    for verdict in ("accepted", "rejected")
}


def verdict(snapshot: Snapshot, group: str, object_id: str) -> str | None:
    """The list that the object is in: "accepted", "rejected" or None."""
    row = snapshot.one(_VERDICT, g=group, item=object_id)
    return None if row is None else row[0]


def that_matter(snapshot: Snapshot, group: str, object_id: str) -> list[tuple[str, str]]:
    """(verdict, object id) of the object itself and of every group that is in a list."""
    return [(row[0], row[1]) for row in snapshot.all(_THAT_MATTER, g=group, me=object_id)]


def add(tx: Tx, group: str, verdict: str, object_id: str, object_type: str) -> None:
    """Put the object into a list; the group remembers that the list has somebody."""
    tx.run(_ADD, group_id=group, object_id=object_id, verdict=verdict, object_type=object_type, added_at=tx.now)
    tx.run(_MARK[verdict], g=group, some=True)


def drop(tx: Tx, group: str, verdict: str, object_id: str) -> None:
    """Take the object out of the list that it is in."""
    tx.run(_DROP, g=group, item=object_id)
    tx.run(_MARK[verdict], g=group, some=tx.one(_ANY, g=group, verdict=verdict) is not None)


# ── what the group says ──────────────────────────────────────────────────────────────────────────────────────────────

SWITCHES = (
    "allow_external_senders",
    "auto_subscribe_new_members",
    "hide_from_address_lists",
    "hide_from_outlook_clients",
)
_SWITCH = {
    name: Statement(update(s.groups).where(s.groups.c.group_id == _G).values({name: bindparam("turned")}))
    for name in SWITCHES
}
_RENEW = Statement(update(s.groups).where(s.groups.c.group_id == _G).values(renewed_at=bindparam("at")))


def switch(tx: Tx, group: str, name: str, on: bool) -> None:
    """Turn one of the group's `SWITCHES`."""
    tx.run(_SWITCH[name], g=group, turned=on)


def renew(tx: Tx, group: str) -> None:
    """Set the moment of the last renewal to now."""
    tx.run(_RENEW, g=group, at=tx.now)


# ── what each person set ─────────────────────────────────────────────────────────────────────────────────────────────

_set = s.preferences.c
_mine = (_set.group_id == _G, _set.person_id == bindparam("person"))
_PREFERENCE = Statement(select(_set.is_subscribed, _set.is_favorite, _set.seen_seq).where(*_mine))
_ADD_PREFERENCE = Statement(insert(s.preferences))
_CHANGE_PREFERENCE = Statement(
    update(s.preferences)
    .where(*_mine)
    .values({name: bindparam(f"new_{name}") for name in ("is_subscribed", "is_favorite", "seen_seq")})
)
_DROP_PREFERENCE = Statement(delete(s.preferences).where(*_mine))
_AUTO_SUBSCRIBES = Statement(select(s.groups.c.auto_subscribe_new_members).where(s.groups.c.group_id == _G))

Preference = tuple[bool | None, bool | None, int]


def preference(snapshot: Snapshot, group: str, person: str) -> Preference | None:
    """(is subscribed, is favourite, seq at the last visit) as the person set them; None for who never said anything."""
    row = snapshot.one(_PREFERENCE, g=group, person=person)
    return None if row is None else (_flag(row[0]), _flag(row[1]), int(row[2]))


def set_preference(tx: Tx, group: str, person: str, new: Preference, *, known: bool) -> None:
    """Keep what a person set; `known` says that there is a row already. The transaction has the group's turn."""
    is_subscribed, is_favorite, seen_seq = new
    if known:
        tx.run(
            _CHANGE_PREFERENCE,
            g=group,
            person=person,
            new_is_subscribed=is_subscribed,
            new_is_favorite=is_favorite,
            new_seen_seq=seen_seq,
        )
    else:
        tx.run(
            _ADD_PREFERENCE,
            group_id=group,
            person_id=person,
            is_subscribed=is_subscribed,
            is_favorite=is_favorite,
            seen_seq=seen_seq,
        )


def forget_preference(tx: Tx, group: str, person: str) -> None:
    """Forget what a person set for the group."""
    tx.run(_DROP_PREFERENCE, g=group, person=person)


def auto_subscribes(snapshot: Snapshot, group: str) -> bool:
    """Whether new members of the group are subscribed to its mail."""
    row = snapshot.one(_AUTO_SUBSCRIBES, g=group)
    return row is not None and bool(row[0])


def _flag(value: Any) -> bool | None:
    return None if value is None else bool(value)
