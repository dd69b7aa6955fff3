"""Every table, in reading order. With `indexes`, `migrations/` ends at exactly this; a test compares the two.

Rules that hold for all of it (see docs/why/storage.md):
- `group_id` leads every key of what belongs to a group: it is the privacy boundary, and the column to shard by.
- Times are whole seconds since the epoch (BIGINT), what the wire sends for mail items; ids order what one second holds.
- GUIDs are `uuid` on PostgreSQL and canonical lower-case text on SQLite; both reach Python as text.
- Lists that are always read whole (recipients, senders) are one JSON column beside their owner.
- Text is collated by code point in both databases, so that a page's last key means the same to both.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    DDL,
    UUID,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Dialect,
    Double,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    event,
    func,
    literal_column,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import TypeDecorator, TypeEngine

from folkmoot.odata.edm import HEAD

# Which changes are deletions of threads. A constant: an index of these rows alone (`indexes`) serves no parameters.
GONE_THREAD = text("noun = 'thread' AND kind = 'deleted'")

meta = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)


class _PostgresOwn(TypeDecorator[str]):
    """Text, and in PostgreSQL a type that it alone has, by its name in SQLAlchemy.

    SQLAlchemy's part for PostgreSQL is loaded only where that is used: it takes long.
    """

    impl = Text
    cache_ok = True

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name != "postgresql":
            return self.impl_instance
        from sqlalchemy.dialects import postgresql

        return dialect.type_descriptor(getattr(postgresql, self.name)())


GUID: TypeEngine[str] = Text().with_variant(UUID(as_uuid=False), "postgresql")
TEXT: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")
JSON: TypeEngine[str] = _PostgresOwn("JSONB")


def head(column: Column[str]) -> ColumnElement[str]:
    """The first characters of a text (`odata.edm.HEAD`), as indexes of it have them: PostgreSQL's hold no long ones."""
    return first_characters(column, HEAD)


def first_characters(column: ColumnElement[str], count: int) -> ColumnElement[str]:
    """The first `count` characters of a text, or all of a shorter one."""
    return func.substr(column, literal_column("1"), literal_column(str(count)), type_=TEXT)


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
    # Of a deleted user: [role, group] of each membership, and [verdict, group] of each list of senders, that went with
    # it, for a restore.
    Column("held", JSON, nullable=True),
    Index("users_deleted_idx", "deleted_at"),
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

# Sign-ins under way at the development issuer, by the hash of the code that its client holds. `state`: "pending",
# "approved", "declined" or "redeemed". `given`: what the code is bound to; a device's has a `user_code` as well.
sign_ins = Table(
    "sign_ins",
    meta,
    _text("code_hash", key=True),
    _text("user_code", null=True),
    _text("state"),
    _json("given"),
    _time("expires_at"),
    Index("sign_ins_user_code_idx", "user_code"),
    Index("sign_ins_expires_at_idx", "expires_at"),
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
    # Null is no, as it is for groups older than these columns.
    _flag("allow_external_senders", null=True),
    _flag("auto_subscribe_new_members", null=True),
    _flag("hide_from_address_lists", null=True),
    _flag("hide_from_outlook_clients", null=True),
    # Whether `senders` has rows of the group, so that a post into any other group need not look.
    _flag("has_accepted_senders", null=True),
    _flag("has_rejected_senders", null=True),
    _time("created_at"),
    _time("renewed_at"),
    _time("deleted_at", null=True),
    _text("unique_name", null=True),
    # Of a deleted group: [verdict, group] of each list of senders that it was in, for a restore.
    Column("held", JSON, nullable=True),
    Index("groups_unique_name_key", "unique_name", unique=True),
    Index("groups_deleted_idx", "deleted_at"),
)

# The number of the last change in each group, and when that was: followers that heard nothing ask what changed lately.
# A table of its own, since each post rewrites the row.
sequences = Table(
    "sequences",
    meta,
    _guid("group_id", key=True),
    Column("seq", BigInteger, nullable=False),
    _time("changed_at", null=True),
    Index("sequences_changed_at_idx", "changed_at"),
)

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
    Index("conversations_topic_idx", "group_id", text("substr(topic, 1, 100)"), "id"),
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
    Index("threads_topic_idx", "group_id", text("substr(topic, 1, 100)"), "id"),
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

