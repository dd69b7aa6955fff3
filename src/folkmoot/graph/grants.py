"""What the rows about grants of permissions in one group do; `grant_noun` describes them."""

from __future__ import annotations

from folkmoot.graph import ids
from folkmoot.graph.call import Call
from folkmoot.graph.envelope import Answer
from folkmoot.graph.feeds import FEEDS
from folkmoot.graph.inputs import GrantIn
from folkmoot.graph.read import single
from folkmoot.graph.road import Road
from folkmoot.odata.query import Options
from folkmoot.ops import access
from folkmoot.ops import grants as verbs
from folkmoot.store.db import Snapshot, Tx

_NOBODY = "00000000-0000-0000-0000-000000000000"


def of_caller(snapshot: Snapshot, call: Call) -> dict[str, str]:
    """The grants of the calling application in the group of the path."""
    group = access.see_group(snapshot, call.caller, ids.directory_id(call.keys["group"])).group
    # An issuer's application need not be called by a GUID; then it can hold no grant.
    return {"g": group, "application": ids.guid(call.caller.application) or _NOBODY, "me": call.caller.oid}


def give(tx: Tx, call: Call) -> Answer:
    """201 with the grant."""
    given: GrantIn = call.body
    standing = access.see_group(tx, call.caller, ids.directory_id(call.keys["group"]))
    id = verbs.give(tx, standing, ids.directory_id(given.client_app_id), given.permission)
    *above, (last, _) = call.road.steps
    road = Road(call.road.root, (*above, (last, id)))
    sent = single(tx, FEEDS["permissionGrant"], Options(), {"g": standing.group, "grant": id}, road, call.caller)
    return Answer(201, sent, (("Location", f"{road.root}/{road.path}"),))


def take(tx: Tx, call: Call) -> Answer:
    """204."""
    standing = access.see_group(tx, call.caller, ids.directory_id(call.keys["group"]))
    verbs.take(tx, standing, ids.directory_id(call.keys["grant"]))
    return Answer(204)
