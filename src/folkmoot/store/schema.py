"""Every table, in reading order. `migrations/` ends at exactly this; a test compares the two.

Rules that hold for all of it (see docs/why/storage.md):
- `group_id` leads every key of what belongs to a group: it is the privacy boundary, and the column to shard by.
- Times are whole seconds since the epoch (BIGINT), what the wire sends for mail items; ids order what one second holds.
- GUIDs are `uuid` on PostgreSQL and canonical lower-case text on SQLite; both reach Python as text.
- Lists that are always read whole (recipients, senders) are one JSON column beside their owner.
- Text is collated by code point in both databases, so that a page's last key means the same to both.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKeyConstraint, Index, MetaData, Table, Text
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

meta = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

GUID: TypeEngine[str] = Text().with_variant(postgresql.UUID(as_uuid=False), "postgresql")
TEXT: TypeEngine[str] = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
JSON: TypeEngine[str] = Text().with_variant(postgresql.JSONB(), "postgresql")


def _guid(name: str, *, key: bool = False, null: bool = False) -> Column[str]:
    return Column(name, GUID, primary_key=key, nullable=null)


def _text(name: str, *, key: bool = False, null: bool = False) -> Column[str]:
    return Column(name, TEXT, primary_key=key, nullable=null)


def _json(name: str) -> Column[str]:
    return Column(name, JSON, nullable=False)


def _time(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=null)


def _flag(name: str, *, null: bool = False) -> Column[bool]:
    return Column(name, Boolean, nullable=null)


# ── the directory: who there is ──────────────────────────────────────────────────────────────────────────────────────

users = Table(
    "users",
    meta,
    _guid("id", key=True),
    _text("user_principal_name"),
    _text("display_name"),
    _text("given_name", null=True),
    _text("surname", null=True),
    _text("mail", null=True),
    _text("mail_nickname", null=True),
    _text("job_title", null=True),
    _text("mobile_phone", null=True),
    _text("office_location", null=True),
    _text("preferred_language", null=True),
    _text("department", null=True),
    _text("usage_location", null=True),
    _text("user_type"),
    _json("business_phones"),
    _json("other_mails"),
    _json("proxy_addresses"),
    _flag("account_enabled"),
    _flag("is_admin"),
    _text("password_hash", null=True),
    _time("created_at"),
    _time("deleted_at", null=True),
)

# Which object an address or a sign-in name belongs to. Keys are lower case; one address belongs to one object.
addresses = Table(
    "addresses",
    meta,
    _text("address", key=True),
    _text("object_type"),
    _guid("object_id"),
    Index("addresses_object_id_idx", "object_id"),
)

applications = Table(
    "applications",
    meta,
    _guid("id", key=True),
    _text("name"),
    _guid("principal"),
    _text("secret_hash", null=True),
    _json("roles"),
    _json("scopes"),
    _text("profile"),
)

# Which user or application an outside issuer's name for somebody (`sub`, `client_id`) means here. `kind`: "person" or
# "app". Once linked, a name stays with its object, whatever mail address or sign-in name its tokens carry later.
identities = Table(
    "identities",
    meta,
    _text("issuer", key=True),
    _text("kind", key=True),
    _text("subject", key=True),
    _guid("object_id"),
    _time("linked_at"),
    Index("identities_object_id_idx", "object_id"),
)

groups = Table(
    "groups",
    meta,
    _guid("group_id", key=True),
    _text("display_name"),
    _text("description", null=True),
    _text("mail"),
    _text("mail_nickname"),
    _flag("mail_enabled"),
    _flag("security_enabled"),
    _json("group_types"),
    _text("visibility"),
    _text("classification", null=True),
    _text("preferred_language", null=True),
    _text("theme", null=True),
    _text("membership_rule", null=True),
    _text("membership_rule_processing_state", null=True),
    _flag("is_assignable_to_role", null=True),
    _json("proxy_addresses"),
    _json("resource_behavior_options"),
    _json("resource_provisioning_options"),
    _time("created_at"),
    _time("renewed_at"),
    _time("deleted_at", null=True),
)

# The number of the last change in each group. A table of its own, since each post rewrites the row.
sequences = Table("sequences", meta, _guid("group_id", key=True), Column("seq", BigInteger, nullable=False))

# Members and owners of a group; an owner need not be a member.
memberships = Table(
    "memberships",
    meta,
    _guid("group_id", key=True),
    _text("role", key=True),
    _guid("object_id", key=True),
    _text("object_type"),
    _time("added_at"),
)

# The same facts led by the object: "my groups" is one lookup here. Written in the same transaction.
object_groups = Table(
    "object_groups",
    meta,
    _guid("object_id", key=True),
    _text("role", key=True),
    _guid("group_id", key=True),
)

# ── what is said ─────────────────────────────────────────────────────────────────────────────────────────────────────

conversations = Table(
    "conversations",
    meta,
    _guid("group_id", key=True),
    _guid("id", key=True),
    _text("topic"),
    _flag("has_attachments"),
    _time("last_delivered_at"),
    _json("unique_senders"),
    _text("preview"),
    _time("created_at"),
    Index("conversations_last_delivered_idx", "group_id", "last_delivered_at", "id"),
)

threads = Table(
    "threads",
    meta,
    _guid("group_id", key=True),
    _guid("id", key=True),
    _guid("conversation_id"),
    _text("topic"),
    _flag("has_attachments"),
    _time("last_delivered_at"),
    _json("unique_senders"),
    _text("preview"),
    _flag("is_locked"),
    _json("to_recipients"),
    _json("cc_recipients"),
    _guid("started_by", null=True),
    _time("created_at"),
    ForeignKeyConstraint(
        ["group_id", "conversation_id"], ["conversations.group_id", "conversations.id"], ondelete="CASCADE"
    ),
    Index("threads_conversation_idx", "group_id", "conversation_id", "id"),
    Index("threads_last_delivered_idx", "group_id", "last_delivered_at", "id"),
)

posts = Table(
    "posts",
    meta,
    _guid("group_id", key=True),
    _guid("id", key=True),
    _guid("conversation_id"),
    _guid("thread_id"),
    _guid("in_reply_to", null=True),
    _guid("author", null=True),
    _text("from_name", null=True),
    _text("from_address", null=True),
    _text("sender_name", null=True),
    _text("sender_address", null=True),
    _text("content_type"),
    _text("content"),
    _json("new_participants"),
    _json("categories"),
    _flag("has_attachments"),
    _time("received_at"),
    _time("created_at"),
    _time("modified_at"),
    Column("version", BigInteger, nullable=False),  # the group's seq at the post's last change; `changeKey` shows it
    ForeignKeyConstraint(["group_id", "thread_id"], ["threads.group_id", "threads.id"], ondelete="CASCADE"),
    Index("posts_thread_idx", "group_id", "thread_id", "received_at", "id"),
)

# ── attachments ──────────────────────────────────────────────────────────────────────────────────────────────────────

# ── extensions and extended properties ───────────────────────────────────────────────────────────────────────────────

# ── senders, and what each person set for a group ────────────────────────────────────────────────────────────────────

# ── search ───────────────────────────────────────────────────────────────────────────────────────────────────────────

# ── mail ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

# Posts that somebody asked to have mailed on; the outgoing mail follower of the change log reads them.
forwards = Table(
    "forwards",
    meta,
    _guid("group_id", key=True),
    _guid("id", key=True),
    _guid("post_id"),
    _guid("forwarded_by"),
    _text("comment"),
    _json("to_recipients"),
    _time("created_at"),
    ForeignKeyConstraint(["group_id", "post_id"], ["posts.group_id", "posts.id"], ondelete="CASCADE"),
    Index("forwards_post_idx", "group_id", "post_id"),
)

# ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────────────

# What happened, in order and without gaps within a group. Followers (delta, webhooks, the event stream, outgoing mail)
# read it; nothing else tells them anything.
changes = Table(
    "changes",
    meta,
    _guid("group_id", key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    _time("at"),
    _text("kind"),
    _text("noun"),
    _guid("item"),
    _guid("by", null=True),
)
