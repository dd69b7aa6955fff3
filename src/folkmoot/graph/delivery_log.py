"""What the rows about the delivery log of a subscription do; `delivery_noun` describes it.

The cloud shows nothing of its deliveries; whose endpoint heard nothing cannot see why. All of this is our own.
"""

from __future__ import annotations

import time
from typing import Any

import msgspec

from folkmoot.graph import ids
from folkmoot.graph import subscriptions as following
from folkmoot.graph.call import Call
from folkmoot.graph.envelope import Answer
from folkmoot.graph.feeds import FEEDS
from folkmoot.graph.notifications import Notifications
from folkmoot.graph.read import single
from folkmoot.graph.road import Road
from folkmoot.model import Delivery, Subscription
from folkmoot.odata.query import Options
from folkmoot.ops import deliveries as verbs
from folkmoot.outgoing import Outgoing, Unanswered
from folkmoot.refusals import NotFound, NotReplayable
from folkmoot.store import deliveries as rows
from folkmoot.store.db import Snapshot, Store, Tx

# As long as an endpoint has for a notification.
ANSWER_SECONDS = 10.0


def seen(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """The log of the subscription of the path, for those who may see the subscription itself."""
    subscription = following.visible(snapshot, call)
    return {"n": subscription, "x": _id(call)} if "delivery" in call.keys else {"n": subscription}


class Again(msgspec.Struct, frozen=True):
    """What is to be sent once more: the subscription, the attempt that sent it, and a body of so many notifications."""

    subscription: Subscription
    attempt: Delivery
    notifications: int
    content: bytes


def again(snapshot: Snapshot, notifications: Notifications, subscription: Subscription, id: str) -> Again:
    """What the attempt `id` told of, in the words of now.

    Raises `NotFound`, `ChangesGone`, and `NotReplayable` where there is nothing (any more) that may be told.
    """
    attempt, log = verbs.told(snapshot, subscription.id, id)
    sent = notifications.notifications(snapshot, subscription, log)
    if not sent:
        raise NotReplayable
    content: dict[str, Any] = {"value": sent}
    if tokens := notifications.validation_tokens([subscription]):
        content["validationTokens"] = tokens
    return Again(subscription, attempt, len(sent), msgspec.json.encode(content))


async def send(outgoing: Outgoing, wanted: Again) -> Delivery:
    """Send it at once, and once only; the attempt that this was, without a time, and stored nowhere yet.

    What is under way for the endpoint, and when it is tried again, stay as they are.
    """
    url = wanted.subscription.notification_url
    headers = {"Content-Type": "application/json; charset=utf-8"}
    status, error = None, None
    began = time.monotonic()
    try:
        status = (await outgoing.post(url, wanted.content, headers, seconds=ANSWER_SECONDS)).status
    except Unanswered as unanswered:
        error = unanswered.reason
    return msgspec.structs.replace(
        wanted.attempt,
        endpoint=url,
        kind="replay",
        notifications=wanted.notifications,
        status=status,
        milliseconds=round((time.monotonic() - began) * 1000),
        error=error,
    )


def keep(tx: Tx, attempt: Delivery) -> Delivery:
    """Store an attempt that was just made, and return it with its id and time."""
    made = msgspec.structs.replace(attempt, id=tx.new_id(), at=tx.instant)
    rows.add(tx, made)
    return made


async def replay(store: Store, outgoing: Outgoing, call: Call) -> Delivery:
    """Send once more what an attempt told the caller's own subscription of."""
    return await send(outgoing, await store.read(lambda snapshot: _wanted(snapshot, call)))


def replayed(tx: Tx, call: Call) -> Answer:
    """200 with the attempt, which is in the log by now."""
    made = keep(tx, call.body)
    road = Road(call.road.root, (("subscriptions", call.keys["subscription"]), ("deliveries", made.id)))
    scope = {"n": made.subscription, "x": made.id}
    return Answer(200, single(tx, FEEDS["delivery"], Options(), scope, road, call.caller))


def _wanted(snapshot: Snapshot, call: Call) -> Again:
    assert call.notifications is not None  # noqa: S101  (the door gives it)
    return again(snapshot, call.notifications, following.own(snapshot, call), _id(call))


def _id(call: Call) -> str:
    id = ids.guid(call.keys["delivery"])
    if id is None:
        raise NotFound
    return id
