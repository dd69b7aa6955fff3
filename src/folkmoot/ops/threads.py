"""Starting, locking, renaming and deleting threads."""

from __future__ import annotations

from folkmoot.model import Conversation, EmailAddress, Place, Recipient, Standing, ThreadAmendment, ThreadDraft
from folkmoot.ops import access, attachments, policy, posts
from folkmoot.store import rows, search
from folkmoot.store.changes import record, record_thread_goes
from folkmoot.store.db import Tx


def start(tx: Tx, standing: Standing, conversation: Conversation, draft: ThreadDraft) -> str:
    """Start a thread in an existing conversation with its first post, and return the thread's id."""
    policy.require(tx, standing, None, draft.post)
    received = max(tx.now, conversation.last_delivered_at)
    thread = tx.new_id()
    sender = policy.author(standing, draft.post)
    post = insert(
        tx,
        standing,
        conversation.id,
        thread,
        draft,
        (draft.topic or conversation.topic, conversation.topic),
        sender,
        received,
    )
    restate(tx, standing, conversation)
    record(
        tx,
        standing.group,
        standing.caller.oid,
        ("created", "post", post, thread),
        ("created", "thread", thread, conversation.id),
        ("updated", "conversation", conversation.id),
    )
    attachments.insert(tx, standing, conversation.id, thread, post, draft.post.attachments)
    return thread


def insert(
    tx: Tx,
    standing: Standing,
    conversation: str,
    thread: str,
    draft: ThreadDraft,
    topics: tuple[str, str],
    sender: Recipient,
    received: int,
) -> str:
    """Insert the rows of a thread and of its first post, the next change of the group.

    `topics` are the thread's and the conversation's.
    """
    group_itself = Recipient(EmailAddress(standing.name, standing.mail))
    tx.add(
        rows.THREADS,
        standing.group,
        id=thread,
        conversation_id=conversation,
        topic=topics[0],
        has_attachments=attachments.tell_of(draft.post.attachments),
        last_delivered_at=received,
        unique_senders=posts.names(posts.said_by(sender)),
        preview=draft.post.preview,
        is_locked=False,
        to_recipients=posts.with_participants("[]", (group_itself, *draft.to_recipients, *draft.post.new_participants)),
        cc_recipients=posts.with_participants("[]", draft.cc_recipients),
        started_by=standing.caller.oid,
        created_at=received,
    )
    return posts.insert(tx, standing, draft.post, sender, conversation, thread, None, received, topics=topics)


def amend(tx: Tx, place: Place, amendment: ThreadAmendment) -> None:
    """Lock, unlock or rename a thread. Asking for what is so already changes nothing."""
    standing, thread = place.standing, place.thread
    access.manage_content(standing, thread.started_by)
    topic = thread.topic if amendment.topic is None else amendment.topic
    locked = bool(thread.is_locked) if amendment.is_locked is None else amendment.is_locked
    if (topic, locked) == (thread.topic, bool(thread.is_locked)):
        return
    tx.run(rows.AMEND_THREAD, g=standing.group, item=thread.id, new_topic=topic, new_is_locked=locked)
    if topic != thread.topic:
        search.rename_thread(tx, standing.group, thread.conversation, thread.id, (topic, place.conversation.topic))
    record(tx, standing.group, standing.caller.oid, ("updated", "thread", thread.id, thread.conversation))


def remove(tx: Tx, place: Place) -> None:
    """Delete a thread and its posts; a conversation goes with its last thread."""
    access.manage_content(place.standing, place.thread.started_by)
    drop(tx, place)


def drop(tx: Tx, place: Place) -> None:
    """The same for those who decided already that it may be done."""
    standing, thread = place.standing, place.thread
    search.remove_thread(tx, standing.group, thread.conversation, thread.id)
    record_thread_goes(tx, standing.group, standing.caller.oid, thread.id)
    tx.run(rows.REMOVE_THREAD, g=standing.group, item=thread.id)
    stays = restate(tx, standing, place.conversation)
    if not stays:
        tx.run(rows.REMOVE_CONVERSATION, g=standing.group, item=thread.conversation)
    record(
        tx,
        standing.group,
        standing.caller.oid,
        ("deleted", "thread", thread.id, thread.conversation),
        ("updated" if stays else "deleted", "conversation", thread.conversation),
    )


def restate(tx: Tx, standing: Standing, conversation: Conversation) -> bool:
    """Make the conversation tell what its threads add up to; False when it has none left."""
    summed_up = rows.summed_up(tx, standing.group, conversation)
    if summed_up is None:
        return False
    rows.restate(tx, standing.group, summed_up)
    return True
