"""Adding posts, and keeping true in the same transaction what threads and conversations tell of their posts."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from folkmoot.model import Place, Post, PostDraft, Recipient, Standing
from folkmoot.ops import access, attachments, extensions, policy
from folkmoot.refusals import BadBody
from folkmoot.store import edits, rows, search
from folkmoot.store.changes import next_seq, record
from folkmoot.store.db import Tx

LONGEST_LIST = 65_536  # characters of the names and addresses of recipients together

_encode = msgspec.json.Encoder().encode
_decode_names = msgspec.json.Decoder(list[str]).decode
_decode_recipients = msgspec.json.Decoder(list[Recipient]).decode


def reply(tx: Tx, place: Place, draft: PostDraft, to: Post | None = None) -> str:
    """Add a post to a thread, in reply to the post `to` or to the thread as a whole, and return the post's id.

    New participants join the thread's recipients. Raises what `policy` refuses, and `BadBody` where these would be too
    many for the thread.
    """
    standing, thread, conversation = place.standing, place.thread, place.conversation
    policy.require(tx, standing, thread, draft)
    to_recipients = _joined(thread.to_recipients, draft.new_participants)
    # A clock that was set back must not put a post before those that are there: neither by its time, nor among those of
    # the same time by its id, which another process, or this one before it was started anew, made by the clock of then.
    received = max(tx.now, thread.last_delivered_at)
    newest = edits.newest(tx, standing.group, thread.id) if received > tx.now else None
    sender = policy.author(standing, draft)
    name = said_by(sender)
    post = insert(
        tx,
        standing,
        draft,
        sender,
        thread.conversation,
        thread.id,
        to.id if to else None,
        received,
        topics=(thread.topic, conversation.topic),
        after=None if newest is None else newest[0],
    )
    rows.deliver(
        tx,
        standing.group,
        replace(
            thread,
            has_attachments=bool(thread.has_attachments) or attachments.tell_of(draft.attachments),
            last_delivered_at=received,
            unique_senders=_with_name(thread.unique_senders, name),
            preview=draft.preview,
            to_recipients=to_recipients,
        ),
        replace(
            conversation,
            has_attachments=bool(conversation.has_attachments) or attachments.tell_of(draft.attachments),
            last_delivered_at=max(received, conversation.last_delivered_at),
            unique_senders=_with_name(conversation.unique_senders, name),
            # Another thread's last post may be later, by the clock of another server.
            preview=draft.preview if received >= conversation.last_delivered_at else conversation.preview,
        ),
    )
    record(
        tx,
        standing.group,
        standing.caller.oid,
        ("created", "post", post, thread.id),
        ("updated", "thread", thread.id, conversation.id),
        ("updated", "conversation", conversation.id),
    )
    attachments.insert(tx, standing, conversation.id, thread.id, post, draft.attachments)
    return post


def forward(tx: Tx, standing: Standing, post: Post, comment: str, to: tuple[Recipient, ...]) -> None:
    """Keep the request to mail `post` on to `to`; it is durable when this is committed."""
    access.read_content(standing)
    tx.run(
        rows.ADD_FORWARD,
        group_id=standing.group,
        id=tx.new_id(),
        post_id=post.id,
        forwarded_by=standing.caller.oid,
        comment=comment,
        to_recipients=_encode(to).decode(),
        created_at=tx.now,
    )
    record(tx, standing.group, standing.caller.oid, ("forwarded", "post", post.id, post.thread))


def insert(
    tx: Tx,
    standing: Standing,
    draft: PostDraft,
    sender: Recipient,
    conversation: str,
    thread: str,
    in_reply_to: str | None,
    received: int,
    *,
    topics: tuple[str, str],
    after: str | None = None,
) -> str:
    """Insert the post's own row, the next change of its group, what programs hang on it, and index it. Returns its id.

    `topics` are those of the thread and of the conversation; the id comes behind `after`, that of another post.
    """
    id = tx.new_id(after)
    from_ = (draft.from_ or sender).email_address
    attached = attachments.tell_of(draft.attachments)
    version = next_seq(tx, standing.group)
    tx.add(
        rows.POSTS,
        standing.group,
        id=id,
        conversation_id=conversation,
        thread_id=thread,
        in_reply_to=in_reply_to,
        author=standing.caller.oid,
        from_name=from_.name or sender.email_address.name,
        from_address=from_.address,
        sender_name=sender.email_address.name,
        sender_address=sender.email_address.address,
        content_type=draft.content_type,
        content=draft.content,
        new_participants=_encode(draft.new_participants).decode() if draft.new_participants else "[]",
        categories=_encode(draft.categories).decode() if draft.categories else "[]",
        has_attachments=attached,
        received_at=received,
        created_at=received,
        modified_at=received,
        version=version,
    )
    extensions.insert(tx, standing.group, thread, id, draft)
    address = sender.email_address
    search.add(
        tx,
        group=standing.group,
        conversation=conversation,
        thread=thread,
        post=id,
        topics=topics,
        authors=(from_.name, from_.address, address.name, address.address),
        body=search.body_words(draft.content_type, draft.content) if draft.words is None else draft.words,
        attached=attached,
        version=version,
    )
    return id


def said_by(sender: Recipient) -> str:
    """The name under which `uniqueSenders` lists a sender: the display name, or the address where there is none."""
    return sender.email_address.name or sender.email_address.address or ""


def names(*each: str) -> str:
    """`uniqueSenders` as it is stored."""
    return _encode(each).decode()


def with_participants(recipients: str, joining: tuple[Recipient, ...]) -> str:
    """The stored list `recipients` and those of `joining` whose address (in any case) is not yet in it."""
    if not joining:
        return recipients
    listed = _decode_recipients(recipients)
    known = {(r.email_address.address or "").lower() for r in listed}
    for participant in joining:
        address = (participant.email_address.address or "").lower()
        if address not in known:
            known.add(address)
            listed.append(participant)
    return _encode(listed).decode()


def _joined(recipients: str, joining: tuple[Recipient, ...]) -> str:
    """`with_participants` of a thread that is there; BadBody where the list would become longer than `LONGEST_LIST`."""
    joined = with_participants(recipients, joining)
    # What is no longer as JSON is no longer without its marks.
    if len(joined) > max(LONGEST_LIST, len(recipients)):
        addresses = [recipient.email_address for recipient in _decode_recipients(joined)]
        length = sum(len(each.name or "") + len(each.address or "") for each in addresses)
        if length > LONGEST_LIST:
            raise BadBody(
                f"With those of 'post.newParticipants' the thread's recipients are {length} characters long; at most "
                f"{LONGEST_LIST} are supported.",
                target="post.newParticipants",
            )
    return joined


def _with_name(stored: str, name: str) -> str:
    listed = _decode_names(stored)
    return stored if name in listed else names(*listed, name)
