"""Attachments of posts: adding and deleting them, and keeping true what posts, threads and conversations tell of them.

`hasAttachments` does not count inline attachments, as in Exchange: a post whose only attachment is a picture in its
text has none (Graph: message resource).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from folkmoot.model import Attachment, AttachmentDraft, Place, Post, Standing
from folkmoot.ops import access
from folkmoot.refusals import ThreadLocked
from folkmoot.store import attachments as rows
from folkmoot.store import search
from folkmoot.store.changes import next_seq, record
from folkmoot.store.db import Tx


def tell_of(drafts: Iterable[AttachmentDraft]) -> bool:
    """What `hasAttachments` says of a post with these."""
    return any(not draft.is_inline for draft in drafts)


def insert(
    tx: Tx, standing: Standing, conversation: str, thread: str, post: str, drafts: Iterable[AttachmentDraft]
) -> None:
    """Store the attachments that a new post brings along; the post's own row tells of them already."""
    for draft in drafts:
        id = tx.new_id()
        _store(tx, standing.group, conversation, thread, post, id, draft)
        record(tx, standing.group, standing.caller.oid, ("created", "attachment", id, post))


def add(tx: Tx, place: Place, post: Post, draft: AttachmentDraft) -> str:
    """Add an attachment to a post that is there, and return its id.

    Raises `NotAllowed` unless the caller wrote the post, owns the group or is an application; `ThreadLocked`.
    """
    may_add(place, post)
    id = tx.new_id()
    _store(tx, place.standing.group, post.conversation, post.thread, post.id, id, draft)
    restate(tx, place, post, "created", id)
    return id


def may_add(place: Place, post: Post) -> None:
    """Raise what keeps the caller from adding to `post`. A locked thread takes nothing, from nobody."""
    access.manage_content(place.standing, post.author)
    if place.thread.is_locked:
        raise ThreadLocked


def remove(tx: Tx, place: Place, post: Post, attachment: Attachment) -> None:
    """Delete an attachment with its content. Raises `NotAllowed` as `add` does; a lock keeps nobody from it."""
    access.manage_content(place.standing, post.author)
    rows.remove(tx, place.standing.group, attachment.id)
    restate(tx, place, post, "deleted", attachment.id)


def restate(tx: Tx, place: Place, post: Post, kind: Literal["created", "deleted"], attachment: str) -> None:
    """Make the post, its thread and its conversation tell what is so, after an attachment was created or deleted.

    The post has a new version; the thread and the conversation change only where what they tell does.
    """
    standing, group = place.standing, place.standing.group
    version = next_seq(tx, group)
    by = standing.caller.oid
    record(tx, group, by, ("updated", "post", post.id, post.thread))
    record(tx, group, by, (kind, "attachment", attachment, post.id))
    has = rows.holds_attachments(tx, group, "post", post.id)
    rows.touch_post(tx, group, post.id, version, has)
    topics = (place.thread.topic, place.conversation.topic)
    search.restate_attachments(tx, group, post.conversation, post.thread, post.id, topics, has)
    restate_above(tx, place)


def restate_above(tx: Tx, place: Place) -> None:
    """Make a thread and its conversation tell whether they have attachments now."""
    standing, thread, conversation = place.standing, place.thread, place.conversation
    group, by = standing.group, standing.caller.oid
    has = rows.holds_attachments(tx, group, "thread", thread.id)
    if has != bool(thread.has_attachments):
        rows.mark(tx, group, "thread", thread.id, has)
        record(tx, group, by, ("updated", "thread", thread.id, conversation.id))
    has = rows.holds_attachments(tx, group, "conversation", conversation.id)
    if has != bool(conversation.has_attachments):
        rows.mark(tx, group, "conversation", conversation.id, has)
        record(tx, group, by, ("updated", "conversation", conversation.id))


def _store(tx: Tx, group: str, conversation: str, thread: str, post: str, id: str, draft: AttachmentDraft) -> None:
    add_row(tx, group, conversation, thread, post, id, draft, len(draft.data) or len((draft.link or "").encode()))
    rows.add_content(tx, group, post, id, 0, draft.data)


def add_row(
    tx: Tx, group: str, conversation: str, thread: str, post: str, id: str, draft: AttachmentDraft, size: int
) -> None:
    """Insert an attachment's row, whose content is stored already or will be."""
    tx.run(
        rows.ADD,
        group_id=group,
        id=id,
        post_id=post,
        thread_id=thread,
        conversation_id=conversation,
        kind=draft.kind,
        name=draft.name,
        content_type=draft.content_type,
        size=size,
        is_inline=draft.is_inline,
        content_id=draft.content_id,
        content_location=draft.content_location,
        link=draft.link,
        modified_at=tx.now,
    )
