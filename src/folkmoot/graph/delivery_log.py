"""What the rows about the delivery log of a subscription do; `delivery_noun` describes it.

The cloud shows nothing of its deliveries; whose endpoint heard nothing cannot see why. All of this is our own.
"""

from __future__ import annotations

from typing import Any

import msgspec

from folkmoot.graph import ids
from folkmoot.graph import subscriptions as following
from folkmoot.graph.call import Call
from folkmoot.graph.envelope import Answer
from folkmoot.graph.feeds import FEEDS
from folkmoot.graph.read import single
from folkmoot.graph.reads import One, Page
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


class Deliveries(Page):
    """A page of the attempts, newest first."""


class OneDelivery(One):
    """One attempt."""


def seen(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """The log of the subscription of the path, for those who may see the subscription itself."""
    subscription = following.visible(snapshot, call)
    return {"n": subscription, "x": _id(call)} if "delivery" in call.keys else {"n": subscription}


async def replay(store: Store, outgoing: Outgoing, call: Call) -> Delivery:
    """Send what an attempt told of once more, at once, and once only; the attempt that this is, not stored yet.

    What is under way for the endpoint, and when it is tried again, stay as they are. Raises `NotFound`,
    `NotReplayable`, `ChangesGone`.
    """
    found, first, sent, tokens = await store.read(lambda snapshot: _told(snapshot, call))
    content: dict[str, Any] = {"value": sent}
    if tokens:
        content["validationTokens"] = tokens
    headers = {"Content-Type": "application/json; charset=utf-8"}
    status, milliseconds, error = None, 0, None
    began = store.clock()
    try:
        reply = await outgoing.post(
            found.notification_url, msgspec.json.encode(content), headers, seconds=ANSWER_SECONDS
        )
        status, milliseconds = reply.status, reply.milliseconds
    except Unanswered as unanswered:
        error = unanswered.reason
        milliseconds = round((store.clock() - began) * 1000)
    return msgspec.structs.replace(
        first,
        endpoint=found.notification_url,
        kind="replay",
        notifications=len(sent),
        status=status,
        milliseconds=milliseconds,
        error=error,
    )


def replayed(tx: Tx, call: Call) -> Answer:
    """200 with the attempt, which is in the log by now."""
    made: Delivery = msgspec.structs.replace(call.body, id=tx.new_id(), at=tx.instant)
    rows.add(tx, made)
    road = Road(call.road.root, (("subscriptions", call.keys["subscription"]), ("deliveries", made.id)))
    scope = {"n": made.subscription, "x": made.id}
    return Answer(200, single(tx, FEEDS["delivery"], Options(), scope, road, call.caller))


def _told(snapshot: Snapshot, call: Call) -> tuple[Subscription, Delivery, list[dict[str, Any]], list[str]]:
    """The caller's own subscription, the attempt, its notifications in the words of now, and what vouches for them."""
    assert call.notifications is not None  # noqa: S101  (the door gives it)
    found = following.own(snapshot, call)
    attempt, log = verbs.told(snapshot, found.id, _id(call))
    sent = call.notifications.notifications(snapshot, found, log)
    if not sent:
        raise NotReplayable
    return found, attempt, sent, call.notifications.validation_tokens([found])


def _id(call: Call) -> str:
    id = ids.guid(call.keys["delivery"])
    if id is None:
        raise NotFound
    return id
