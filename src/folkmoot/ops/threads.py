"""Starting, locking, renaming and deleting threads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from folkmoot.model import Conversation, EmailAddress, Place, Recipient, Standing, Thread, ThreadAmendment, ThreadDraft
from folkmoot.ops import access, attachments, policy, posts
from folkmoot.store import edits, rows, search
from folkmoot.store.changes import record, record_thread_goes
from folkmoot.store.db import Tx

# Posts that one transaction deletes or indexes anew: other writes wait for no more than these.
AT_ONCE = 200


class Renaming(NamedTuple):
    """A rename under way: the topic that the thread has until it is through, and up to which post that is so."""

    topic: str
    reached: search.Reached


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


def amend(tx: Tx, place: Place, amendment: ThreadAmendment, on: Renaming | None = None) -> Renaming | None:
    """Lock, unlock or rename a thread. Asking for what is so already changes nothing, but that it takes back a rename
    which was broken off: posts that are found by the topic that the thread did not get are found by its own again.

    The posts of a long thread are found by the new topic little by little, and with the last of them the thread has it:
    what is returned is how far that went, to be given to the next transaction; None when all is done.
    """
    standing, thread = place.standing, place.thread
    access.manage_content(standing, thread.started_by)
    topic = thread.topic if amendment.topic is None else amendment.topic
    locked = bool(thread.is_locked) if amendment.is_locked is None else amendment.is_locked
    asked = amendment.topic is not None and topic == thread.topic
    taking_back = asked and (on.topic == topic if on is not None else _is_half_renamed(tx, place))
    if topic != thread.topic or taking_back:
        # Where somebody else has renamed it meanwhile, the posts have that topic.
        after = search.NOTHING_YET if on is None or on.topic != thread.topic else on.reached
        reached = search.rename_posts(
            tx,
            standing.group,
            thread.conversation,
            thread.id,
            (topic, place.conversation.topic),
            after,
            AT_ONCE,
        )
        if reached is not None:
            return Renaming(thread.topic, reached)
    if (topic, locked) == (thread.topic, bool(thread.is_locked)):
        return None
    tx.run(rows.AMEND_THREAD, g=standing.group, item=thread.id, new_topic=topic, new_is_locked=locked)
    record(tx, standing.group, standing.caller.oid, ("updated", "thread", thread.id, thread.conversation))
    return None


def _is_half_renamed(tx: Tx, place: Place) -> bool:
    """Whether a rename was broken off: it begins with the oldest post."""
    group, thread = place.standing.group, place.thread
    oldest = edits.oldest(tx, group, thread.id, 1)
    return any(not search.is_under(tx, group, thread.conversation, thread.id, post, thread.topic) for post in oldest)


def remove(tx: Tx, place: Place) -> bool:
    """Delete a thread and its posts; a conversation goes with its last thread.

    Of a long one the oldest posts go, as if each had been deleted: true when all is done, false where the next
    transaction is to go on.
    """
    access.manage_content(place.standing, place.thread.started_by)
    if shorten(tx, place):
        return False
    drop(tx, place)
    return True


def shorten(tx: Tx, place: Place) -> bool:
    """Delete the oldest posts of a thread that has more than may go in one transaction; false where it has not."""
    standing, thread = place.standing, place.thread
    oldest = edits.oldest(tx, standing.group, thread.id, AT_ONCE + 1)
    if len(oldest) <= AT_ONCE:
        return False
    oldest.popitem()
    search.remove_posts(tx, standing.group, thread.conversation, thread.id, oldest)
    edits.remove_some(tx, standing.group, oldest)
    record(tx, standing.group, standing.caller.oid, *[("deleted", "post", post, thread.id) for post in oldest])
    attachments.restate_above(tx, place)
    return True


def drop(tx: Tx, place: Place) -> None:
    """Delete a thread with what is left of it, for those who decided already that it may be done."""
    standing, conversation = place.standing, place.conversation
    drop_all(tx, standing, [place.thread])
    stays = restate(tx, standing, conversation)
    if not stays:
        tx.run(rows.REMOVE_CONVERSATION, g=standing.group, item=conversation.id)
    record(
        tx,
        standing.group,
        standing.caller.oid,
        ("updated" if stays else "deleted", "conversation", conversation.id),
    )


def drop_all(tx: Tx, standing: Standing, threads: Iterable[Thread]) -> None:
    """The same of several threads; their conversation is to be restated."""
    group, by = standing.group, standing.caller.oid
    for thread in threads:
        search.remove_thread(tx, group, thread.conversation, thread.id)
        record_thread_goes(tx, group, by, thread.id)
        tx.run(rows.REMOVE_THREAD, g=group, item=thread.id)
        record(tx, group, by, ("deleted", "thread", thread.id, thread.conversation))


def restate(tx: Tx, standing: Standing, conversation: Conversation) -> bool:
    """Make the conversation tell what its threads add up to; False when it has none left."""
    summed_up = rows.summed_up(tx, standing.group, conversation)
    if summed_up is None:
        return False
    rows.restate(tx, standing.group, summed_up)
    return True
