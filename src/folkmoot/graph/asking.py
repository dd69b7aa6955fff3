"""Questions that are put by POST and change nothing: getByIds, checkMember…, getMember… and what belongs to them.

Source: the Graph pages directoryobject-getbyids, -checkmembergroups, -checkmemberobjects, -getmembergroups,
-getmemberobjects and -validateproperties.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from folkmoot.graph import ids, inputs
from folkmoot.graph.call import Call, find_user
from folkmoot.graph.envelope import Answer
from folkmoot.graph.feeds import FEEDS
from folkmoot.graph.read import listed
from folkmoot.graph.reads import Read, groups_above
from folkmoot.odata.query import Options
from folkmoot.ops import access, naming
from folkmoot.refusals import BadBody, NoSuchObject, PrivilegeMissing
from folkmoot.store import everywhere
from folkmoot.store.db import Snapshot

MAX_IDS = 1000
MAX_CHECKED = 20


@dataclass(frozen=True, slots=True)
class Ask(Read):
    """A question; `scope` finds the whole answer, without its context where it is a list of ids."""

    def __call__(self, snapshot: Snapshot, call: Call) -> Answer:
        found = self.scope(snapshot, call)
        return Answer(200, found) if found else Answer(204)

    def quick(self, call: Call) -> bool:
        return False


def get_by_ids(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """The objects with the ids, of the types that are asked for; who is not there or not seen is left out."""
    access.require_account(snapshot, call.caller)
    given: inputs.ByIdsIn = call.body
    wanted = _guids(given.ids, "ids", MAX_IDS)
    found = _objects(snapshot, call, wanted)
    types = {kind.lower().removeprefix("#").removeprefix("microsoft.graph.") for kind in given.types or ()}
    if types and "directoryobject" not in types:
        found = [each for each in found if each["@odata.type"].rpartition(".")[2].lower() in types]
    return {"@odata.context": f"{call.road.root}/$metadata#directoryObjects", "value": found}


def _objects(snapshot: Snapshot, call: Call, wanted: list[str]) -> list[dict[str, Any]]:
    """Users and groups with their default properties, as far as the caller may see them."""
    found: list[dict[str, Any]] = []
    feed = FEEDS["transitiveMembers"]
    for start in range(0, len(wanted), feed.largest_page):
        some = msgspec.json.encode(wanted[start : start + feed.largest_page]).decode()
        scope = {"ids": some, "me": call.caller.oid}
        found += listed(snapshot, feed, Options(), scope, call.road, call.caller, feed.largest_page)[0]
    return found


def check_member_groups(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """Which of up to 20 groups the object is in, directly or through groups."""
    given: inputs.GroupIdsIn = call.body
    return _of(call, _checked(snapshot, call, _guids(given.group_ids, "groupIds", MAX_CHECKED)))


def check_member_objects(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """The same for objects that can have members, of which this directory has groups."""
    given: inputs.ObjectIdsIn = call.body
    return _of(call, _checked(snapshot, call, _guids(given.ids, "ids", MAX_CHECKED)))


def _checked(snapshot: Snapshot, call: Call, wanted: list[str]) -> list[str]:
    above = set(groups_above(snapshot, call, _object(snapshot, call)))
    seen = {group["id"] for group in _groups(snapshot, call, above.intersection(wanted))}
    return [id for id in wanted if id in seen]


def get_member_groups(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """All groups that the object is in, directly or through groups; of a user also only those for security."""
    given: inputs.MemberGroupsIn = call.body
    object_id = _object(snapshot, call)
    secure = bool(given.security_enabled_only)
    if secure and everywhere.person(snapshot, object_id) is None:
        raise BadBody("securityEnabledOnly can be true for users only.", target="securityEnabledOnly")
    found = _groups(snapshot, call, groups_above(snapshot, call, object_id))
    return _of(call, [group["id"] for group in found if group["securityEnabled"] or not secure])


def _groups(snapshot: Snapshot, call: Call, wanted: Iterable[str]) -> list[dict[str, Any]]:
    options = Options(select=("id", "securityEnabled"), texts=(("$select", "id,securityEnabled"),))
    feed, found, token = FEEDS["transitiveMemberOf"], list[dict[str, Any]](), None
    scope = {"ids": msgspec.json.encode(sorted(wanted)).decode(), "me": call.caller.oid}
    while True:
        rows, token = listed(
            snapshot,
            feed,
            msgspec.structs.replace(options, skiptoken=token),
            scope,
            call.road,
            call.caller,
            feed.largest_page,
        )
        found += rows
        if token is None:
            return found


def _object(snapshot: Snapshot, call: Call) -> str:
    """The object of the path, for a caller who may see it."""
    if "group" in call.keys:
        return access.see_group(snapshot, call.caller, ids.directory_id(call.keys["group"])).group
    if "object" not in call.keys:
        if "user" in call.keys:
            access.require_account(snapshot, call.caller)
        elif (person := everywhere.person(snapshot, call.caller.oid)) is not None and not person.enabled:
            raise PrivilegeMissing
        id = find_user(snapshot, call)
        if everywhere.person(snapshot, id) is None:
            raise NoSuchObject(id)
        return id
    id = ids.directory_id(call.keys["object"])
    access.require_account(snapshot, call.caller)
    if everywhere.person(snapshot, id) is not None:
        return id
    return access.see_group(snapshot, call.caller, id).group


def validate_properties(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """Nothing when a new group could have the names, else a refusal that says why not."""
    access.require_account(snapshot, call.caller)
    given: inputs.ValidateIn = call.body
    if (given.entity_type or "Group").lower() != "group":
        raise BadBody("entityType can be Group only.", target="entityType")
    check_names(snapshot, call, None)
    return {}


def check_names(snapshot: Snapshot, call: Call, group: str | None) -> None:
    """Raise what keeps `group`, or a new one, from having the names of the body (see `naming.check`)."""
    given: inputs.ValidateIn = call.body
    on_behalf_of = given.on_behalf_of_user_id
    if on_behalf_of is not None and ids.guid(on_behalf_of) is None:
        raise BadBody("onBehalfOfUserId must be a GUID.", target="onBehalfOfUserId")
    naming.check(
        snapshot,
        display_name=given.display_name,
        mail_nickname=given.mail_nickname,
        on_behalf_of=None if on_behalf_of is None else ids.guid(on_behalf_of),
        domain=call.domain,
        group=group,
    )


def extension_properties(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """No directory extensions: nothing can register one here."""
    access.require_account(snapshot, call.caller)
    return {"@odata.context": f"{call.road.root}/$metadata#Collection(microsoft.graph.extensionProperty)", "value": []}


def _of(call: Call, found: list[str]) -> dict[str, Any]:
    return {"@odata.context": f"{call.road.root}/$metadata#Collection(Edm.String)", "value": found}


def _guids(given: list[str], name: str, most: int) -> list[str]:
    if not 1 <= len(given) <= most:
        raise BadBody(f"The property '{name}' must hold 1 to {most} ids.", target=name)
    found: dict[str, None] = {}
    for number, text in enumerate(given):
        guid = ids.guid(text)
        if guid is None:
            raise BadBody(f"Invalid object identifier '{text[:64]}'.", target=f"{name}[{number}]")
        found[guid] = None
    return list(found)
