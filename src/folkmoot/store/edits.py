"""Statements about posts that are changed or deleted, and about what then is the newest of a thread."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import json
from sqlalchemy import BindParameter, bindparam, delete, select, update

from folkmoot.store import schema as s
from folkmoot.store.db import Snapshot, Statement, Tx
from folkmoot.store.dialect import AnyOf

_G: BindParameter[str] = bindparam("g")
_p = s.posts.c

_KEPT = Statement(
    select(_p.version, _p.content_type, _p.content, _p.categories, _p.modified_at).where(
        _p.group_id == _G, _p.id == bindparam("id")
    )
)
# One step of the index that lists the posts of a thread, however many there are.
_NEWEST = Statement(
    select(_p.id, _p.received_at, _p.content_type, _p.content)
    .where(_p.group_id == _G, _p.thread_id == bindparam("t"))
    .order_by(_p.received_at.desc(), _p.id.desc())
    .limit(1)
)
_OLDEST = Statement(
    select(_p.id, _p.version)
    .where(_p.group_id == _G, _p.thread_id == bindparam("t"))
    .order_by(_p.received_at, _p.id)
    .limit(bindparam("n"))
)
_AMEND = Statement(
    update(s.posts)
    .where(_p.group_id == _G, _p.id == bindparam("item"))
    .values(
        content_type=bindparam("new_content_type"),
        content=bindparam("new_content"),
        categories=bindparam("new_categories"),
        modified_at=bindparam("new_modified_at"),
        version=bindparam("new_version"),
    ),
    keeps_memo=True,
)
_REMOVE = Statement(delete(s.posts).where(_p.group_id == _G, _p.id == bindparam("item")), keeps_memo=True)

_REMOVE_SOME = Statement(delete(s.posts).where(_p.group_id == _G, AnyOf(_p.id, "posts")), keeps_memo=True)


def kept(snapshot: Snapshot, group: str, id: str) -> tuple[int, str, str, str, int]:
    """Of a post that is there: version, content type, content, categories as JSON, time of the last change."""
    row = snapshot.one(_KEPT, g=group, id=id)
    assert row is not None  # noqa: S101  (it was found in this transaction)
    version, content_type, content, categories, modified_at = row
    return version, content_type, content, categories, modified_at


def newest(snapshot: Snapshot, group: str, thread: str) -> tuple[str, int, str, str] | None:
    """Of the newest post of a thread: id, time of arrival, content type, content; None when there is none."""
    row = snapshot.one(_NEWEST, g=group, t=thread)
    return None if row is None else (row[0], row[1], row[2], row[3])


def oldest(snapshot: Snapshot, group: str, thread: str, at_most: int) -> dict[str, int]:
    """Ids and versions of the oldest posts of a thread, the oldest first."""
    return dict(snapshot.all(_OLDEST, g=group, t=thread, n=at_most))


def amend(
    tx: Tx, group: str, id: str, content_type: str, content: str, categories: str, modified_at: int, version: int
) -> None:
    """Store a changed post."""
    tx.run(
        _AMEND,
        g=group,
        item=id,
        new_content_type=content_type,
        new_content=content,
        new_categories=categories,
        new_modified_at=modified_at,
        new_version=version,
    )


def remove(tx: Tx, group: str, id: str) -> None:
    """Delete a post and what is kept with it."""
    tx.run(_REMOVE, g=group, item=id)


def remove_some(tx: Tx, group: str, ids: Iterable[str]) -> None:
    """The same of several."""
    tx.run(_REMOVE_SOME, g=group, posts=json.encode(list(ids)).decode())