attachments = Table(
    "attachments",
    meta,
    _guid("group_id", key=True),
    _guid("id", key=True),
    _guid("post_id"),
    _guid("thread_id"),
    _guid("conversation_id"),
    _text("kind"),  # file, item, reference
    _text("name", null=True),
    _text("content_type", null=True),
    Column("size", BigInteger, nullable=False),  # of the content, in bytes
    _flag("is_inline"),
    _text("content_id", null=True),
    _text("content_location", null=True),
    Column("link", JSON, nullable=True),  # of a reference: sourceUrl, providerType, permission, isFolder
    _time("modified_at"),
    ForeignKeyConstraint(["group_id", "post_id"], ["posts.group_id", "posts.id"], ondelete="CASCADE"),
    Index("attachments_post_idx", "group_id", "post_id", "id"),
    # Whether a thread or a conversation still has one that is not inline is one step of these.
    Index("attachments_thread_idx", "group_id", "thread_id", "is_inline"),
    Index("attachments_conversation_idx", "group_id", "conversation_id", "is_inline"),
)

# Content in parts of a mebibyte at most, so that none is ever held whole: `at` is the part's first byte. Of an
# attachment, or of an upload that is under way; both have the blob's id.
blobs = Table(
    "blobs",
    meta,
    _guid("group_id", key=True),
    _guid("blob_id", key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    _guid("post_id"),
    Column("data", LargeBinary, nullable=False),
    ForeignKeyConstraint(["group_id", "post_id"], ["posts.group_id", "posts.id"], ondelete="CASCADE"),
    Index("blobs_post_idx", "group_id", "post_id"),
)

# Upload sessions. `received` bytes are stored, `acknowledged` of them were answered with a 2xx; `turn` is the PUT that
# may add to them now. A session whose upload is finished stays until it expires, for those who ask again.
uploads = Table(
    "uploads",
    meta,
    _guid("group_id", key=True),
    _guid("id", key=True),
    _guid("post_id"),
    _text("secret_hash"),
    _text("name"),
    _text("content_type"),
    _flag("is_inline"),
    _text("content_id", null=True),
    Column("size", BigInteger, nullable=False),
    Column("acknowledged", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False),
    _guid("turn", null=True),
    _guid("opened_by"),
    _flag("by_app"),
    _time("expires_at"),
    ForeignKeyConstraint(["group_id", "post_id"], ["posts.group_id", "posts.id"], ondelete="CASCADE"),
    Index("uploads_expiry_idx", "group_id", "expires_at"),
    Index("uploads_post_idx", "group_id", "post_id"),
)

# ── extensions and extended properties ───────────────────────────────────────────────────────────────────────────────

# Open extensions. `folded` is the name by which they are told apart and in whose order they come; `id` is what the
# change log calls them; `data` is text, to be sent as it was given.
extensions = Table(
    "extensions",
    meta,
    _guid("group_id", key=True),
    _guid("post_id", key=True),
    _text("folded", key=True),
    _guid("id"),
    _text("name"),
    _text("data"),
    ForeignKeyConstraint(["group_id", "post_id"], ["posts.group_id", "posts.id"], ondelete="CASCADE"),
)

# Extended properties with one value. `key` is the id in one spelling, `given` as it was sent. `start` is what the index
# holds of a value, whatever its length; `whole` and `number` are what it is as a number, if it is one. Posts are looked
# for within a thread, so that is in the indexes.
single_values = Table(
    "single_values",
    meta,
    _guid("group_id", key=True),
    _guid("post_id", key=True),
    _text("key", key=True),
    _guid("thread_id"),
    _text("given"),
    _text("value"),
    _text("start"),
    Column("whole", BigInteger, nullable=True),
    Column("number", Double, nullable=True),
    ForeignKeyConstraint(["group_id", "post_id"], ["posts.group_id", "posts.id"], ondelete="CASCADE"),
    Index("single_values_value_idx", "group_id", "thread_id", "key", "start", "post_id"),
)

# Those with several.
multi_values = Table(
    "multi_values",
    meta,
    _guid("group_id", key=True),
    _guid("post_id", key=True),
    _text("key", key=True),
    _text("given"),
    _json("value"),
    ForeignKeyConstraint(["group_id", "post_id"], ["posts.group_id", "posts.id"], ondelete="CASCADE"),
)

# ── senders, and what each person set for a group ────────────────────────────────────────────────────────────────────

# Who may post (`verdict` accepted) and who may not (rejected); an object stands in one of the lists at most.
senders = Table(
    "senders",
    meta,
    _guid("group_id", key=True),
    _guid("object_id", key=True),
    _text("verdict"),
    _text("object_type"),
    _time("added_at"),
    Index("senders_verdict_idx", "group_id", "verdict", "object_id"),
    # Which lists a deleted object must be taken out of.
    Index("senders_object_idx", "object_id"),
)

# What a person set for a group. No row, or null: nothing was said. `seen_seq` is the group's seq at the last visit.
preferences = Table(
    "preferences",
    meta,
    _guid("group_id", key=True),
    _guid("person_id", key=True),
    _flag("is_subscribed", null=True),
    _flag("is_favorite", null=True),
    Column("seen_seq", BigInteger, nullable=False),
)

# ── search ───────────────────────────────────────────────────────────────────────────────────────────────────────────

WORDS: TypeEngine[str] = _PostgresOwn("TSVECTOR")

# The words of each post, as `search` writes and reads them. On SQLite this is a virtual table of FTS5, which has
# neither types nor keys; rows go by statements of the verbs, since nothing cascades into it. The index of the words
# is the one that is not led by the group: one of the words of each row says which group it is in.
post_words = Table(
    "post_words",
    meta,
    _guid("group_id", key=True),
    _guid("conversation_id", key=True),
    _guid("thread_id", key=True),
    _guid("post_id", key=True),
    Column("words", WORDS, nullable=False),
)
# FTS5 gives matches by number, and rows in the order of their numbers would be written all over a table. So what it is
# an index of is a table to which rows are appended. The tokenizer splits at blanks and leaves the rest as `odata.words`
# made it. Nobody asks how many words a row has.
INDEXED_POSTS_ON_SQLITE = (
    "CREATE TABLE indexed_posts (number INTEGER NOT NULL CONSTRAINT indexed_posts_number_key UNIQUE, "
    "group_id TEXT NOT NULL, conversation_id TEXT NOT NULL, thread_id TEXT NOT NULL, post_id TEXT NOT NULL, "
    "words TEXT NOT NULL)"
)
POST_WORDS_ON_SQLITE = (
    "CREATE VIRTUAL TABLE post_words USING fts5(group_id UNINDEXED, conversation_id UNINDEXED, thread_id UNINDEXED, "
    "post_id UNINDEXED, words, tokenize = 'ascii', content = 'indexed_posts', content_rowid = 'number', columnsize = 0)"
)
_DDL = DDL(INDEXED_POSTS_ON_SQLITE)  # type: ignore[no-untyped-call, unused-ignore]
event.listen(post_words, "before_create", _DDL.execute_if(dialect="sqlite"))


@compiles(CreateTable, "sqlite")
def _create(element: CreateTable, compiler: Any, **options: Any) -> str:
    if element.element is post_words:
        return POST_WORDS_ON_SQLITE
    text: str = compiler.visit_create_table(element, **options)
    return text


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

# ── profiles ─────────────────────────────────────────────────────────────────────────────────────────────────────────

# What a client application may do in one group (Graph: resource-specific consent), beside what its roles say.
permission_grants = Table(
    "permission_grants",
    meta,
    _guid("group_id", key=True),
    _guid("id", key=True),
    _guid("client_app_id"),
    _guid("client_id"),
    _guid("resource_app_id"),
    _text("permission_type"),
    _text("permission"),
    _time("created_at"),
    Index("permission_grants_client_idx", "group_id", "client_app_id", "permission", unique=True),
)

# Answers to writes that came with an Idempotency-Key, so that the same request sent again is answered and not done
# again. A day old they are removed, some with each such write.
idempotency_keys = Table(
    "idempotency_keys",
    meta,
    _guid("group_id", key=True),
    _text("key_hash", key=True),  # of the key with the application and the caller whose it is
    _text("application"),
    _guid("caller"),
    _text("fingerprint"),
    Column("status", BigInteger, nullable=False),
    _text("headers"),
    _text("body"),
    _time("created_at"),
    Index("idempotency_keys_created_idx", "group_id", "created_at"),
)

# ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────────────

# What happened, in order and without gaps within a group. Followers (delta, webhooks, the event stream, outgoing mail)
# read it; nothing else tells them anything. `parent` is where the item is or was: of a post its thread, of a thread its
# conversation, of an attachment or an extension its post.
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
    _guid("parent", null=True),
)

