"""Rows of one group, found by key. Every statement names the group; what crosses groups is in `everywhere`.

What a snapshot or a transaction reads here of who is who it remembers (`memo`), and does not read again for the next
function that it serves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace
from sqlalchemy import (
    BindParameter,
    Column,
    Table,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    null,
    outerjoin,
    select,
    update,
)
from sqlalchemy.sql import ColumnElement, FromClause

from folkmoot.model import ANYBODY, Caller, Conversation, Person, Place, Post, Sending, Standing, Thread
from folkmoot.store import schema as s
from folkmoot.store.db import Hint, Row, Snapshot, Statement, Tx
from folkmoot.store.dialect import AnyOf
from folkmoot.store.held import Several

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
    s.groups.c.resource_behavior_options,
    s.groups.c.has_accepted_senders,
    s.groups.c.has_rejected_senders,
    s.groups.c.allow_external_senders,
)
_SEQ = 6
_SENDING = 14
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


_CALLER_THERE = (
    s.groups.join(s.sequences, s.sequences.c.group_id == s.groups.c.group_id)
    .outerjoin(_member, _holds(_member, "member"))
    .outerjoin(_owner, _holds(_owner, "owner"))
    .outerjoin(s.users, and_(s.users.c.id == bindparam("oid"), s.users.c.deleted_at.is_(null())))
)
_THERE = and_(s.groups.c.group_id == _G, s.sequences.c.group_id == _G, s.groups.c.deleted_at.is_(null()))


def _standing(*, place: bool, thread: bool = False) -> Statement:
    """The group and the caller's place in it; with `place` also the thread `:t` and its conversation.

    With `thread` only which conversation the thread `:t` is in.
    """
    source = _CALLER_THERE
    columns: tuple[Column[Any], ...] = _STANDING_COLUMNS
    if place or thread:
        source = outerjoin(source, s.threads, and_(s.threads.c.group_id == _G, s.threads.c.id == bindparam("t")))
    if thread:
        columns += (s.threads.c.conversation_id,)
    if place:
        source = outerjoin(
            source,
            s.conversations,
            and_(s.conversations.c.group_id == _G, s.conversations.c.id == s.threads.c.conversation_id),
        )
        columns += _THREAD_COLUMNS + _CONVERSATION_COLUMNS
    return Statement(select(*columns).select_from(source).where(_THERE), apart=not place)


_STANDING = _standing(place=False)
_PLACE = _standing(place=True)
_ENTRY = _standing(place=False, thread=True)
_SAME_STANDING = Statement(
    select(literal(1) // func.count())
    .select_from(_CALLER_THERE)
    .where(
        _THERE,
        *(
            column.is_not_distinct_from(bindparam(f"was_{number}"))
            for number, column in enumerate(_STANDING_COLUMNS)
            if number != _SEQ
        ),
    ),
    keeps_memo=True,
    apart=True,
)
# The lock orders the writers of a group; SQLite has one writer and leaves it out.
_TURN = Statement(select(s.sequences.c.seq).where(s.sequences.c.group_id == _G).with_for_update(), apart=True)
# Asked for by a transaction that goes on with what another one knew: division by zero, unless it is still so.
_SAME_TURN = Statement(
    select(literal(1) // case((s.sequences.c.seq == bindparam("head"), literal(1)), else_=literal(0)))
    .where(s.sequences.c.group_id == _G)
    .with_for_update(),
    keeps_memo=True,
    apart=True,
)
_THREAD_SOURCE = s.threads.join(
    s.conversations,
    and_(s.conversations.c.group_id == s.threads.c.group_id, s.conversations.c.id == s.threads.c.conversation_id),
)
_WITH_CONVERSATION = (
    select(*_THREAD_COLUMNS, *_CONVERSATION_COLUMNS)
    .select_from(_THREAD_SOURCE)
    .where(s.threads.c.group_id == _G, s.conversations.c.group_id == _G)
)
_ONE_THREAD = Statement(_WITH_CONVERSATION.where(s.threads.c.id == bindparam("t")))
_THREADS = Statement(_WITH_CONVERSATION.where(AnyOf(s.threads.c.id, "ids")))
_CONVERSATION_OF = Statement(
    select(s.threads.c.conversation_id).where(s.threads.c.group_id == _G, s.threads.c.id == bindparam("t"))
)
_FIRST = len(_STANDING_COLUMNS)


def standing(snapshot: Snapshot, caller: Caller, group: str) -> Standing | None:
    """The group and the caller's place in it, or None when there is no such group.

    In a transaction this also takes the group's turn: other writers of the group wait until it ends.
    """
    key = ("standing of", group, caller.oid)
    known: Standing | None = snapshot.memo.get(key)
    if known is not None and known.caller is caller:
        return known
    row = _standing_row(snapshot, caller.oid, group)
    if row is None:
        return None
    found = _read_standing(caller, group, row)
    if not isinstance(snapshot, Tx):  # which may change it
        snapshot.memo[key] = found
    return found


def place(snapshot: Snapshot, caller: Caller, group: str, thread: str) -> Place | Standing | None:
    """A thread, its conversation and the caller's standing, in one statement where nothing is known yet.

    The standing alone when the group has no such thread; None when there is no such group. Takes the group's turn as
    `standing` does.
    """
    if isinstance(snapshot, Tx):
        return _place_to_write(snapshot, caller, group, thread)
    row = snapshot.one(_PLACE, g=group, oid=caller.oid, t=thread)
    if row is None:
        return None
    found = _read_standing(caller, group, row)
    if row[_FIRST] is None:
        return found
    return Place(found, *_read_thread(row[_FIRST:]))


def entry(snapshot: Snapshot, caller: Caller, group: str, thread: str) -> tuple[Standing, str | None] | None:
    """The caller's standing, and the id of the conversation that a thread is in: all that reading its posts rests on.

    None for the conversation when the group has no such thread; None when there is no such group.
    """
    key = ("standing", group, caller.oid)
    known: Row | None = snapshot.memo.get(key)
    if known is not None:
        found = snapshot.one(_CONVERSATION_OF, g=group, t=thread)
        return _read_standing(caller, group, known), None if found is None else found[0]
    row = snapshot.one(_ENTRY, g=group, oid=caller.oid, t=thread)
    if row is None:
        return None
    snapshot.memo[key] = row[:_FIRST]
    return _read_standing(caller, group, row), row[_FIRST]


def knows_standing(snapshot: Snapshot, caller: Caller, group: str) -> bool:
    """Whether `standing` costs no statement."""
    return ("standing", group, caller.oid) in snapshot.memo


def take_turn(tx: Tx, group: str) -> None:
    """Let other writers of the group wait until this transaction ends."""
    if group not in tx.heads:
        row = tx.one(_TURN, g=group)
        if row is not None:
            tx.heads[group] = row[0]


def make_sure(tx: Tx) -> None:
    """Take the turns of the groups whose heads `tx` has from an earlier transaction.

    The database raises (division by zero), now or later, unless these heads, and each standing that is remembered, are
    as they were.
    """
    for group, head in tx.heads.items():
        tx.run(_SAME_TURN, g=group, head=head)
    for key, row in tx.memo.items():
        if key[0] == "standing":
            was = {f"was_{number}": value for number, value in enumerate(row) if number != _SEQ}
            tx.run(_SAME_STANDING, g=key[1], oid=key[2], **was)


def prefetch(tx: Tx, hints: Iterable[Hint]) -> None:
    """Read what a batch of functions will ask for in one round trip, and take their groups' turns.

    Nothing is asked for where all is known.
    """
    asked: dict[tuple[str, ...], tuple[Statement, dict[str, Any]]] = {}
    threads: dict[str, dict[str, None]] = {}
    # Turns are taken in one order by all, or two servers could wait for each other.
    for group, oid, thread, _ in sorted(hints, key=lambda hint: hint.group):
        if group not in tx.heads:
            asked.setdefault(("turn", group), (_TURN, {"g": group}))
        if ("standing", group, oid) not in tx.memo:
            asked.setdefault(("standing", group, oid), (_STANDING, {"g": group, "oid": oid}))
        if thread is not None and ("thread", group, thread) not in tx.memo:
            threads.setdefault(group, {})[thread] = None
    for group, wanted in threads.items():
        asked[("threads", group)] = (_THREADS, {"g": group, "ids": json.dumps(list(wanted))})
    if not asked:
        return
    for key, found in zip(asked, tx.all_of(list(asked.values())), strict=True):
        match key:
            case ("turn", str(group)) if found:
                tx.heads[group] = found[0][0]
            case ("standing", *_) if found:
                tx.memo[key] = found[0]
            case ("threads", str(group)):
                for row in found:
                    _remember(tx, group, *_read_thread(row))


def deliver(tx: Tx, group: str, thread: Thread, conversation: Conversation) -> None:
    """Store what a thread and its conversation tell of their posts, after one was added."""
    tx.add(
        _DELIVER_TO_THREADS,
        group,
        id=thread.id,
        has_attachments=bool(thread.has_attachments),
        last_delivered_at=thread.last_delivered_at,
        unique_senders=thread.unique_senders,
        preview=thread.preview,
        to_recipients=thread.to_recipients,
    )
    tx.memo[("thread", group, thread.id)] = thread
    restate(tx, group, conversation)


def restate(tx: Tx, group: str, conversation: Conversation) -> None:
    """Store what a conversation tells of its posts."""
    tx.add(
        _DELIVER_TO_CONVERSATIONS,
        group,
        id=conversation.id,
        has_attachments=bool(conversation.has_attachments),
        last_delivered_at=conversation.last_delivered_at,
        unique_senders=conversation.unique_senders,
        preview=conversation.preview,
    )
    tx.memo[("conversation", group, conversation.id)] = conversation


def _read_thread(row: Row) -> tuple[Thread, Conversation]:
    """A thread and its conversation, from the columns of both."""
    return Thread(*row[: len(_THREAD_COLUMNS)]), Conversation(*row[len(_THREAD_COLUMNS) :])


def _remember(tx: Tx, group: str, thread: Thread, conversation: Conversation) -> Conversation:
    """Remember what was read, and give the conversation as it is: another of its threads may have brought it on."""
    tx.memo[("thread", group, thread.id)] = thread
    known: Conversation = tx.memo.setdefault(("conversation", group, conversation.id), conversation)
    return known


def _standing_row(snapshot: Snapshot, oid: str, group: str) -> Row | None:
    key = ("standing", group, oid)
    row: Row | None = snapshot.memo.get(key)
    if row is None:
        if isinstance(snapshot, Tx):
            row = _in_turn(snapshot, _STANDING, group, oid=oid)
        else:
            row = snapshot.one(_STANDING, g=group, oid=oid)
        if row is not None:
            snapshot.memo[key] = row
    return row


def _in_turn(tx: Tx, statement: Statement, group: str, **parameters: Any) -> Row | None:
    """The row of a statement that is asked when it is the group's turn, which is waited for once in a transaction.

    Not one statement that locks, too: when PostgreSQL has waited for the lock it reads the locked row anew, and what is
    joined to it as it was before (its manual, "Read Committed Isolation Level"); what the other writer did to a thread
    would be undone.
    """
    asked = [(statement, {"g": group, **parameters})]
    if tx.dialect == "postgresql" and group not in tx.heads:
        asked.insert(0, (_TURN, {"g": group}))
    rows = tx.all_of(asked)[-1]
    if not rows:
        return None
    tx.heads.setdefault(group, rows[0][_SEQ])
    return rows[0]


def _place_to_write(tx: Tx, caller: Caller, group: str, thread: str) -> Place | Standing | None:
    known: Thread | None = tx.memo.get(("thread", group, thread))
    if known is None and group not in tx.heads:
        row = _in_turn(tx, _PLACE, group, oid=caller.oid, t=thread)
        if row is None:
            return None
        tx.memo[("standing", group, caller.oid)] = row[:_FIRST]
        if row[_FIRST] is not None:
            _remember(tx, group, *_read_thread(row[_FIRST:]))
    found = standing(tx, caller, group)
    if found is None:
        return None
    known = tx.memo.get(("thread", group, thread))
    if known is None:
        rows = tx.all(_ONE_THREAD, g=group, t=thread)
        if not rows:
            return found
        known, conversation = _read_thread(rows[0])
        return Place(found, known, _remember(tx, group, known, conversation))
    conversation = tx.memo[("conversation", group, known.conversation)]
    return Place(found, known, conversation)


def _read_standing(caller: Caller, group: str, row: Row) -> Standing:
    name, mail, visibility, types, member, owner, _, uid, uname, umail, upn, kind, enabled, admin = row[:_SENDING]
    behaviour, accepts, rejects, external = row[_SENDING:_FIRST]
    members_only = '"AllowOnlyMembersToPost"' in behaviour
    said = accepts or rejects or external or members_only
    person = None
    if uid is not None and caller.kind == "person":
        person = Person(uid, uname, umail, upn, kind == "Guest", bool(enabled), bool(admin))
    return Standing(
        group,
        name,
        mail,
        visibility,
        '"Unified"' in types,
        member is not None,
        owner is not None,
        caller,
        person,
        Sending(bool(accepts), bool(rejects), members_only, bool(external)) if said else ANYBODY,
    )


def _by_id(table: Table, *columns: Column[Any]) -> Statement:
    return Statement(select(*columns).where(table.c.group_id == _G, table.c.id == bindparam("id")))


_CONVERSATION = _by_id(s.conversations, *_CONVERSATION_COLUMNS)
_THREAD = _by_id(s.threads, *_THREAD_COLUMNS)
_LATER_THREADS = Statement(
    select(*_THREAD_COLUMNS)
    .where(
        s.threads.c.group_id == _G,
        s.threads.c.conversation_id == bindparam("conversation"),
        s.threads.c.id > bindparam("conversation"),
    )
    .order_by(s.threads.c.id.desc())
    .limit(bindparam("n"))
)
_POST = _by_id(
    s.posts, s.posts.c.id, s.posts.c.thread_id, s.posts.c.conversation_id, s.posts.c.in_reply_to, s.posts.c.author
)
_CONTENT = _by_id(s.posts, s.posts.c.content)


def conversation(snapshot: Snapshot, group: str, id: str) -> Conversation | None:
    """A conversation of the group, or None."""
    row = snapshot.one(_CONVERSATION, g=group, id=id)
    return Conversation(*row) if row else None


def thread(snapshot: Snapshot, group: str, id: str) -> Thread | None:
    """A thread of the group, or None."""
    row = snapshot.one(_THREAD, g=group, id=id)
    return Thread(*row) if row else None


def later_threads(snapshot: Snapshot, group: str, conversation: str, at_most: int) -> list[Thread]:
    """The last threads of a conversation, the last one first, without that which has the conversation's id."""
    return [Thread(*row) for row in snapshot.all(_LATER_THREADS, g=group, conversation=conversation, n=at_most)]


