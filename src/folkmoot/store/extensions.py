"""Rows of open extensions and extended properties."""

from __future__ import annotations

import re

from sqlalchemy import bindparam, delete, func, insert, select, update

from folkmoot.model import Extension, MultiValueDraft, SingleValueDraft
from folkmoot.store import schema as s
from folkmoot.store.db import Snapshot, Statement, Tx

# Characters of a value that the index holds; longer ones are compared in the row.
START = 100

_e = s.extensions.c
_OF_POST = (_e.group_id == bindparam("g"), _e.post_id == bindparam("p"))
_ONE = Statement(select(_e.id, _e.folded, _e.name, _e.data).where(*_OF_POST, _e.folded == bindparam("name")))
_COUNT = Statement(select(func.count()).select_from(s.extensions).where(*_OF_POST))
_THIS = (*_OF_POST, _e.folded == bindparam("item"))
ADD = Statement(insert(s.extensions), keeps_memo=True)
CHANGE = Statement(update(s.extensions).where(*_THIS).values(data=bindparam("new_data")), keeps_memo=True)
REMOVE = Statement(delete(s.extensions).where(*_THIS), keeps_memo=True)
TOUCH_POST = Statement(
    update(s.posts)
    .where(s.posts.c.group_id == bindparam("g"), s.posts.c.id == bindparam("item"))
    .values(version=bindparam("new_version"), modified_at=bindparam("new_modified_at")),
    keeps_memo=True,
)
_ADD_SINGLE = Statement(insert(s.single_values), keeps_memo=True)
_ADD_MULTI = Statement(insert(s.multi_values), keeps_memo=True)

# Upper to lower case as `portable.LOWER` does it: ASCII alone.
_LOWER = {ord(letter): ord(letter) + 32 for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9]{1,300}(?:\.[0-9]{0,300})?(?:[eE][+-]?[0-9]{1,2})?", re.ASCII)


def extension(snapshot: Snapshot, group: str, post: str, folded: str) -> Extension | None:
    """A post's extension by its name in lower case, or None."""
    row = snapshot.one(_ONE, g=group, p=post, name=folded)
    return Extension(*row) if row else None


def count(snapshot: Snapshot, group: str, post: str) -> int:
    """How many extensions a post has."""
    row = snapshot.one(_COUNT, g=group, p=post)
    return int(row[0]) if row else 0


def start_of(value: str) -> str:
    """What the index holds of a value: its first characters, without regard to case."""
    return value[:START].translate(_LOWER)


def add_single(tx: Tx, group: str, thread: str, post: str, draft: SingleValueDraft) -> None:
    """Add an extended property with one value."""
    whole = int(draft.value) if _WHOLE.fullmatch(draft.value) else None
    if whole is not None and not -(2**63) <= whole < 2**63:
        whole = None
    tx.run(
        _ADD_SINGLE,
        group_id=group,
        post_id=post,
        key=draft.key,
        thread_id=thread,
        given=draft.given,
        value=draft.value,
        start=start_of(draft.value),
        whole=whole,
        number=_float(draft.value),
    )


def add_multi(tx: Tx, group: str, post: str, draft: MultiValueDraft, value: str) -> None:
    """Add an extended property with several values; `value` is the JSON array of them."""
    tx.run(_ADD_MULTI, group_id=group, post_id=post, key=draft.key, given=draft.given, value=value)


def _float(text: str) -> float | None:
    if not _NUMBER.fullmatch(text):
        return None
    found = float(text)
    return found if abs(found) < 1e308 else None
