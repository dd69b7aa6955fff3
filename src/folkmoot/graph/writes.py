"""What each writing row of the surface does: find what the path names, hand it to the verb, and say what is answered.

Each function takes the transaction and the call; the verbs in `ops` decide and do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import msgspec

from folkmoot.graph import body as bodies
from folkmoot.graph import ids, inputs
from folkmoot.graph.call import Call, find_conversation, find_group, find_post, find_thread, find_user
from folkmoot.graph.envelope import Answer
from folkmoot.graph.feeds import FEEDS
from folkmoot.graph.read import single
from folkmoot.graph.returned import added, begun, wanted
from folkmoot.model import GroupDraft, Standing, ThreadAmendment, UserDraft
from folkmoot.odata.query import Options
from folkmoot.ops import access, conversations, deleted, directory, posts, threads
from folkmoot.refusals import BadBody, Conflict, NoSuchObject
from folkmoot.store import everywhere
from folkmoot.store.db import Snapshot, Tx

Of = TypeVar("Of", bound=str)

# ── conversations, threads, posts ────────────────────────────────────────────────────────────────────────────────────


def start_conversation(tx: Tx, call: Call) -> Answer:
    """201 with the new ids, in the shape of the published example."""
    standing = find_group(tx, call)
    topic, draft = call.body
    id = conversations.start(tx, standing, topic, draft)
    key, road = ids.conversation_id(standing.group, id), call.road
    plain = {
        "@odata.context": f"{road.root}/$metadata#{road.context}/$entity",
        "id": key,
        "threads@odata.context": f"{road.root}/$metadata#{road.down(key, 'threads').context}",
        "threads": [{"id": ids.thread_id(standing.group, id, id)}],
    }
    return begun(tx, call, standing.group, "conversation", {"c": id}, key, Answer(201, plain))


def delete_conversation(tx: Tx, call: Call) -> Answer:
    """204."""
    standing = find_group(tx, call)
    access.read_content(standing)
    done = conversations.remove(tx, standing, find_conversation(tx, call, standing.group))
    return Answer(204, rest=not done)


def start_thread(tx: Tx, call: Call) -> Answer:
    """201 with the new thread; in an existing conversation with its id alone, as the page shows it."""
    standing = find_group(tx, call)
    draft = call.body
    if "conversation" in call.keys:
        access.read_content(standing)
        conversation = find_conversation(tx, call, standing.group)
        id = threads.start(tx, standing, conversation, draft)
        key = ids.thread_id(standing.group, conversation.id, id)
        plain = {"@odata.context": f"{call.road.root}/$metadata#{call.road.context}/$entity", "id": key}
        return begun(tx, call, standing.group, "thread", {"t": id}, key, Answer(201, plain))
    id = conversations.start(tx, standing, draft.topic or "", draft)
    key = ids.thread_id(standing.group, id, id)
    whole = Answer(201, sent(tx, call, "thread", {"g": standing.group, "t": id}))
    return begun(tx, call, standing.group, "thread", {"t": id}, key, whole)


def amend_thread(tx: Tx, call: Call) -> Answer:
    """200 with the thread: of the three answers that the pages give, the one that every client takes."""
    place = find_thread(tx, call)
    rest = threads.amend(tx, place, call.body, call.rest)
    if rest is not None:
        return Answer(200, rest=rest)
    if wanted(call) == "minimal":
        return Answer(204, headers=(("Preference-Applied", "return=minimal"),))
    return Answer(200, sent(tx, call, "thread", {"g": place.standing.group, "t": place.thread.id}))


def delete_thread(tx: Tx, call: Call) -> Answer:
    """204."""
    done = threads.remove(tx, find_thread(tx, call))
    return Answer(204, rest=not done)


def reply_to_thread(tx: Tx, call: Call) -> Answer:
    """202 without a body; strict applications find the new post by listing, extended ones may ask for it."""
    place = find_thread(tx, call)
    return added(tx, call, place, posts.reply(tx, place, call.body), plain=Answer(202))


def reply_to_post(tx: Tx, call: Call) -> Answer:
    """202 without a body, as `reply_to_thread`."""
    place, post = find_post(tx, call)
    return added(tx, call, place, posts.reply(tx, place, call.body, to=post), plain=Answer(202))


def forward_post(tx: Tx, call: Call) -> Answer:
    """200 without a body, unlike reply."""
    place, post = find_post(tx, call)
    comment, to = call.body
    posts.forward(tx, place.standing, post, comment, to)
    return Answer(200)


# Left aside in an update, as what is read-only is.
_ONLY_AT_CREATION = (
    *("mail_enabled", "security_enabled", "group_types", "is_assignable_to_role"),
    *("resource_behavior_options", "owners"),
)
# Relationships that one request may make (Graph: group-post-groups, group-update).
MAX_BOUND = 20

# ── the directory ────────────────────────────────────────────────────────────────────────────────────────────────────


def create_group(tx: Tx, call: Call) -> Answer:
    """201 with the group. Guests see what they were invited to and make nothing of their own."""
    return _create(tx, call, call.body, None)


def _create_named(tx: Tx, call: Call) -> Answer:
    """The group that an upsert makes; it must bring along what a new group needs."""
    name = call.keys["uniqueName"]
    there = everywhere.by_unique_name(tx, name)
    if there is not None and not there[1]:
        # Another upsert was faster.
        try:
            return update_group(tx, msgspec.structs.replace(call, keys={**call.keys, "group": there[0]}))
        except NoSuchObject as refusal:
            raise (NoSuchObject(name) if refusal.id == there[0] else refusal) from None
    if there is not None:
        # The group was deleted and could come back.
        raise Conflict(
            "Another object with the same value for property uniqueName already exists.", target="uniqueName"
        )
    given = {
        field.encode_name: value
        for field in msgspec.structs.fields(call.body)
        if (value := getattr(call.body, field.name)) is not msgspec.UNSET and field.name != "unique_name"
    }
    if call.body.unique_name not in (msgspec.UNSET, name):
        raise BadBody("uniqueName must be the one in the URL.", target="uniqueName")
    try:
        made = msgspec.convert(given, inputs.GroupIn)
    except msgspec.ValidationError as error:
        raise BadBody(f"A new group cannot be made of this: {error}.") from None
    return _create(tx, call, made, name)


def _create(tx: Tx, call: Call, given: inputs.GroupIn, unique_name: str | None) -> Answer:
    access.require_account(tx, call.caller, guests=False)
    bound = {
        name: tuple(resolve(tx, uri, f"{name}@odata.bind") for uri in getattr(given, name) or ())
        for name in ("owners", "members")
    }
    if sum(map(len, bound.values())) > MAX_BOUND:
        raise BadBody(f"At most {MAX_BOUND} relationships can be given at creation.", target="members@odata.bind")
    values = {f: getattr(given, f) for f in given.__struct_fields__ if getattr(given, f) is not None}
    draft = msgspec.convert({**values, **bound, "unique_name": unique_name}, GroupDraft)
    id = directory.create_group(tx, call.caller, draft, call.domain)
    return Answer(201, sent(tx, call, "group", {"g": id, "me": call.caller.oid}))


def update_group(tx: Tx, call: Call) -> Answer:
    """204; 201 with a new group where the path names one by a unique name that none has, and Prefer asks for it."""
    if "group" not in call.keys:
        return _create_named(tx, call)
    standing = seen_group(tx, call)
    changes = {k: v for k, v in msgspec.structs.asdict(call.body).items() if v is not msgspec.UNSET}
    members = changes.pop("members", ())
    for only_at_creation in _ONLY_AT_CREATION:
        changes.pop(only_at_creation, None)
    if len(members) > MAX_BOUND:
        raise BadBody(f"At most {MAX_BOUND} members can be added at once.", target="members@odata.bind")
    # Immutable, so it is not among what can be changed; the same value is no change.
    if (name := changes.pop("unique_name", None)) is not None:
        named = everywhere.by_unique_name(tx, name)
        if named is None or named[0] != standing.group:
            raise BadBody("uniqueName cannot be changed.", target="uniqueName")
    if changes.get("visibility") == "HiddenMembership" != standing.visibility:
        raise BadBody("visibility can be HiddenMembership only from the creation on.", target="visibility")
    directory.update_group(tx, standing, changes, call.domain)
    for uri in members:
        directory.add_to_group(tx, seen_group(tx, call), "member", resolve(tx, uri, "members@odata.bind"))
    return Answer(204)


def delete_group(tx: Tx, call: Call) -> Answer:
    """204."""
    deleted.delete_group(tx, seen_group(tx, call))
    return Answer(204)


def restore(tx: Tx, call: Call) -> Answer:
    """200 with the object, which is there again."""
    id = ids.directory_id(call.keys.get("object") or call.keys["group"])
    if "group" in call.keys and deleted.kind_of(tx, call.caller, id) != "group":
        raise NoSuchObject(id)
    kind = deleted.restore(tx, call.caller, id)
    sent = single(
        tx,
        FEEDS[f"transitiveMembers.{kind}"],
        Options(),
        {"ids": f'["{id}"]', "me": call.caller.oid},
        call.road,
        call.caller,
    )
    return Answer(200, sent)


def erase(tx: Tx, call: Call) -> Answer:
    """204: a deleted object is gone for good."""
    deleted.erase(tx, call.caller, ids.directory_id(call.keys["object"]))
    return Answer(204)


def delete_object(tx: Tx, call: Call) -> Answer:
    """204: whatever it is, as its own collection would delete it."""
    id = ids.directory_id(call.keys["object"])
    if everywhere.person(tx, id) is not None:
        directory.require_admin(tx, call.caller)
        deleted.delete_user(tx, call.caller, id)
    else:
        deleted.delete_group(tx, access.see_group(tx, call.caller, id))
    return Answer(204)


def add_reference(role: str) -> Callable[[Tx, Call], Answer]:
    """`POST …/members/$ref` and `…/owners/$ref`: 204."""
    return adding(directory.add_to_group, role)


def remove_reference(role: str) -> Callable[[Tx, Call], Answer]:
    """`DELETE …/members/{id}/$ref`, `…/members/$ref?@id={uri}` and `?$id={uri}`: 204."""
    return removing(directory.remove_from_group, role)


def adding(add: Callable[[Tx, Standing, Of, str], object], of: Of) -> Callable[[Tx, Call], Answer]:
    """A POST of a reference to an object, which `add` makes one `of` the group's: 204."""

    def add_one(tx: Tx, call: Call) -> Answer:
        add(tx, seen_group(tx, call), of, resolve(tx, call.body.id, "@odata.id"))
        return Answer(204)

    return add_one