def post(snapshot: Snapshot, group: str, id: str) -> Post | None:
    """A post of the group, or None."""
    row = snapshot.one(_POST, g=group, id=id)
    return Post(*row) if row else None


def expect_conversation(snapshot: Snapshot, group: str, id: str) -> None:
    """Say that `conversation` will be asked for with the same."""
    snapshot.expect(_CONVERSATION, g=group, id=id)


def expect_post(snapshot: Snapshot, group: str, id: str) -> None:
    """Say that `post` will be asked for with the same."""
    snapshot.expect(_POST, g=group, id=id)


def content(snapshot: Snapshot, group: str, post: str) -> str | None:
    """The text of a post, or None."""
    row = snapshot.one(_CONTENT, g=group, id=post)
    return None if row is None else str(row[0])


def _change(table: Table, *columns: str) -> Statement:
    where = (table.c.group_id == _G, table.c.id == bindparam("item"))
    return Statement(update(table).where(*where).values({c: bindparam(f"new_{c}") for c in columns}))


def _remove(table: Table) -> Statement:
    return Statement(delete(table).where(table.c.group_id == _G, table.c.id == bindparam("item")))


# For those who fill a database row by row; verbs hold rows back.
ADD_CONVERSATION = Statement(insert(s.conversations), keeps_memo=True)
ADD_THREAD = Statement(insert(s.threads), keeps_memo=True)
ADD_POST = Statement(insert(s.posts), keeps_memo=True)
CONVERSATIONS = Several(s.conversations, 0)
THREADS = Several(s.threads, 1)
POSTS = Several(s.posts, 2)
ADD_FORWARD = Statement(insert(s.forwards), keeps_memo=True)
_DELIVERED = ("has_attachments", "last_delivered_at", "unique_senders", "preview")
_DELIVER_TO_THREADS = Several(s.threads, 4, (*_DELIVERED, "to_recipients"))
_DELIVER_TO_CONVERSATIONS = Several(s.conversations, 5, _DELIVERED)
AMEND_THREAD = _change(s.threads, "topic", "is_locked")
REMOVE_CONVERSATION = _remove(s.conversations)
REMOVE_THREAD = _remove(s.threads)

_REMAINING = Statement(
    select(s.threads.c.has_attachments, s.threads.c.last_delivered_at, s.threads.c.unique_senders, s.threads.c.preview)
    .where(s.threads.c.group_id == _G, s.threads.c.conversation_id == bindparam("conversation"))
    .order_by(s.threads.c.id)
)


def summed_up(snapshot: Snapshot, group: str, conversation: Conversation) -> Conversation | None:
    """The conversation with what its threads add up to; None when it has none left."""
    rows = snapshot.all(_REMAINING, g=group, conversation=conversation.id)
    if not rows:
        return None
    # Of threads that spoke last in one second, the youngest.
    latest = max(reversed(rows), key=lambda row: int(row[1]))
    names = dict.fromkeys(name for row in rows for name in json.loads(row[2]))
    return replace(
        conversation,
        has_attachments=any(row[0] for row in rows),
        last_delivered_at=latest[1],
        unique_senders=json.dumps(list(names)),
        preview=latest[3],
    )
