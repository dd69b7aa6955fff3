"""What is needed, beside the change log, to say where in a group something changed."""

from __future__ import annotations

import json
from collections.abc import Iterable

from sqlalchemy import bindparam, select

from folkmoot.store import schema as s
from folkmoot.store.db import Snapshot, Statement
from folkmoot.store.dialect import AnyOf

_c = s.changes.c
_CONVERSATIONS = Statement(
    select(s.threads.c.id, s.threads.c.conversation_id).where(
        s.threads.c.group_id == bindparam("g"), AnyOf(s.threads.c.id, "ids")
    )
)
_VERSIONS = Statement(
    select(s.posts.c.id, s.posts.c.version).where(s.posts.c.group_id == bindparam("g"), AnyOf(s.posts.c.id, "ids"))
)
_GONE = Statement(
    select(_c.parent).where(_c.group_id == bindparam("g"), _c.item == bindparam("item"), s.GONE_THREAD).limit(1)
)


def conversations(snapshot: Snapshot, group: str, threads: Iterable[str]) -> dict[str, str]:
    """Thread → conversation, for those threads that are there."""
    wanted = list(threads)
    return dict(snapshot.all(_CONVERSATIONS, g=group, ids=json.dumps(wanted))) if wanted else {}


def conversation_of_gone(snapshot: Snapshot, group: str, thread: str) -> str | None:
    """The conversation that a deleted thread was in, as the log says; None if it does not."""
    row = snapshot.one(_GONE, g=group, item=thread)
    return row[0] if row else None


def versions(snapshot: Snapshot, group: str, posts: Iterable[str]) -> dict[str, int]:
    """Post → its version now, for those posts that are there."""
    wanted = list(posts)
    return dict(snapshot.all(_VERSIONS, g=group, ids=json.dumps(wanted))) if wanted else {}
