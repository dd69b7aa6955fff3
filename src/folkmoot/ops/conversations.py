"""Starting and deleting conversations."""

from __future__ import annotations

from folkmoot.model import Conversation, Place, Standing, Thread, ThreadDraft
from folkmoot.ops import access, attachments, policy, posts, threads
from folkmoot.store import edits, rows, search
from folkmoot.store.changes import record, record_conversation_goes
from folkmoot.store.db import Tx


def start(tx: Tx, standing: Standing, topic: str, draft: ThreadDraft) -> str:
    """Start a conversation with one thread and one post, and return its id, which is also its first thread's."""
    policy.require(tx, standing, None, draft.post)
    # The cloud's first thread shares the conversation's GUID (see docs/why/ids.md).
    id = tx.new_id()
    sender = policy.author(standing, draft.post)
    tx.add(
        rows.CONVERSATIONS,
        standing.group,
        id=id,
        topic=topic,
        has_attachments=attachments.tell_of(draft.post.attachments),
        last_delivered_at=tx.now,
        unique_senders=posts.names(posts.said_by(sender)),
        preview=draft.post.preview,
        created_at=tx.now,
    )
    post = threads.insert(tx, standing, id, id, draft, (draft.topic or topic, topic), sender, tx.now)
    record(
        tx,
        standing.group,
        standing.caller.oid,
        ("created", "post", post, id),
        ("created", "thread", id, id),
        ("created", "conversation", id),
    )
    attachments.insert(tx, standing, id, id, post, draft.post.attachments)
    return id


def remove(tx: Tx, standing: Standing, conversation: Conversation) -> bool:
    """Delete a conversation with its threads and posts. Its beginner is who began its first thread.

    Of a long one the later threads go first, as if each had been deleted: true when all is done, false where the next
    transaction is to go on.
    """
    first = rows.thread(tx, standing.group, conversation.id)
    access.manage_content(standing, first.started_by if first else None)
    if _shorten(tx, standing, conversation, first):
        return False
    search.remove_conversation(tx, standing.group, conversation.id)
    record_conversation_goes(tx, standing.group, standing.caller.oid, conversation.id)
    tx.run(rows.REMOVE_CONVERSATION, g=standing.group, item=conversation.id)
    record(tx, standing.group, standing.caller.oid, ("deleted", "conversation", conversation.id))
    return True


def _shorten(tx: Tx, standing: Standing, conversation: Conversation, first: Thread | None) -> bool:
    """Delete the last of a conversation that has more posts than may go in one transaction; false where it has not."""
    room, fit = threads.AT_ONCE, []
    later = rows.later_threads(tx, standing.group, conversation.id, threads.AT_ONCE)
    for thread in (*later, *([first] if first else ())):
        room -= len(edits.oldest(tx, standing.group, thread.id, room + 1))
        if room < 0:
            break
        fit.append(thread)
    else:
        return False
    if not fit:
        return threads.shorten(tx, Place(standing, thread, conversation))
    threads.drop_all(tx, standing, fit)
    threads.restate(tx, standing, conversation)
    record(tx, standing.group, standing.caller.oid, ("updated", "conversation", conversation.id))
    return True