# ── subscriptions ────────────────────────────────────────────────────────────────────────────────────────────────────

# Who asked to be told of changes, and where. `watched` is the noun: "conversation", "thread", "post", "group" or
# "user". Without a group: all groups that the creator may see, or the directory. `parent` narrows posts to a thread.
# `expires_at` and `created_at` are microseconds, since clients read back what they sent.
subscriptions = Table(
    "subscriptions",
    meta,
    _guid("id", key=True),
    _text("application"),
    _guid("creator"),
    _text("creator_kind"),
    _text("resource"),
    _text("watched"),
    _guid("group_id", null=True),
    _guid("parent", null=True),
    _text("change_type"),
    _text("notification_url"),
    _text("lifecycle_url", null=True),
    _text("client_state", null=True),
    _flag("include_resource_data"),
    _text("certificate", null=True),
    _text("certificate_id", null=True),
    _text("tls_version", null=True),
    _text("url_app_id", null=True),
    _time("expires_at"),
    _time("created_at"),
    # When its owner was last told to renew or reauthorize it; null once that was done.
    _time("reminded_at", null=True),
    # Since when it tells nothing, because its creator may not see the group any more.
    _time("paused_at", null=True),
    # When it last was not told something that it never will be; null once its owner knows.
    _time("missed_at", null=True),
    # Its creator's token had no permission for it; a grant in the group made up for that, and has to be there still.
    _flag("by_grant"),
    Index("subscriptions_creator_idx", "creator", "application", "id"),
    # With the end, so that counting an application's own looks at nothing else.
    Index("subscriptions_application_idx", "application", "id", "expires_at"),
    Index("subscriptions_group_idx", "group_id"),
    Index("subscriptions_expires_idx", "expires_at"),
    # What is to be sent to a URL; and who is to be told that something is wrong, of whom there are few.
    Index("subscriptions_notification_url_idx", "notification_url"),
    Index("subscriptions_lifecycle_url_idx", "lifecycle_url"),
    Index("subscriptions_paused_at_idx", "paused_at"),
    Index("subscriptions_missed_at_idx", "missed_at"),
)

