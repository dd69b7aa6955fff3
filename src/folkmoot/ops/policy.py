"""May this be posted? One ordered tuple of small questions, the same for every door; the first answer decides."""

from __future__ import annotations

from collections.abc import Callable

from folkmoot.model import EmailAddress, PostDraft, Recipient, Standing, Thread
from folkmoot.ops import access, extensions, senders
from folkmoot.refusals import NotAllowed, Refusal, SendAsDenied, ThreadLocked
from folkmoot.store.db import Snapshot

Question = Callable[[Snapshot, Standing, Thread | None, PostDraft], Refusal | None]


def holds_conversations(
    snapshot: Snapshot, standing: Standing, thread: Thread | None, draft: PostDraft
) -> Refusal | None:
    """Only Microsoft 365 groups have a mailbox (groupTypes holds Unified)."""
    if standing.unified:
        return None
    return NotAllowed("Only groups whose groupTypes contain 'Unified' hold conversations.")


def may_read(snapshot: Snapshot, standing: Standing, thread: Thread | None, draft: PostDraft) -> Refusal | None:
    """Nobody posts where they cannot read."""
    try:
        access.read_content(standing)
    except NotAllowed as refusal:
        return refusal
    return None


def from_inside(snapshot: Snapshot, standing: Standing, thread: Thread | None, draft: PostDraft) -> Refusal | None:
    """Whether people outside the organisation may send to the group is `allowExternalSenders` (group resource)."""
    if standing.sending.external or not outside(standing):
        return None
    return NotAllowed(detail="The group takes no posts from outside the organisation: allowExternalSenders is false.")


def from_members(snapshot: Snapshot, standing: Standing, thread: Thread | None, draft: PostDraft) -> Refusal | None:
    """AllowOnlyMembersToPost (resourceBehaviorOptions) closes a public group to those who are neither members nor
    owners; an application speaks as the group itself."""
    if not standing.sending.members_only or standing.member or standing.owner or standing.caller.kind == "app":
        return None
    return NotAllowed(detail="Only members post in this group: resourceBehaviorOptions has AllowOnlyMembersToPost.")


def accepted(snapshot: Snapshot, standing: Standing, thread: Thread | None, draft: PostDraft) -> Refusal | None:
    """`rejectedSenders` never post; where there are `acceptedSenders`, only they do.

    As Exchange decides: owners and administrators are no exception, and who is in both lists by way of groups is
    rejected. An application's posts come from the group's own mailbox, so for it the lists are asked for the group.
    """
    sending = standing.sending
    if not (sending.accepts_some or sending.rejects_some):
        return None
    sender = standing.group if standing.caller.kind == "app" else standing.caller.oid
    found = senders.verdicts(snapshot, standing.group, sender)
    if "rejected" in found:
        return NotAllowed(detail="The sender is in the group's rejectedSenders.")
    if sending.accepts_some and "accepted" not in found:
        return NotAllowed(detail="The group has acceptedSenders, and the sender is not among them.")
    return None


def unlocked(snapshot: Snapshot, standing: Standing, thread: Thread | None, draft: PostDraft) -> Refusal | None:
    """`isLocked` disallows posting (conversationThread resource)."""
    return ThreadLocked() if thread is not None and thread.is_locked else None


def as_oneself(snapshot: Snapshot, standing: Standing, thread: Thread | None, draft: PostDraft) -> Refusal | None:
    """A sender or from other than the caller's own address would let anyone speak as anyone."""
    own = _own_addresses(standing)
    for given in (draft.sender, draft.from_):
        if given is not None and (given.email_address.address or "").lower() not in own:
            return SendAsDenied()
    return None


def may_set_properties(
    snapshot: Snapshot, standing: Standing, thread: Thread | None, draft: PostDraft
) -> Refusal | None:
    """Extended properties are set by people (Graph: create extended property, application not supported)."""
    caller = standing.caller
    if caller.kind == "person" or caller.profile == "extended" or not (draft.single_values or draft.multi_values):
        return None
    return NotAllowed("Applications cannot set extended properties without a signed-in person.")


def extended_within_bounds(
    snapshot: Snapshot, standing: Standing, thread: Thread | None, draft: PostDraft
) -> Refusal | None:
    """Extensions come in numbers and sizes that can be shown."""
    return extensions.too_much(draft.extensions)


QUESTIONS: tuple[Question, ...] = (
    holds_conversations,
    from_inside,
    may_read,
    from_members,
    accepted,
    unlocked,
    as_oneself,
    may_set_properties,
    extended_within_bounds,
)


def outside(standing: Standing) -> bool:
    """Whether the sender is nobody of the organisation's: unknown to the directory, or a guest who is no member."""
    if standing.caller.kind == "app" or standing.member or standing.owner:
        return False
    return standing.person is None or standing.person.guest


def require(snapshot: Snapshot, standing: Standing, thread: Thread | None, draft: PostDraft) -> None:
    """Raise the first refusal that the questions give."""
    for question in QUESTIONS:
        refusal = question(snapshot, standing, thread, draft)
        if refusal is not None:
            raise refusal


def author(standing: Standing, draft: PostDraft) -> Recipient:
    """Who is said to have sent the post: the person who is signed in, or for an application the group's own mailbox.

    The address is always one that the caller owns (see `as_oneself`); the display name may be as the draft gives it.
    """
    person = standing.person
    if person is None:
        own = EmailAddress(standing.name, standing.mail)
    else:
        own = EmailAddress(person.name, person.mail or person.upn)
    if draft.sender is None:
        return Recipient(own)
    given = draft.sender.email_address
    return Recipient(EmailAddress(given.name or own.name, given.address))


def _own_addresses(standing: Standing) -> set[str]:
    person = standing.person
    if person is None:
        return {standing.mail.lower()}
    return {address.lower() for address in (person.mail, person.upn) if address}
