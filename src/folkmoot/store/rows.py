"""Rows of one group, found by key. Every statement names the group; what crosses groups is in `everywhere`."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    Table,
    and_,
    bindparam,
    delete,
    insert,
    literal,
    null,
    outerjoin,
    select,
    update,
)
from sqlalchemy.sql import ColumnElement, FromClause

from folkmoot.model import Caller, Conversation, Person, Place, Post, Standing, Thread
from folkmoot.store import schema as s
from folkmoot.store.db import Row, Snapshot, Statement, Tx

_G: BindParameter[str] = bindparam("g")
_member = s.memberships.alias("member")
_owner = s.memberships.alias("owner")


def _holds(role: FromClause, name: str) -> ColumnElement[bool]:
    return and_(role.c.group_id == _G, role.c.role == literal(name), role.c.object_id == bindparam("oid"))


_STANDING_COLUMNS = (
    s.groups.c.display_name,
    s.groups.c.mail,
    s.groups.c.visibility,
    s.groups.c.group_types,
    _member.c.role,
    _owner.c.role,
    s.sequences.c.seq,
    s.users.c.id,
    s.users.c.display_name,
    s.users.c.mail,
    s.users.c.user_principal_name,
    s.users.c.user_type,
    s.users.c.account_enabled,
    s.users.c.is_admin,
)
_CONVERSATION_COLUMNS = (
    s.conversations.c.id,
    s.conversations.c.topic,
    s.conversations.c.has_attachments,
    s.conversations.c.last_delivered_at,
    s.conversations.c.unique_senders,
    s.conversations.c.preview,
)
_THREAD_COLUMNS = (
    s.threads.c.id,
    s.threads.c.conversation_id,
    s.threads.c.topic,
    s.threads.c.has_attachments,
    s.threads.c.last_delivered_at,
    s.threads.c.unique_senders,
    s.threads.c.preview,
    s.threads.c.is_locked,
    s.threads.c.to_recipients,
    s.threads.c.cc_recipients,
    s.threads.c.started_by,
)


def _standing(*, lock: bool, place: bool) -> Statement:
    """The group and the caller's place in it; with `place` also the thread `:t` and its conversation."""
    source = s.groups.join(s.sequences, s.sequences.c.group_id == s.groups.c.group_id)
    source = outerjoin(source, _member, _holds(_member, "member"))
    source = outerjoin(source, _owner, _holds(_owner, "owner"))
    source = outerjoin(source, s.users, and_(s.users.c.id == bindparam("oid"), s.users.c.deleted_at.is_(null())))
    columns: tuple[Column[Any], ...] = _STANDING_COLUMNS
    if place:
        source = outerjoin(source, s.threads, and_(s.threads.c.group_id == _G, s.threads.c.id == bindparam("t")))
        source = outerjoin(
            source,
            s.conversations,
            and_(s.conversations.c.group_id == _G, s.conversations.c.id == s.threads.c.conversation_id),
        )
        columns += _THREAD_COLUMNS + _CONVERSATION_COLUMNS
    query = (
        select(*columns)
        .select_from(source)
        .where(s.groups.c.group_id == _G, s.sequences.c.group_id == _G, s.groups.c.deleted_at.is_(null()))
    )
    # The lock orders the writers of a group; SQLite has one writer and leaves it out.
    return Statement(query.with_for_update(of=s.sequences) if lock else query)


_STANDING = _standing(lock=False, place=False)
_STANDING_TO_WRITE = _standing(lock=True, place=False)
_PLACE = _standing(lock=False, place=True)
_PLACE_TO_WRITE = _standing(lock=True, place=True)


def standing(snapshot: Snapshot, caller: Caller, group: str) -> Standing | None:
    """The group and the caller's place in it, or None when there is no such group.

    In a transaction this also takes the group's turn: other writers of the group wait until it ends.
    """
    statement = _STANDING_TO_WRITE if isinstance(snapshot, Tx) else _STANDING
    row = snapshot.one(statement, g=group, oid=caller.oid)
    return None if row is None else _read_standing(caller, group, row)


