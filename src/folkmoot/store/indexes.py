"""The indexes of the tables in `schema` that only one database has, or that each spells in its own words.

They complete the description of the tables where that is compared with a database. No statement needs them, and to
describe them loads SQLAlchemy's parts for both databases, so a start does without.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, text

from folkmoot.store import schema as s

_c, _t, _p, _l, _v = s.conversations.c, s.threads.c, s.posts.c, s.changes.c, s.single_values.c

# Rows that few collections have many of, and that are asked for. Constants, as `schema.GONE_THREAD` is.
_WITH_ATTACHMENTS: dict[str, Any] = {
    "sqlite_where": text("has_attachments = 1"),
    "postgresql_where": text("has_attachments"),
}
_LOCKED: dict[str, Any] = {"sqlite_where": text("is_locked = 1"), "postgresql_where": text("is_locked")}
_NUMBERS: dict[str, Any] = {"sqlite_where": text("whole IS NOT NULL"), "postgresql_where": text("whole IS NOT NULL")}

Index("conversations_attachments_idx", _c.group_id, _c.id, **_WITH_ATTACHMENTS)
Index("threads_attachments_idx", _t.group_id, _t.id, **_WITH_ATTACHMENTS)
# A search of threads comes by their conversations. SQLite has an index of words for it.
Index("threads_found_idx", _t.group_id, _t.conversation_id, _t.id, postgresql_where=text("has_attachments")).ddl_if(
    dialect="postgresql"
)
Index("threads_locked_idx", _t.group_id, _t.id, **_LOCKED)
Index("posts_attachments_idx", _p.group_id, _p.thread_id, _p.received_at, _p.id, **_WITH_ATTACHMENTS)
Index("post_words_words_idx", s.post_words.c.words, postgresql_using="gin").ddl_if(dialect="postgresql")
# The conversation of a thread that is gone. Of each change a word is no index: only the few rows of it are.
Index("changes_gone_threads_idx", _l.group_id, _l.item, sqlite_where=s.GONE_THREAD, postgresql_where=s.GONE_THREAD)
# Of numbers alone. With other values in it PostgreSQL takes it for as good as the index of values, and its plan for any
# value goes through all that have the key.
Index("single_values_number_idx", _v.group_id, _v.thread_id, _v.key, _v.whole, _v.post_id, **_NUMBERS)
