"""What a subscriber is sent: a change of the log as a changeNotification, for whoever subscribed, if they may see it.

Ids, `resource` and `@odata.id` are those that the API answers to. The cloud publishes no example for conversations; the
shapes follow its example of a message. Source: Microsoft Graph, resource types changeNotification and
changeNotificationCollection, and "Set up change notifications that include resource data".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid5

import msgspec

from folkmoot.graph import ids
from folkmoot.graph.encryption import encrypted
from folkmoot.graph.feeds import FEEDS
from folkmoot.graph.read import single
from folkmoot.graph.road import Road
from folkmoot.model import Caller, Change, ChangeType, Subscription
from folkmoot.odata.query import Options
from folkmoot.ops import access, following, grants
from folkmoot.refusals import NotAllowed
from folkmoot.store import followed, rows
from folkmoot.store.db import Snapshot
from folkmoot.store.wake import DIRECTORY

# By this receivers know the cloud's publisher of notifications, whatever else a validation token says.
PUBLISHER = "0bf30f3b-4a52-48df-9a82-234910c4a086"
TOKEN_SECONDS = 3600

_NOTIFICATION = UUID("6f1c9b0e-58a3-4b2c-9a53-2f8f0d7c4e11")
_TYPES = {
    "conversation": "Conversation",
    "thread": "ConversationThread",
    "post": "Post",
    "group": "Group",
    "user": "User",
}


_KINDS = ("created", "updated", "deleted")


class _Told(msgspec.Struct, frozen=True):
    """A notification to be worded: the number of its (first) change, its kind, and what changed.

    `steps` lead to the item, as in `Road`; `scope` are the parameters by which its feed finds it.
    """

    seq: int
    kind: ChangeType
    id: str
    steps: tuple[tuple[str, str], ...]
    feed: str
    scope: Mapping[str, Any]

    @property
    def resource(self) -> str:
        """`groups('…')/conversations('…')`; of the directory `groups/…`."""
        if len(self.steps) == 1:
            return "/".join(self.steps[0])
        return "/".join(f"{name}('{key}')" for name, key in self.steps)


class Notifications:
    """Words what happened for those who are notified.

    `root` is the service root under which the API is reached; `issuer` signs validation tokens with `sign`, which takes
    their claims.
    """

    def __init__(
        self,
        *,
        tenant: str,
        root: str,
        issuer: str,
        sign: Callable[[Mapping[str, Any]], str],
        clock: Callable[[], float],
    ) -> None:
        self._tenant = tenant
        self._root = root
        self._issuer = issuer
        self._sign = sign
        self._clock = clock

    def may_follow(self, snapshot: Snapshot, subscription: Subscription, group: str) -> bool:
        """Whether the subscription's creator may read in the group now; or in the directory, for `wake.DIRECTORY`."""
        caller = self._creator(subscription)
        if group == DIRECTORY:
            return following.may_follow_directory(snapshot, caller)
        standing = rows.standing(snapshot, caller, group)
        if standing is None:
            return False
        try:
            access.read_content(standing)
            if subscription.by_grant:
                grants.require(snapshot, caller, group, frozenset(grants.PERMISSIONS), NotAllowed())
        except NotAllowed:
            return False
        return True

    def notifications(
        self, snapshot: Snapshot, subscription: Subscription, changes: Sequence[Change]
    ) -> list[dict[str, Any]]:
        """A changeNotification for each of `changes` that is the subscription's, in their order.

        `changes` are of one group, or of the directory (see `directory_log.since`), where neighbouring changes of an
        object made at one moment are one notification. Nothing is told of what the subscription's creator may not see
        now. A change has the same notification `id` each time that it is worded for the subscription.
        """
        about = [change for change in changes if _about(subscription, change)]
        if not about or not self.may_follow(snapshot, subscription, about[0].group):
            return []
        group = about[0].group
        if group == DIRECTORY:
            told = list(self._of_directory(snapshot, subscription, about))
        else:
            told = _told(snapshot, group, about)
        versions = _versions(snapshot, group, told)
        return [self._worded(snapshot, subscription, group, each, versions) for each in told]

    def lifecycle(self, subscription: Subscription, event: str) -> dict[str, Any]:
        """A lifecycle notification: `event` is "reauthorizationRequired", "missed" or "subscriptionRemoved"."""
        return {**self._envelope(subscription), "lifecycleEvent": event}

    def validation_tokens(self, subscriptions: Sequence[Subscription]) -> list[str]:
        """A JWT for each application that is sent resource data, by which it knows that this server sent it.

        The claims are those of both versions of the cloud's tokens: `appid` (1.0) and `azp` (2.0) name the publisher.
        """
        now = int(self._clock())
        audiences = dict.fromkeys(each.application for each in subscriptions if each.include_resource_data)
        return [
            self._sign(
                {
                    "aud": application,
                    "iss": self._issuer,
                    "iat": now,
                    "nbf": now,
                    "exp": now + TOKEN_SECONDS,
                    "appid": PUBLISHER,
                    "azp": PUBLISHER,
                    "tid": self._tenant,
                    "ver": "2.0",
                }
            )
            for application in audiences
        ]

    def _creator(self, subscription: Subscription) -> Caller:
        """The subscription's creator as a caller: what the token permitted was asked when it was made or renewed."""
        return Caller(
            kind=subscription.creator_kind,
            oid=subscription.creator,
            tenant=self._tenant,
            application=subscription.application,
            permissions=frozenset(),
            profile="extended",
        )

    def _of_directory(
        self, snapshot: Snapshot, subscription: Subscription, changes: Sequence[Change]
    ) -> Iterator[_Told]:
        caller = self._creator(subscription)
        noun = subscription.watched
        for run in following.runs(changes):
            kind = _kind_in_directory({change.kind for change in run}, subscription.change_types)
            if kind is None or not following.saw(snapshot, caller, run):
                continue
            id = run[0].item
            scope = {"g" if noun == "group" else "o": id, "me": caller.oid}
            yield _Told(run[0].seq, kind, id, ((f"{noun}s", id),), noun, scope)

    def _envelope(self, subscription: Subscription) -> dict[str, Any]:
        return {
            "subscriptionId": subscription.id,
            "subscriptionExpirationDateTime": _moment(subscription.expires_at),
            "clientState": subscription.client_state,
            "tenantId": self._tenant,
        }

    def _worded(
        self, snapshot: Snapshot, subscription: Subscription, group: str, told: _Told, versions: Mapping[str, int]
    ) -> dict[str, Any]:
        sent = {
            "id": str(uuid5(_NOTIFICATION, f"{subscription.id}/{group}/{told.seq}")),
            **self._envelope(subscription),
            **_said(told, group, versions),
        }
        if subscription.include_resource_data and subscription.certificate is not None:
            content = msgspec.json.encode(self._content(snapshot, subscription, told))
            sent["encryptedContent"] = encrypted(content, subscription.certificate, subscription.certificate_id)
        return sent

    def _content(self, snapshot: Snapshot, subscription: Subscription, told: _Told) -> Mapping[str, Any]:
        """The item as the API sends it to the subscription's creator; of one that is gone its id."""
        item = None
        if told.kind != "deleted":
            road = Road(self._root, told.steps)
            item = single(snapshot, FEEDS[told.feed], Options(), told.scope, road, self._creator(subscription))
        return {"id": told.id} if item is None else item