def place(snapshot: Snapshot, caller: Caller, group: str, thread: str) -> Place | Standing | None:
    """A thread, its conversation and the caller's standing, in one statement.

    The standing alone when the group has no such thread; None when there is no such group. Takes the group's turn as
    `standing` does.
    """
    statement = _PLACE_TO_WRITE if isinstance(snapshot, Tx) else _PLACE
    row = snapshot.one(statement, g=group, oid=caller.oid, t=thread)
    if row is None:
        return None
    found = _read_standing(caller, group, row)
    first = len(_STANDING_COLUMNS)
    second = first + len(_THREAD_COLUMNS)
    if row[first] is None:
        return found
    return Place(found, Thread(*row[first:second]), Conversation(*row[second:]))


def _read_standing(caller: Caller, group: str, row: Row) -> Standing:
    name, mail, visibility, types, member, owner, seq, uid, uname, umail, upn, kind, enabled, admin = row[:14]
    person = None
    if uid is not None and caller.kind == "person":
        person = Person(uid, uname, umail, upn, kind == "Guest", bool(enabled), bool(admin))
    return Standing(
        group, name, mail, visibility, '"Unified"' in types, member is not None, owner is not None, seq, caller, person
    )


def _by_id(table: Table, *columns: Column[Any]) -> Statement:
    return Statement(select(*columns).where(table.c.group_id == _G, table.c.id == bindparam("id")))


_CONVERSATION = _by_id(s.conversations, *_CONVERSATION_COLUMNS)
_THREAD = _by_id(s.threads, *_THREAD_COLUMNS)
_POST = _by_id(
    s.posts, s.posts.c.id, s.posts.c.thread_id, s.posts.c.conversation_id, s.posts.c.in_reply_to, s.posts.c.author
)


def conversation(snapshot: Snapshot, group: str, id: str) -> Conversation | None:
    """A conversation of the group, or None."""
    row = snapshot.one(_CONVERSATION, g=group, id=id)
    return Conversation(*row) if row else None


def thread(snapshot: Snapshot, group: str, id: str) -> Thread | None:
    """A thread of the group, or None."""
    row = snapshot.one(_THREAD, g=group, id=id)
    return Thread(*row) if row else None


def post(snapshot: Snapshot, group: str, id: str) -> Post | None:
    """A post of the group, or None."""
    row = snapshot.one(_POST, g=group, id=id)
    return Post(*row) if row else None


def _change(table: Table, *columns: str) -> Statement:
    where = (table.c.group_id == _G, table.c.id == bindparam("item"))
    return Statement(update(table).where(*where).values({c: bindparam(f"new_{c}") for c in columns}))


def _remove(table: Table) -> Statement:
    return Statement(delete(table).where(table.c.group_id == _G, table.c.id == bindparam("item")))


ADD_CONVERSATION = Statement(insert(s.conversations))
ADD_THREAD = Statement(insert(s.threads))
ADD_POST = Statement(insert(s.posts))
ADD_FORWARD = Statement(insert(s.forwards))
DELIVER_TO_CONVERSATION = _change(s.conversations, "has_attachments", "last_delivered_at", "unique_senders", "preview")
DELIVER_TO_THREAD = _change(
    s.threads, "has_attachments", "last_delivered_at", "unique_senders", "preview", "to_recipients"
)
AMEND_THREAD = _change(s.threads, "topic", "is_locked")
REMOVE_CONVERSATION = _remove(s.conversations)
REMOVE_THREAD = _remove(s.threads)

_REMAINING = Statement(
    select(s.threads.c.has_attachments, s.threads.c.last_delivered_at, s.threads.c.unique_senders, s.threads.c.preview)
    .where(s.threads.c.group_id == _G, s.threads.c.conversation_id == bindparam("conversation"))
    .order_by(s.threads.c.id)
)


def summary(snapshot: Snapshot, group: str, conversation_id: str) -> tuple[bool, int, str, str] | None:
    """What a conversation's threads add up to (attachments, last delivery, senders, preview); None without threads."""
    rows = snapshot.all(_REMAINING, g=group, conversation=conversation_id)
    if not rows:
        return None
    latest = max(rows, key=lambda row: int(row[1]))
    names = dict.fromkeys(name for row in rows for name in json.loads(row[2]))
    return any(row[0] for row in rows), latest[1], json.dumps(list(names)), latest[3]
