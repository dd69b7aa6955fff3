"""Lists of senders, and the actions by which a person or an owner says something of a group."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from folkmoot.graph import inputs, writes
from folkmoot.graph.asking import check_names
from folkmoot.graph.call import Call, find_group
from folkmoot.graph.envelope import Answer
from folkmoot.graph.feeds import FEEDS
from folkmoot.graph.read import page
from folkmoot.graph.reads import Read
from folkmoot.graph.road import Road
from folkmoot.graph.writes import adding, removing, seen_group, sent
from folkmoot.model import Standing
from folkmoot.ops import access, senders, settings
from folkmoot.ops.senders import Verdict
from folkmoot.refusals import BadBody, NotAllowed
from folkmoot.store.db import Snapshot, Tx
from folkmoot.store.senders import SWITCHES


class References(Read):
    """`GET …/$ref`: the URLs of the items, as strings (Graph, StringCollectionResponse)."""

    def __call__(self, snapshot: Snapshot, call: Call) -> Answer:
        road = Road(call.road.root, (*call.road.steps, ("$ref", None)))
        found = page(snapshot, FEEDS[self.feed], call.options, self.scope(snapshot, call), road, call.caller)
        found["@odata.context"] = f"{road.root}/$metadata#Collection($ref)"
        found["value"] = [
            f"{road.root}/{'users' if item['@odata.type'].endswith('user') else 'groups'}/{item['id']}"
            for item in found["value"]
        ]
        return Answer(200, found)


def add(verdict: Verdict) -> Callable[[Tx, Call], Answer]:
    """`POST …/acceptedSenders/$ref` and `…/rejectedSenders/$ref`: 204."""
    return adding(senders.add, verdict)


def remove(verdict: Verdict) -> Callable[[Tx, Call], Answer]:
    """`DELETE …/{id}/$ref`, `…/$ref?@id={uri}` and `?$id={uri}`: 204."""
    return removing(senders.remove, verdict)


# ── actions ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def prefer(**said: bool) -> Callable[[Tx, Call], Answer]:
    """An action by which the caller says something for himself: 200 without a body, or 204 where that is preferred."""

    def say(tx: Tx, call: Call) -> Answer:
        standing = find_group(tx, call)
        access.read_content(standing)
        _mailbox(standing)
        settings.prefer(tx, standing, **said)
        if call.prefer.get("return") == "minimal":
            return Answer(204, headers=(("Preference-Applied", "return=minimal"),))
        return Answer(200)

    return say


def renew(tx: Tx, call: Call) -> Answer:
    """204."""
    settings.renew(tx, seen_group(tx, call))
    return Answer(204)


def validate_properties(tx: Tx, call: Call) -> Answer:
    """204 when the group of the path could have these names."""
    check_names(tx, call, seen_group(tx, call).group)
    return Answer(204)


# ── PATCH of what is changed alone ───────────────────────────────────────────────────────────────────────────────────

_PERSONAL = ("is_subscribed_by_mail", "unseen_count")
ALONE = (*SWITCHES, *_PERSONAL)


def changed_alone(changes: Mapping[str, Any]) -> bool:
    """Whether `changes` are of the six properties that a PATCH changes without any other (Graph, Update group).

    Raises `BadBody` that names them when there are others.
    """
    alone = [name for name in ALONE if name in changes]
    others = [name for name in changes if name not in alone]
    if alone and others:
        names = ", ".join(map(_wire, alone))
        raise BadBody(
            f"{names} must be updated in a request of their own, without {', '.join(map(_wire, others))}.",
            target=_wire(alone[0]),
        )
    return bool(alone)


def update_alone(tx: Tx, call: Call, changes: Mapping[str, Any]) -> Answer:
    """200 with the group. For people only, as published; an extended application may turn the group's switches."""
    standing = seen_group(tx, call)
    if call.caller.kind == "app" and (call.caller.profile == "strict" or not set(changes) <= set(SWITCHES)):
        raise NotAllowed(detail="These properties are changed by a signed-in person.")
    _mailbox(standing)
    switches = {name: changes[name] for name in SWITCHES if name in changes}
    if switches:
        settings.switch(tx, standing, switches)
    if any(name in changes for name in _PERSONAL):
        if changes.get("unseen_count", 0) != 0:
            raise BadBody("unseenCount can be set to 0 only, as by resetUnseenCount.", target="unseenCount")
        standing = seen_group(tx, call)
        settings.prefer(tx, standing, subscribed=changes.get("is_subscribed_by_mail"), seen="unseen_count" in changes)
    return Answer(200, sent(tx, call, "group", {"g": standing.group, "me": call.caller.oid}))


def update_group(tx: Tx, call: Call) -> Answer:
    """204; 200 for the properties that are changed alone."""
    changes = {k: v for k, v in msgspec.structs.asdict(call.body).items() if v is not msgspec.UNSET}
    # A group that is yet to be made has nothing that could be changed alone.
    if "group" in call.keys and changed_alone(changes):
        return update_alone(tx, call, changes)
    return writes.update_group(tx, call)


def _mailbox(standing: Standing) -> None:
    """Only Microsoft 365 groups have mail to speak of."""
    if not standing.unified:
        raise NotAllowed("Only groups whose groupTypes contain 'Unified' hold conversations.")


def _wire(name: str) -> str:
    return msgspec.structs.fields(inputs.GroupPatchIn)[inputs.GroupPatchIn.__struct_fields__.index(name)].encode_name
