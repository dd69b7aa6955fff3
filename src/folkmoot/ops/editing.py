"""Changing and deleting posts, and restating what their thread and conversation tell. The cloud has neither."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from folkmoot.mime import html
from folkmoot.model import Place, Post, PostAmendment, Thread
from folkmoot.ops import access, threads
from folkmoot.refusals import Changed, NotOwn, ThreadLocked
from folkmoot.store import attachments, edits, rows, search
from folkmoot.store.changes import next_seq, record
from folkmoot.store.db import Tx

_encode = msgspec.json.Encoder().encode

# Whether an etag that the request names is that of this version (RFC 9110 §13.1.1).
Matches = Callable[[int], bool]


def amend(tx: Tx, place: Place, post: Post, amendment: PostAmendment, matches: Matches) -> None:
    """Change the text or the categories of a post: the author's own alone, in a thread that is not locked.

    The post gets a new version; its thread and conversation tell its first words where it is their newest. Asking for
    what is so already changes nothing. Raises `NotOwn`, `ThreadLocked`, and `Changed` where the version is another.
    """
    standing, group = place.standing, place.standing.group
    access.read_content(standing)
    if post.author != standing.caller.oid:
        raise NotOwn
    if place.thread.is_locked:
        raise ThreadLocked
    version, content_type, content, categories, modified_at = edits.kept(tx, group, post.id)
    if not matches(version):
        raise Changed
    new_type = amendment.content_type or content_type
    new_content = content if amendment.content is None else amendment.content
    new_categories = tuple(msgspec.json.decode(categories)) if amendment.categories is None else amendment.categories
    if (new_type, new_content, list(new_categories)) == (content_type, content, msgspec.json.decode(categories)):
        return
    at = max(tx.now, modified_at)
    edits.amend(tx, group, post.id, new_type, new_content, _encode(new_categories).decode(), at, next_seq(tx, group))
    topics = (place.thread.topic, place.conversation.topic)
    search.amend_post(tx, group, post.conversation, post.thread, post.id, topics)
    record(tx, group, standing.caller.oid, ("updated", "post", post.id, post.thread))
    if amendment.preview is not None and amendment.preview != place.thread.preview:
        newest = edits.newest(tx, group, post.thread)
        if newest is not None and newest[0] == post.id:
            _restate(tx, place, replace(place.thread, preview=amendment.preview))


def remove(tx: Tx, place: Place, post: Post, matches: Matches) -> None:
    """Delete a post: its author may while the thread is not locked, owners of the group may, applications as they may.

    What answered it answers nothing then: the id stays where it stood and leads nowhere, so that no other post has to
    be rewritten. A thread goes with its last post, as a conversation does with its last thread. `uniqueSenders` still
    names who posted. Raises `NotAllowed`, `ThreadLocked`, and `Changed` where the version is another.
    """
    standing, group = place.standing, place.standing.group
    access.manage_content(standing, post.author)
    if place.thread.is_locked and standing.caller.kind == "person" and not standing.owner:
        raise ThreadLocked
    if not matches(edits.kept(tx, group, post.id)[0]):
        raise Changed
    search.remove_post(tx, group, post.conversation, post.thread, post.id)
    edits.remove(tx, group, post.id)
    record(tx, group, standing.caller.oid, ("deleted", "post", post.id, post.thread))
    newest = edits.newest(tx, group, post.thread)
    if newest is None:
        threads.drop(tx, place)
        return
    _, received, content_type, content = newest
    preview = html.preview_of_html(content) if content_type == "html" else html.preview_of_text(content)
    has_attachments = bool(place.thread.has_attachments) and attachments.holds_attachments(
        tx, group, "thread", post.thread
    )
    told = replace(place.thread, last_delivered_at=received, preview=preview, has_attachments=has_attachments)
    if told != replace(place.thread, has_attachments=bool(place.thread.has_attachments)):
        _restate(tx, place, told)


def _restate(tx: Tx, place: Place, told: Thread) -> None:
    """Make the thread tell of the posts that it has now, and the conversation where that is about it, too."""
    standing, thread, conversation = place.standing, place.thread, place.conversation
    rows.deliver(tx, standing.group, told, conversation)
    record(tx, standing.group, standing.caller.oid, ("updated", "thread", thread.id, thread.conversation))
    fewer = bool(thread.has_attachments) != bool(told.has_attachments)
    if thread.last_delivered_at >= conversation.last_delivered_at or fewer:
        threads.restate(tx, standing, conversation)
        record(tx, standing.group, standing.caller.oid, ("updated", "conversation", conversation.id))