# Up to which change of a group each subscription has been told. A subscription to all groups gets a row for a group
# when that first changes; the directory's changes have the group `wake.DIRECTORY`.
subscription_cursors = Table(
    "subscription_cursors",
    meta,
    _guid("group_id", key=True),
    _guid("subscription_id", key=True),
    Column("seq", BigInteger, nullable=False),
    Index("subscription_cursors_subscription_idx", "subscription_id"),
)

# How it stands with each URL that is notified. One server at a time has it, until `leased_until`; without failures
# there may be no row. Times are seconds with their fraction.
endpoints = Table(
    "endpoints",
    meta,
    _text("url", key=True),
    Column("failures", BigInteger, nullable=False),
    Column("failing_since", Double, nullable=True),
    Column("retry_at", Double, nullable=True),
    _text("leased_by", null=True),
    Column("leased_until", Double, nullable=True),
)

# Each attempt to notify, for each subscription that it was about. `first_seq` to `last_seq` are the changes of
# `group_id` that it told of.
deliveries = Table(
    "deliveries",
    meta,
    _guid("subscription_id", key=True),
    _guid("id", key=True),
    Column("at", Double, nullable=False),
    _text("endpoint"),
    _text("kind"),  # "notification", "lifecycle" or "replay"
    _guid("group_id", null=True),
    Column("first_seq", BigInteger, nullable=True),
    Column("last_seq", BigInteger, nullable=True),
    Column("notifications", BigInteger, nullable=False),
    Column("status", BigInteger, nullable=True),
    Column("milliseconds", BigInteger, nullable=False),
    _text("error", null=True),
    Index("deliveries_at_idx", "at"),
)

# ── changes of the directory ─────────────────────────────────────────────────────────────────────────────────────────

# The number of the last change in the directory. One row: the directory is small, and seldom written.
directory_sequence = Table(
    "directory_sequence",
    meta,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
)

# What happened to users and groups, in the order of the commits; delta reads it. `aspect` is the property that changed
# (as the wire spells it), or "created", "deleted", "restored", "purged", or the role that the object `related` won or
# lost. It tells of the directory and never of what is said in a group, and delta asks for all groups at once.
directory_changes = Table(
    "directory_changes",
    meta,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    _time("at"),
    _text("object_type"),
    _guid("object_id"),
    _text("aspect"),
    _guid("related", null=True),
    Index("directory_changes_object_idx", "object_type", "seq", "object_id"),
    Index("directory_changes_related_idx", "related", "seq"),
    Index("directory_changes_at_idx", "at"),
)

# ── the schema itself ────────────────────────────────────────────────────────────────────────────────────────────────

# The oldest revision whose code works on this schema, in one row; `migrate` keeps it, and asks it of newer databases.
schema_compatibility = Table("schema_compatibility", meta, _text("works_from", key=True))
