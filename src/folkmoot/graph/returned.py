"""What a write gives back of what it made or changed, as far as `Prefer: return=…` has a say.

Sources: RFC 7240 §4.2 (return), OData 4.0 Protocol §8.2.8.7 (204 with Location and OData-EntityId for return=minimal).
The cloud has neither for posts: strict applications are answered as it answers.
"""

from __future__ import annotations

from folkmoot.graph import ids
from folkmoot.graph.call import Call
from folkmoot.graph.envelope import Answer
from folkmoot.graph.feeds import FEEDS
from folkmoot.graph.read import single
from folkmoot.graph.road import Road
from folkmoot.model import Place
from folkmoot.odata.query import Options, parse_options
from folkmoot.store.db import Tx

_APPLIED = "Preference-Applied"
# All of what was begun.
_WHOLE = {
    "conversation": parse_options("$expand=threads($expand=posts)"),
    "thread": parse_options("$expand=posts"),
}


def wanted(call: Call) -> str:
    """`representation`, `minimal`, or "" where nothing is asked for or nobody listens (strict)."""
    asked = call.prefer.get("return", "").lower()
    return asked if call.caller.profile == "extended" and asked in ("representation", "minimal") else ""


def added(tx: Tx, call: Call, place: Place, id: str, *, plain: Answer | None = None) -> Answer:
    """What is answered for a new post: 201 with the post and where it is, 204 with where it is, or `plain`."""
    if plain is not None and call.caller.profile == "strict":
        return plain
    road = _to_post(call, place, id)
    place_of_it = f"{road.root}/{road.path}"
    where = ("Location", place_of_it)
    asked = wanted(call)
    if plain is not None and asked != "representation":
        return Answer(plain.status, plain.body, (*plain.headers, where), plain.content_type)
    if asked == "minimal":
        return Answer(204, headers=(where, ("OData-EntityId", place_of_it), (_APPLIED, "return=minimal")))
    applied = ((_APPLIED, "return=representation"),) if asked else ()
    return Answer(201, _post(tx, call, road, place, id), (where, *applied))


def changed(tx: Tx, call: Call, place: Place, id: str) -> Answer:
    """What is answered for a changed post: 200 with it, or 204."""
    asked = wanted(call)
    if asked == "minimal":
        return Answer(204, headers=((_APPLIED, "return=minimal"),))
    applied = ((_APPLIED, "return=representation"),) if asked else ()
    return Answer(200, _post(tx, call, _to_post(call, place, id), place, id), applied)


def begun(tx: Tx, call: Call, group: str, feed: str, scope: dict[str, str], key: str, plain: Answer) -> Answer:
    """What is answered for a new conversation or thread: all of it with `return=representation`, else `plain`."""
    if call.caller.profile != "extended":
        return plain
    *above, (last, _) = call.road.steps
    road = Road(call.road.root, (*above, (last, key)))
    where = ("Location", f"{road.root}/{road.path}")
    if wanted(call) != "representation":
        return Answer(plain.status, plain.body, (*plain.headers, where), plain.content_type)
    sent = single(tx, FEEDS[feed], _WHOLE[feed], {"g": group, **scope}, road, call.caller)
    return Answer(201, sent, (where, (_APPLIED, "return=representation")))


def _post(tx: Tx, call: Call, road: Road, place: Place, id: str) -> object:
    return single(tx, FEEDS["post"], Options(), {"g": place.standing.group, "p": id}, road, call.caller)


def _to_post(call: Call, place: Place, id: str) -> Road:
    """The road to a post of the thread of the path."""
    steps = call.road.steps
    end = next(number for number, (name, _) in enumerate(steps) if name == "threads")
    key = ids.post_id(place.standing.group, place.thread.id, id)
    return Road(call.road.root, (*steps[: end + 1], ("posts", key)))
