"""Subscriptions: who is told of changes, for how long, and whose they are.

Source: the reference of the subscription resource. Its numbers are for the cloud's mailboxes; the quotas are our own.
"""

from __future__ import annotations

from msgspec.structs import asdict

from folkmoot.model import Caller, Subscription, SubscriptionDraft
from folkmoot.ops import access
from folkmoot.refusals import BadBody, LifetimeWrong, NoSuchSubscription, TooManySubscriptions
from folkmoot.store import directory_log, everywhere
from folkmoot.store import subscriptions as rows
from folkmoot.store.changes import next_seq
from folkmoot.store.db import Snapshot, Tx
from folkmoot.store.wake import DIRECTORY

LONGEST_MINUTES = 4_230  # group conversations (subscription resource, "Subscription lifetime")
SHORTEST_MINUTES = 45  # what is shorter is raised to it
PER_APPLICATION = 10_000  # at one time, of all its users together
PER_GROUP = 1_000  # about one group alone, of all applications together
_SWEPT = 20  # expired ones that a new one clears away

_MINUTE = 60_000_000  # microseconds


def moment(snapshot: Snapshot) -> int:
    """Now, in microseconds since the epoch."""
    return int(snapshot.instant * 1_000_000)


def lasting(now: int, wished: int) -> int:
    """Until when a subscription lasts that is to last until `wished`; both in microseconds. Raises `LifetimeWrong`."""
    if wished > now + LONGEST_MINUTES * _MINUTE:
        raise LifetimeWrong(
            f"Subscription expiration can only be {LONGEST_MINUTES} minutes in the future.",
            target="expirationDateTime",
        )
    if wished <= now:
        raise LifetimeWrong("Subscription expiration must be in the future.", target="expirationDateTime")
    return max(wished, now + SHORTEST_MINUTES * _MINUTE)


def follow(snapshot: Snapshot, caller: Caller, group: str | None, thread: str | None) -> None:
    """Raise what a reading would raise, unless the caller may read what is to be followed.

    Without a group it is all groups that the caller may see, or the directory: then an account is enough.
    """
    if group is None:
        access.require_account(snapshot, caller)
    elif thread is None:
        access.read_content(access.enter(snapshot, caller, group))
    else:
        access.enter_thread(snapshot, caller, group, thread)


def room(snapshot: Snapshot, caller: Caller, group: str | None) -> None:
    """Raise `TooManySubscriptions` where there is no room for another one."""
    now = moment(snapshot)
    if rows.of_application(snapshot, caller.application, now, PER_APPLICATION) >= PER_APPLICATION:
        raise TooManySubscriptions(
            f"The application has {PER_APPLICATION} subscriptions, the most that one may have; delete some, or let "
            "them expire."
        )
    if group is not None and rows.of_group(snapshot, group, now, PER_GROUP) >= PER_GROUP:
        raise TooManySubscriptions(
            f"The group has {PER_GROUP} subscriptions, the most that it may have; some must be deleted or expire first."
        )


def admit(snapshot: Snapshot, caller: Caller, draft: SubscriptionDraft) -> int:
    """Raise what stands against a new subscription; until when it would last, in microseconds."""
    follow(snapshot, caller, draft.group, draft.parent)
    expires_at = lasting(moment(snapshot), draft.expires_at)
    room(snapshot, caller, draft.group)
    return expires_at


def create(tx: Tx, caller: Caller, draft: SubscriptionDraft, *, by_grant: bool = False) -> str:
    """Add a subscription whose endpoints were validated, and return its id. It is told of what comes after this.

    `by_grant`: it ends telling anything when the grant is taken back. Raises as `admit` does.
    """
    expires_at = admit(tx, caller, draft)
    now = moment(tx)
    rows.remove_expired(tx, now, _SWEPT)
    values = asdict(draft) | {"expires_at": expires_at}
    subscription = Subscription(
        id=tx.new_id(),
        application=caller.application,
        creator=caller.oid,
        creator_kind=caller.kind,
        created_at=now,
        by_grant=by_grant,
        **values,
    )
    if draft.group is not None:
        # This transaction has the group's turn: nothing is committed between this number and the subscription.
        rows.add(tx, subscription, group=draft.group, seq=next_seq(tx, draft.group) - 1)
    elif draft.watched in ("group", "user"):
        rows.add(tx, subscription, group=DIRECTORY, seq=directory_log.head(tx))
    else:
        rows.add(tx, subscription, group=None, seq=0)
    return subscription.id


def own(snapshot: Snapshot, caller: Caller, id: str) -> Subscription:
    """The caller's own subscription with this id: of the same application and the same person or none.

    Raises `NoSuchSubscription` for others' and for one that has expired.
    """
    found = rows.one(snapshot, id)
    mine = found is not None and (found.creator, found.application) == (caller.oid, caller.application)
    if found is None or not mine or found.expires_at <= moment(snapshot):
        raise NoSuchSubscription
    return found


def renew(
    tx: Tx,
    subscription: Subscription,
    *,
    wished: int | None,
    certificate: str | None,
    certificate_id: str | None,
    by_grant: bool,
) -> None:
    """Let a subscription last until `wished` (microseconds), and take another certificate; None leaves either.

    `by_grant` is as for `create`. Who renews it needs no reminder any more. Raises `LifetimeWrong`, and `BadBody` for
    half a certificate.
    """
    if certificate is not None and certificate_id is None:
        # Notifications name the certificate by this id; under the old name nobody could read them.
        raise BadBody(
            "The property 'encryptionCertificateId' is required with a certificate.", target="encryptionCertificateId"
        )
    rows.change(
        tx,
        subscription.id,
        by_grant=by_grant,
        expires_at=None if wished is None else lasting(moment(tx), wished),
        certificate=certificate,
        certificate_id=certificate_id,
    )
    if wished is not None:
        rows.calm(tx, subscription.id)


def reauthorize(tx: Tx, subscription: Subscription, *, by_grant: bool) -> None:
    """Confirm that the creator still may follow, which the caller has shown: if it was paused it goes on.

    `by_grant` is as for `create`. When it ends stays the same, and who was told of that is not told again.
    """
    rows.change(tx, subscription.id, by_grant=by_grant)
    if subscription.paused_at is not None:
        rows.calm(tx, subscription.id)


def remove(tx: Tx, subscription: Subscription) -> None:
    """End a subscription."""
    rows.remove(tx, subscription.id)


def sees_all(snapshot: Snapshot, caller: Caller) -> bool:
    """Whether the caller runs the organisation, and so may see others' subscriptions where the token allows it."""
    person = everywhere.person(snapshot, caller.oid) if caller.kind == "person" else None
    return person is not None and person.enabled and person.admin