def told(snapshot: Snapshot, changes: Sequence[Change]) -> list[tuple[int, ChangeType, dict[str, Any]]]:
    """The number, kind and changeNotification of each of `changes` in a group that can be told of, for whoever follows
    the group without a subscription, and may read in it.
    """
    about = [each for each in changes if each.noun in ("conversation", "thread", "post") and each.kind in _KINDS]
    if not about:
        return []
    group = about[0].group
    found = _told(snapshot, group, about)
    versions = _versions(snapshot, group, found)
    return [
        (each.seq, each.kind, {"id": str(uuid5(_NOTIFICATION, f"{group}/{each.seq}")), **_said(each, group, versions)})
        for each in found
    ]


def _told(snapshot: Snapshot, group: str, changes: Sequence[Change]) -> list[_Told]:
    conversations = _conversations(snapshot, group, changes)
    return [each for change in changes if (each := _of_group(change, conversations)) is not None]


def _versions(snapshot: Snapshot, group: str, told: Sequence[_Told]) -> dict[str, int]:
    """Post → version, for those that are there."""
    posts = dict.fromkeys(each.scope["p"] for each in told if each.feed == "post" and each.kind != "deleted")
    return followed.versions(snapshot, group, posts)


def _said(told: _Told, group: str, versions: Mapping[str, int]) -> dict[str, Any]:
    """What a changeNotification says of a change, whoever it is for."""
    data: dict[str, Any] = {"@odata.type": f"#Microsoft.Graph.{_TYPES[told.feed]}", "@odata.id": told.resource}
    version = versions.get(told.scope.get("p", ""))
    if version is not None and told.kind != "deleted":
        data["@odata.etag"] = f'W/"{ids.change_key(group, version)}"'
    data["id"] = told.id
    return {"changeType": told.kind, "resource": told.resource, "resourceData": data}


