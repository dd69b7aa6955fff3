"""What is said in a group, each noun described once: what is sent, what it may be filtered by, where it leads."""

from __future__ import annotations

from functools import lru_cache

from folkmoot.graph import ids
from folkmoot.graph.describe import (
    ITEM_BODY,
    RECIPIENT,
    Property,
    boolean,
    item_body,
    many,
    noun,
    opaque_id,
    recipient,
    text,
    time,
)
from folkmoot.odata.edm import Edm, Field, Nav
from folkmoot.store import portable
from folkmoot.store import schema as s

_c = s.conversations.c
CONVERSATION = noun(
    "conversation",
    s.conversations,
    _c.id,
    opaque_id(_c.id, (_c.id,), ids.conversation_id, nullable=False),
    text(
        "topic",
        _c.topic,
        nullable=False,
        head=s.head(_c.topic),
        says="The subject; set when the conversation is started.",
    ),
    boolean("hasAttachments", _c.has_attachments, nullable=False, says="Whether any post has an attachment."),
    time("lastDeliveredDateTime", _c.last_delivered_at, nullable=False, says="When the newest post arrived."),
    many("uniqueSenders", _c.unique_senders, nullable=False, says="The names of everyone who posted."),
    text("preview", _c.preview, nullable=False, says="The first words of the newest post."),
    navs=(Nav(name="threads", target="conversationThread", filter=True, says="The conversation's threads."),),
    reads_id={"id": ids.read_conversation_id},
    says="Threads on one subject, in a group.",
)

_t = s.threads.c
THREAD = noun(
    "conversationThread",
    s.threads,
    _t.id,
    opaque_id(_t.id, (_t.conversation_id, _t.id), ids.thread_id, nullable=False),
    text("topic", _t.topic, nullable=False, head=s.head(_t.topic), says="The subject."),
    boolean("hasAttachments", _t.has_attachments, nullable=False, says="Whether any post has an attachment."),
    time("lastDeliveredDateTime", _t.last_delivered_at, nullable=False, says="When the newest post arrived."),
    many("uniqueSenders", _t.unique_senders, nullable=False, says="The names of everyone who posted."),
    text("preview", _t.preview, nullable=False, says="The first words of the newest post."),
    boolean("isLocked", _t.is_locked, nullable=False, says="Whether the thread takes no posts."),
    many("toRecipients", _t.to_recipients, RECIPIENT, nullable=False, by_default=False, says="The To recipients."),
    many("ccRecipients", _t.cc_recipients, RECIPIENT, nullable=False, by_default=False, says="The Cc recipients."),
    navs=(Nav(name="posts", target="post", filter=True, says="The thread's posts."),),
    reads_id={"id": ids.read_thread_id},
    says="A line of posts in a conversation.",
)

_p = s.posts.c
_CONTENT = portable.SHORT(_p.content)
_CHANGE_KEY = Property(
    Field(
        name="changeKey",
        type=Edm.INT64,
        wire=Edm.STRING,
        sql=_p.version,
        sort=False,
        says="Changes with every change of the post.",
    ),
    (_p.version,),
    ids.change_key,
)


@lru_cache(maxsize=8192)
def _etag(group: str, version: int) -> str:
    return f'W/"{ids.change_key(group, version)}"'


POST = noun(
    "post",
    s.posts,
    _p.id,
    opaque_id(_p.id, (_p.thread_id, _p.id), ids.post_id, nullable=False),
    time("createdDateTime", _p.created_at, says="When the post was made."),
    time("lastModifiedDateTime", _p.modified_at, says="When the post last changed."),
    _CHANGE_KEY,
    many("categories", _p.categories, says="Categories given by the sender."),
    time("receivedDateTime", _p.received_at, nullable=False, says="When the post was delivered."),
    boolean("hasAttachments", _p.has_attachments, nullable=False, says="Whether the post has an attachment."),
    Property(
        Field(
            name="body",
            type=ITEM_BODY,
            sql={"contentType": _p.content_type, "content": _p.content},
            says="The post's text.",
        ),
        (_p.content_type, _CONTENT),
        item_body,
    ),
    Property(
        Field(
            name="from",
            type=RECIPIENT,
            nullable=False,
            sql={"emailAddress/name": _p.from_name, "emailAddress/address": _p.from_address},
            says="Who the post is from.",
        ),
        (_p.from_name, _p.from_address),
        recipient,
    ),
    Property(
        Field(
            name="sender",
            type=RECIPIENT,
            sql={"emailAddress/name": _p.sender_name, "emailAddress/address": _p.sender_address},
            says="Who sent the post.",
        ),
        (_p.sender_name, _p.sender_address),
        recipient,
    ),
    many("newParticipants", _p.new_participants, RECIPIENT, nullable=False, says="Who joined the thread with it."),
    opaque_id(_p.conversation_id, (_p.conversation_id,), ids.conversation_id, name="conversationId"),
    opaque_id(_p.thread_id, (_p.conversation_id, _p.thread_id), ids.thread_id, name="conversationThreadId"),
    annotations=(Property(Field(name="@odata.etag"), (_p.version,), _etag),),
    long=_CONTENT,
    navs=(
        Nav(name="inReplyTo", target="post", many=False, says="The post that this one answers."),
        Nav(name="attachments", target="attachment", filter=True, says="What hangs on the post."),
        Nav(name="extensions", target="extension", filter=True, says="What programs keep with the post."),
        Nav(
            name="singleValueExtendedProperties",
            target="singleValueLegacyExtendedProperty",
            filter=True,
            by_id=True,
            says="Extended properties with one value.",
        ),
        Nav(
            name="multiValueExtendedProperties",
            target="multiValueLegacyExtendedProperty",
            filter=True,
            by_id=True,
            says="Extended properties with several values.",
        ),
    ),
    reads_id={
        "id": ids.read_post_id,
        "changeKey": ids.read_change_key,
        "conversationId": ids.read_conversation_id,
        "conversationThreadId": ids.read_thread_id,
    },
    base="outlookItem",
    open=True,
    says="What one person said in a thread.",
)