def removing(remove: Callable[[Tx, Standing, Of, str], object], of: Of) -> Callable[[Tx, Call], Answer]:
    """A DELETE of such a reference: 204."""

    def remove_one(tx: Tx, call: Call) -> Answer:
        remove(tx, seen_group(tx, call), of, named_reference(tx, call))
        return Answer(204)

    return remove_one


def named_reference(snapshot: Snapshot, call: Call) -> str:
    """The id of the object that a DELETE of a reference names, in its path or in its query."""
    key = call.keys.get("object")
    if key is not None:
        return ids.directory_id(key)
    given = [value for name, value in call.options.others if name.lower() in ("@id", "$id", "@odata.id")]
    if len(given) != 1:
        raise BadBody("Name the reference to remove, as in $ref?@id={its URL}.", target="@id")
    return resolve(snapshot, given[0], "@id")


def create_user(tx: Tx, call: Call) -> Answer:
    """201 with the user."""
    directory.require_admin(tx, call.caller)
    given, password_hash = call.body
    values = {f: getattr(given, f) for f in given.__struct_fields__ if getattr(given, f) is not None}
    values.pop("password_profile")
    draft = msgspec.convert({**values, "password_hash": password_hash}, UserDraft)
    id = directory.create_user(tx, draft)
    return Answer(201, sent(tx, call, "user", {"o": id}))


