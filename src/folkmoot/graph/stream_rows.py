"""`GET /groups/{id}/changes` and `GET /me/changes`: what a stream of changes is asked with; it runs in `streaming`."""

from __future__ import annotations

from functools import partial

from folkmoot.graph import ids
from folkmoot.graph.batch import Door, Scope
from folkmoot.graph.call import Call
from folkmoot.graph.envelope import Answer
from folkmoot.refusals import BadClause, NotAcceptable, NotAllowed

MEDIA_TYPE = "text/event-stream"
_TAKEN = frozenset((MEDIA_TYPE, "text/*", "*/*"))
_HEADER, _PARAMETER = "Last-Event-ID", "lastEventId"


async def of_group(door: Door, call: Call, scope: Scope, _: bytes) -> Answer:
    """200 with the changes in the group of the path, as they happen."""
    return await _stream(door, call, scope, ids.directory_id(call.keys["group"]))


async def of_mine(door: Door, call: Call, scope: Scope, _: bytes) -> Answer:
    """200 with the changes in all groups that the caller is a member or an owner of, as they happen."""
    named = call.keys.get("user")
    if named is not None and named.lower() not in (call.caller.oid, call.caller.upn.lower()):
        raise NotAllowed(detail="A person follows the person's own groups: /me/changes.")
    return await _stream(door, call, scope, None)


async def _stream(door: Door, call: Call, scope: Scope, group: str | None) -> Answer:
    if call.options.texts:
        name = call.options.texts[0][0]
        raise BadClause(f"{name} is not supported by a stream of changes, which takes no query options.", target=name)
    accepted = call.headers.get(b"accept", b"").decode("latin-1")
    if accepted and not any(each.partition(";")[0].strip().lower() in _TAKEN for each in accepted.split(",")):
        raise NotAcceptable(f"A stream of changes is {MEDIA_TYPE}; the Accept header asks for others.", target="Accept")
    name, position = _HEADER, call.headers.get(b"last-event-id", b"").decode("latin-1")
    if not position:
        # For clients in browsers that cannot set the header.
        name, position = _PARAMETER, dict(call.options.others).get(_PARAMETER, "")
    admit = partial(door.admitted, scope)
    return Answer(200, await door.streams.open(admit, group, position or None, name))
