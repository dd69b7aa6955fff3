"""Rows of attachments, of their content, and of uploads that are under way. Every statement names the group.

A blob is read and written part by part; nothing here ever holds the whole of one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, bindparam, delete, false, insert, select, update

from folkmoot.model import Attachment, Upload
from folkmoot.store import schema as s
from folkmoot.store.db import Snapshot, Statement, Tx

PART = 1_048_576
"""The most bytes that one row of a blob holds."""

_G: BindParameter[str] = bindparam("g")
_ITEM: BindParameter[str] = bindparam("item")
_a, _b, _u = s.attachments, s.blobs, s.uploads

ADD = Statement(insert(_a), keeps_memo=True)
_ATTACHMENT = Statement(
    select(_a.c.id, _a.c.post_id, _a.c.kind, _a.c.name, _a.c.content_type, _a.c.size, _a.c.is_inline).where(
        _a.c.group_id == _G, _a.c.id == _ITEM
    )
)
_REMOVE = Statement(delete(_a).where(_a.c.group_id == _G, _a.c.id == _ITEM), keeps_memo=True)
_REMOVE_BLOB = Statement(delete(_b).where(_b.c.group_id == _G, _b.c.blob_id == _ITEM), keeps_memo=True)
_CUT_BLOB = Statement(
    delete(_b).where(_b.c.group_id == _G, _b.c.blob_id == _ITEM, _b.c.at >= bindparam("from_at")), keeps_memo=True
)
_ADD_PART = Statement(insert(_b), keeps_memo=True)
_READ_PART = Statement(select(_b.c.data).where(_b.c.group_id == _G, _b.c.blob_id == _ITEM, _b.c.at == bindparam("at")))
_TOUCH_POST = Statement(
    update(s.posts)
    .where(s.posts.c.group_id == _G, s.posts.c.id == _ITEM)
    .values(
        has_attachments=bindparam("new_has_attachments"),
        modified_at=bindparam("new_modified_at"),
        version=bindparam("new_version"),
    ),
    keeps_memo=True,
)


def _any_in(column: Any) -> Statement:
    """One attachment that is not inline, below what `column` names."""
    return Statement(select(_a.c.id).where(_a.c.group_id == _G, column == _ITEM, _a.c.is_inline == false()).limit(1))


_ANY = {"post": _any_in(_a.c.post_id), "thread": _any_in(_a.c.thread_id), "conversation": _any_in(_a.c.conversation_id)}
_MARK = {
    "thread": Statement(
        update(s.threads)
        .where(s.threads.c.group_id == _G, s.threads.c.id == _ITEM)
        .values(has_attachments=bindparam("new_has_attachments"))
    ),
    "conversation": Statement(
        update(s.conversations)
        .where(s.conversations.c.group_id == _G, s.conversations.c.id == _ITEM)
        .values(has_attachments=bindparam("new_has_attachments"))
    ),
}


def attachment(snapshot: Snapshot, group: str, id: str) -> Attachment | None:
    """An attachment of the group, or None."""
    row = snapshot.one(_ATTACHMENT, g=group, item=id)
    return Attachment(*row) if row else None


def holds_attachments(snapshot: Snapshot, group: str, noun: str, id: str) -> bool:
    """Whether a "post", "thread" or "conversation" has an attachment that is not inline."""
    return snapshot.one(_ANY[noun], g=group, item=id) is not None


def mark(tx: Tx, group: str, noun: str, id: str, has_attachments: bool) -> None:
    """Make a "thread" or "conversation" tell whether it has attachments."""
    tx.run(_MARK[noun], g=group, item=id, new_has_attachments=has_attachments)


def touch_post(tx: Tx, group: str, id: str, version: int, has_attachments: bool) -> None:
    """Make a post tell that it changed, and whether it has attachments."""
    tx.run(
        _TOUCH_POST,
        g=group,
        item=id,
        new_has_attachments=has_attachments,
        new_modified_at=tx.now,
        new_version=version,
    )


def remove(tx: Tx, group: str, id: str) -> None:
    """Delete an attachment, its content, and the upload that it came by."""
    tx.run(_REMOVE, g=group, item=id)
    tx.run(_REMOVE_BLOB, g=group, item=id)
    tx.run(_REMOVE_UPLOAD, g=group, item=id)


# ── content ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def add_content(tx: Tx, group: str, post: str, blob: str, at: int, data: bytes) -> None:
    """Store `data`, which begins at byte `at` of the blob, in parts."""
    for start in range(0, len(data), PART):
        part = data if len(data) <= PART else data[start : start + PART]
        tx.run(_ADD_PART, group_id=group, blob_id=blob, at=at + start, post_id=post, data=part)


def part(snapshot: Snapshot, group: str, blob: str, at: int) -> bytes | None:
    """The part of a blob that begins at byte `at`, or None when it is not there."""
    row = snapshot.one(_READ_PART, g=group, item=blob, at=at)
    return bytes(row[0]) if row else None


# ── uploads ──────────────────────────────────────────────────────────────────────────────────────────────────────────

ADD_UPLOAD = Statement(insert(_u), keeps_memo=True)
_UPLOAD = Statement(
    select(
        _u.c.id,
        _u.c.post_id,
        _u.c.secret_hash,
        _u.c.name,
        _u.c.content_type,
        _u.c.is_inline,
        _u.c.content_id,
        _u.c.size,
        _u.c.acknowledged,
        _u.c.received,
        _u.c.turn,
        _u.c.opened_by,
        _u.c.by_app,
        _u.c.expires_at,
    ).where(_u.c.group_id == _G, _u.c.id == _ITEM)
)
_PROGRESS = Statement(
    update(_u)
    .where(_u.c.group_id == _G, _u.c.id == _ITEM)
    .values({name: bindparam(f"new_{name}") for name in ("acknowledged", "received", "turn", "expires_at")}),
    keeps_memo=True,
)
_REMOVE_UPLOAD = Statement(delete(_u).where(_u.c.group_id == _G, _u.c.id == _ITEM), keeps_memo=True)
_OPEN = Statement(
    select(_u.c.id, _u.c.expires_at)
    .where(
        _u.c.group_id == _G,
        _u.c.expires_at > bindparam("now"),
        _u.c.opened_by == bindparam("who"),
        _u.c.received < _u.c.size,
    )
    .order_by(_u.c.expires_at, _u.c.id)
    .limit(bindparam("n"))
)
_EXPIRED = Statement(
    select(_u.c.id, _u.c.received, _u.c.size)
    .where(_u.c.group_id == _G, _u.c.expires_at <= bindparam("now"))
    .order_by(_u.c.expires_at)
    .limit(bindparam("n"))
)


def upload(snapshot: Snapshot, group: str, id: str) -> Upload | None:
    """An upload session of the group, or None."""
    row = snapshot.one(_UPLOAD, g=group, item=id)
    return Upload(*row) if row else None


def open_uploads(snapshot: Snapshot, group: str, who: str, at_most: int) -> list[tuple[str, int]]:
    """The id and the end of the uploads that somebody has under way in the group, the longest untouched ones first."""
    return [(row[0], row[1]) for row in snapshot.all(_OPEN, g=group, who=who, now=snapshot.now, n=at_most)]


def advance(tx: Tx, group: str, changed: Upload) -> None:
    """Store how far an upload is."""
    tx.run(
        _PROGRESS,
        g=group,
        item=changed.id,
        new_acknowledged=changed.acknowledged,
        new_received=changed.received,
        new_turn=changed.turn,
        new_expires_at=changed.expires_at,
    )


def cut(tx: Tx, group: str, blob: str, at: int) -> None:
    """Forget the parts of a blob from byte `at` on, where one begins."""
    tx.run(_CUT_BLOB, g=group, item=blob, from_at=at)


def end_upload(tx: Tx, group: str, id: str, *, with_content: bool) -> None:
    """Delete an upload session; with its content unless that has become an attachment's."""
    tx.run(_REMOVE_UPLOAD, g=group, item=id)
    if with_content:
        tx.run(_REMOVE_BLOB, g=group, item=id)


def end_expired(tx: Tx, group: str, at_most: int) -> None:
    """Delete some of the group's sessions whose time is over."""
    for id, received, size in tx.all(_EXPIRED, g=group, now=tx.now, n=at_most):
        end_upload(tx, group, id, with_content=received < size)
