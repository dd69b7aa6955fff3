"""What the rows about subscriptions do; `subscription_noun` describes them, `subscribing` reads their bodies.

Source: the reference of the subscription resource and "Set up notifications for changes in resource data".
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any
from urllib.parse import quote

from folkmoot.graph import ids
from folkmoot.graph.call import Call, missing
from folkmoot.graph.envelope import Answer
from folkmoot.graph.feeds import FEEDS
from folkmoot.graph.read import page, single
from folkmoot.graph.reads import Page, Read
from folkmoot.graph.road import Road
from folkmoot.graph.subscribing import Renewal, offered
from folkmoot.model import Subscription, SubscriptionDraft
from folkmoot.odata.query import Options
from folkmoot.ops import access, grants
from folkmoot.ops import subscriptions as verbs
from folkmoot.outgoing import Late, Outgoing, Unanswered
from folkmoot.refusals import BadBody, BadClause, NoSuchSubscription, NotValidated, PrivilegeMissing, UrlRefused
from folkmoot.store.db import Snapshot, Store, Tx

HANDSHAKE_SECONDS = 10.0
READ_ALL = "Subscription.Read.All"

# What a token needs to follow something: what it needs to read it.
_READ = frozenset(
    ("Group-Conversation.Read.All", "Group-Conversation.ReadWrite.All", "Group.Read.All", "Group.ReadWrite.All")
)
_DIRECTORY = frozenset(("Directory.Read.All", "Directory.ReadWrite.All"))
NEEDED = {
    "conversation": _READ,
    "thread": _READ,
    "post": _READ,
    "group": _DIRECTORY
    | {"GroupMember.Read.All", "GroupMember.ReadWrite.All", "Group.Read.All", "Group.ReadWrite.All"},
    "user": _DIRECTORY | {"User.ReadBasic.All", "User.Read.All", "User.ReadWrite.All"},
}
FOLLOW = frozenset().union(*NEEDED.values())


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Listed(Page):
    """A page of the subscriptions that the caller may see."""

    def __call__(self, snapshot: Snapshot, call: Call) -> Answer:
        if call.caller.profile == "strict":
            # "This method does not support the OData query parameters" (Graph: List subscriptions).
            for name, _ in call.options.texts:
                if name != "$skiptoken":
                    raise BadClause(f"{name} is not supported on subscriptions.", target=name)
        scope = self.scope(snapshot, call)
        return Answer(200, page(snapshot, FEEDS[scope.pop("feed")], call.options, scope, call.road, call.caller))


class One(Read):
    """One of them."""

    def __call__(self, snapshot: Snapshot, call: Call) -> Answer:
        scope = {**self.scope(snapshot, call), "x": _id(call)}
        found = single(snapshot, FEEDS[f"{scope.pop('feed')}.one"], call.options, scope, call.road, call.caller)
        if found is None:
            raise NoSuchSubscription
        if call.lacking is not None:
            _permit(snapshot, call, verbs.own(snapshot, call.caller, scope["x"]))
        return Answer(200, found)


def visible(snapshot: Snapshot, call: Call) -> str:
    """The id of the subscription of the path, for those who may see it. Raises as reading it does."""
    scope = {**seen(snapshot, call), "x": _id(call)}
    feed = FEEDS[f"{scope.pop('feed')}.one"]
    if single(snapshot, feed, Options(), scope, call.road, call.caller) is None:
        raise NoSuchSubscription
    if call.lacking is not None:
        _permit(snapshot, call, verbs.own(snapshot, call.caller, scope["x"]))
    return str(scope["x"])


def seen(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """Which subscriptions the caller may see (Graph: List subscriptions, basic and advanced scenarios).

    A person sees their own by this application, or with Subscription.Read.All by any; who runs the organisation then
    sees everybody's. An application by itself sees all that were made by it.
    """
    caller = call.caller
    access.require_account(snapshot, caller)
    if caller.kind == "app":
        feed = "subscriptions.application"
    elif READ_ALL not in caller.permissions:
        feed = "subscriptions"
    else:
        feed = "subscriptions.all" if verbs.sees_all(snapshot, caller) else "subscriptions.person"
    return {"feed": feed, "me": caller.oid, "application": caller.application, "now": verbs.moment(snapshot)}


# ── creating ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def validate(store: Store, outgoing: Outgoing, call: Call) -> None:
    """Ask the endpoints of a new subscription whether they want it, once it is known that it may be.

    Each has ten seconds to repeat a token (Graph: notificationUrl validation). Both are asked, though they be one URL.
    Raises what a creation would, `UrlRefused` and `NotValidated`. Nothing is locked meanwhile.
    """
    wanted: SubscriptionDraft = call.body
    endpoints = {"notificationUrl": wanted.notification_url}
    if wanted.lifecycle_url is not None:
        endpoints["lifecycleNotificationUrl"] = wanted.lifecycle_url
    await store.read(lambda snapshot: _admit(snapshot, call))
    for name, url in endpoints.items():
        try:
            outgoing.check(url)
        except UrlRefused as refusal:
            raise UrlRefused(refusal.message, target=name) from None
    failed = await asyncio.gather(*(_failure(outgoing, url) for url in endpoints.values()))
    for name, (message, detail) in zip(endpoints, failed, strict=True):
        if detail:
            raise NotValidated(message, target=name, detail=f"The endpoint of {name}: {detail}.")


async def _failure(outgoing: Outgoing, url: str) -> tuple[str | None, str]:
    """What is said of an endpoint that does not validate, and why it does not; "" where it does."""
    # With a space and more that is escaped in a URL: who does not decode it has not understood.
    token = f"Validation: does this endpoint want its notifications? {secrets.token_urlsafe(24)}"
    asked = f"{url}{'&' if '?' in url else '?'}validationToken={quote(token, safe='')}"
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    try:
        reply = await outgoing.post(asked, b"", headers, seconds=HANDSHAKE_SECONDS)
    except Late as error:
        return "Subscription validation request timed out.", error.reason
    except Unanswered as error:
        return None, error.reason
    if reply.status != 200:
        return None, f"it answered with status {reply.status}"
    if reply.content_type.partition(";")[0].strip().lower() != "text/plain":
        return None, f"it answered with the type '{reply.content_type[:80]}', not text/plain"
    if reply.body != token.encode():
        return None, "it did not answer with the validationToken of the URL, decoded and nothing else"
    return None, ""


def _admit(snapshot: Snapshot, call: Call) -> None:
    wanted: SubscriptionDraft = call.body
    offered(wanted, call.caller.profile)
    _permit(snapshot, call, wanted)
    verbs.admit(snapshot, call.caller, wanted)


def create(tx: Tx, call: Call) -> Answer:
    """201 with the subscription, whose endpoints were validated before (see `validate`)."""
    _admit(tx, call)
    wanted: SubscriptionDraft = call.body
    id = verbs.create(tx, call.caller, wanted, by_grant=_by_grant(call, wanted))
    road = Road(call.road.root, (("subscriptions", id),))
    return Answer(201, _sent(tx, call, id), (("Location", f"{road.root}/{road.path}"),))


# ── what becomes of it ───────────────────────────────────────────────────────────────────────────────────────────────


def renew(tx: Tx, call: Call) -> Answer:
    """200 with the subscription. What is set at creation may be repeated, and nothing else (Graph: Update)."""
    found = own(tx, call)
    given: Renewal = call.body
    kept: dict[str, Any] = {
        "resource": found.resource,
        "changeType": found.change_types,
        "notificationUrl": found.notification_url,
        "lifecycleNotificationUrl": found.lifecycle_url,
        "clientState": found.client_state,
        "includeResourceData": found.include_resource_data,
        "latestSupportedTlsVersion": found.tls_version,
        "notificationUrlAppId": found.url_app_id,
    }
    for name, value in given.fixed:
        if value != kept[name]:
            raise BadBody(f"{name} is set when a subscription is created; create another one.", target=name)
    verbs.follow(tx, call.caller, found.group, found.parent)
    verbs.renew(
        tx,
        found,
        wished=given.wished,
        certificate=given.certificate,
        certificate_id=given.certificate_id,
        by_grant=_by_grant(call, found),
    )
    return Answer(200, _sent(tx, call, found.id))


def reauthorize(tx: Tx, call: Call) -> Answer:
    """204: the caller still may follow. How long the subscription lasts stays as it is (n42)."""
    found = own(tx, call)
    verbs.follow(tx, call.caller, found.group, found.parent)
    verbs.reauthorize(tx, found, by_grant=_by_grant(call, found))
    return Answer(204)


def remove(tx: Tx, call: Call) -> Answer:
    """204. Who may not read any more what it is about may end it all the same."""
    found = _mine(tx, call)
    if not found.by_grant:  # which may have been taken back
        _permit(tx, call, found)
    verbs.remove(tx, found)
    return Answer(204)


def own(snapshot: Snapshot, call: Call) -> Subscription:
    """The caller's own subscription, the one of the path, which the caller's token or grant is still good for."""
    found = _mine(snapshot, call)
    _permit(snapshot, call, found)
    return found


def _mine(snapshot: Snapshot, call: Call) -> Subscription:
    access.require_account(snapshot, call.caller)
    return verbs.own(snapshot, call.caller, _id(call))


def _id(call: Call) -> str:
    id = ids.guid(call.keys["subscription"])
    if id is None:
        raise NoSuchSubscription
    return id


def _by_grant(call: Call, about: SubscriptionDraft | Subscription) -> bool:
    """Whether the token of a caller who may follow does not say so: then it is a grant that does."""
    return call.caller.permissions.isdisjoint(NEEDED[about.watched])


def _permit(snapshot: Snapshot, call: Call, about: SubscriptionDraft | Subscription) -> None:
    """Raise `PrivilegeMissing` unless token or grant lets the caller read what the subscription is about."""
    caller, needed = call.caller, NEEDED[about.watched]
    if not caller.permissions.isdisjoint(needed):
        return
    told = caller.profile == "extended" or verbs.sees_all(snapshot, caller)
    by_grant = about.group is not None and caller.kind == "app" and caller.profile == "extended"
    names = frozenset(grants.PERMISSIONS) if by_grant else frozenset[str]()
    refusal = call.lacking or PrivilegeMissing(missing(caller, needed, names) if told else None)
    if about.group is None or not by_grant:
        raise refusal
    grants.require(snapshot, caller, about.group, names, refusal)


def _sent(tx: Tx, call: Call, id: str) -> Any:
    scope = {"me": call.caller.oid, "application": call.caller.application, "now": verbs.moment(tx), "x": id}
    road = Road(call.road.root, (("subscriptions", id),))
    return single(tx, FEEDS["subscriptions.one"], Options(), scope, road, call.caller)