def _of_group(change: Change, conversations: Mapping[str, str]) -> _Told | None:
    """How a change in a group is told of. `conversations` has the conversation of each thread in question."""
    group, kind = change.group, cast(ChangeType, change.kind)
    above = ("groups", group)
    if change.noun == "conversation":
        id = ids.conversation_id(group, change.item)
        steps = (above, ("conversations", id))
        return _Told(change.seq, kind, id, steps, "conversation", {"g": group, "c": change.item})
    thread = change.item if change.noun == "thread" else change.parent
    conversation = conversations.get(thread or "")
    if thread is None or conversation is None:
        # Written by a release that did not keep what a change was part of; nobody followed it then.
        return None
    name = ids.thread_id(group, conversation, thread)
    if change.noun == "thread":
        return _Told(change.seq, kind, name, (above, ("threads", name)), "thread", {"g": group, "t": thread})
    id = ids.post_id(group, thread, change.item)
    below = (above, ("threads", name), ("posts", id))
    return _Told(change.seq, kind, id, below, "post", {"g": group, "p": change.item})


def _about(subscription: Subscription, change: Change) -> bool:
    """Whether a change may be one that the subscription asked for. Of the directory, its kind is not known yet."""
    if change.noun != subscription.watched:
        return False
    if change.group == DIRECTORY:
        return True
    if change.kind not in subscription.change_types:
        return False
    return subscription.parent is None or change.parent == subscription.parent


def _conversations(snapshot: Snapshot, group: str, changes: Sequence[Change]) -> dict[str, str]:
    """Thread → conversation for each thread that the changes name."""
    found = {change.item: change.parent for change in changes if change.noun == "thread" and change.parent is not None}
    unknown = {
        change.parent for change in changes if change.noun == "post" and change.parent is not None
    } - found.keys()
    found |= followed.conversations(snapshot, group, sorted(unknown))
    for thread in unknown - found.keys():
        # The thread is gone; it went with its posts, and the log says of what it was part.
        conversation = followed.conversation_of_gone(snapshot, group, thread)
        if conversation is not None:
            found[thread] = conversation
    return found


def _kind_in_directory(aspects: set[str], wanted: Sequence[ChangeType]) -> ChangeType | None:
    """As what the changes of an object are told of, if at all.

    The cloud tells of users and groups that come, and of those that can be restored when they go, as updated. So does
    this server to who asked for no more than that.
    """
    kind: ChangeType = "updated"
    if aspects & {"deleted", "purged"}:
        kind = "deleted"
    elif aspects & {"created", "restored"}:
        kind = "created"
    if kind in wanted:
        return kind
    return "updated" if "updated" in wanted and "purged" not in aspects else None


def _moment(microseconds: int) -> str:
    """A moment with seven digits, as the cloud writes those of subscriptions."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:06d}0Z"