def update_user(tx: Tx, call: Call) -> Answer:
    """204. People may change what is about themselves alone; the rest is the administrator's."""
    access.require_account(tx, call.caller)
    id = find_user(tx, call)
    given, password_hash = call.body
    changes = {k: v for k, v in msgspec.structs.asdict(given).items() if v is not msgspec.UNSET}
    changes.pop("password_profile", None)
    if password_hash is not None:
        changes["password_hash"] = password_hash
    if id != call.caller.oid or not set(changes) <= _ONES_OWN:
        directory.require_admin(tx, call.caller)
    for name in ("business_phones", "other_mails"):
        if name in changes:
            changes[name] = msgspec.json.encode(changes[name]).decode()
    if changes.get("user_type", "Member") is None:
        raise BadBody("userType cannot be null.", target="userType")
    directory.update_user(tx, id, changes)
    return Answer(204)


_ONES_OWN = {"mobile_phone", "business_phones", "office_location", "preferred_language", "other_mails"}


def delete_user(tx: Tx, call: Call) -> Answer:
    """204."""
    directory.require_admin(tx, call.caller)
    deleted.delete_user(tx, call.caller, find_user(tx, call))
    return Answer(204)


_REFERENCE = re.compile(
    r"(?:.*/)?(?:users|directoryobjects|groups)(?:/|\('?)(?P<key>[^/')?\x00]+)'?\)?/?", re.IGNORECASE
)


def resolve(snapshot: Snapshot, uri: str, path: str) -> str:
    """The id of the directory object that a reference names.

    The host is not looked at: clients write the cloud's or this server's (`https://graph.microsoft.com/v1.0/users/…`).
    Raises `BadBody` for what is no reference, `NoSuchObject` for one to nothing.
    """
    try:
        found = _REFERENCE.fullmatch(unquote(urlsplit(uri).path))
    except ValueError:
        found = None
    if found is None:
        raise BadBody(f"'{uri[:200]}' is not the URL of a user or directory object.", target=path)
    key = found["key"]
    guid = ids.guid(key)
    if guid is not None:
        return guid
    person = everywhere.person_by_address(snapshot, key)
    if person is None:
        raise NoSuchObject(key)
    return person.id


def seen_group(tx: Tx, call: Call) -> Standing:
    """The group of the path as an object of the directory."""
    return access.see_group(tx, call.caller, ids.directory_id(call.keys["group"]))


def sent(tx: Tx, call: Call, feed: str, scope: dict[str, Any]) -> Any:
    """The item as a GET would send it."""
    found = single(tx, FEEDS[feed], Options(), scope, call.road, call.caller)
    return {} if found is None else found


def thread_amendment(given: inputs.ThreadPatchIn) -> ThreadAmendment:
    """A PATCH of a thread as the verb takes it."""
    return ThreadAmendment(topic=bodies.topic(given.topic), is_locked=given.is_locked)
