"""A request that found its row, and what its path names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from folkmoot.graph import ids
from folkmoot.graph.extending import folded
from folkmoot.graph.notifications import Notifications
from folkmoot.graph.road import Road
from folkmoot.model import Caller, Conversation, Extension, Place, Post, Standing
from folkmoot.odata.query import Options
from folkmoot.ops import access
from folkmoot.refusals import NoSuchObject, NotAllowed, NotFound
from folkmoot.store import everywhere, extensions, rows
from folkmoot.store.db import Snapshot


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request that found its row.

    `keys` are the ids on the wire by noun ("group", "conversation", "thread", "post", "attachment", "extension",
    "user", "object", "subscription"); `hops` counts the inReplyTo steps after the post; `body` is what the row's
    `prepare` made of the request body; `headers` are those of the request, names in lower case; `prefer` is what its
    Prefer header asks for (see `odata.prefer`); `largest_attachment` is how many bytes one may have; `lacking` is the
    refusal for a permission that the token lacks, where a grant in the group has made up for it, or may where the row
    judges that by itself;
    `notifications` words what subscribers are sent; `rest` is that of the answer that the transaction before gave.
    """

    caller: Caller
    keys: Mapping[str, str]
    road: Road
    options: Options
    body: Any = None
    hops: int = 0
    domain: str = ""
    largest_attachment: int = 0
    headers: Mapping[bytes, bytes] = msgspec.field(default_factory=dict)
    prefer: Mapping[str, str] = msgspec.field(default_factory=dict)
    lacking: NotAllowed | None = None
    notifications: Notifications | None = None
    rest: Any = None


def missing(caller: Caller, enough: frozenset[str], grants: frozenset[str]) -> str:
    """What would have been enough, in words."""
    if not enough and not grants:
        return "No permission lets an application do this; a signed-in person can."
    kind = "application permissions (roles)" if caller.kind == "app" else "delegated permissions (scopes)"
    text = f"The access token needs one of the {kind} {', '.join(sorted(enough))}"
    if grants:
        text += f"; or the application needs the grant {' or '.join(sorted(grants))} in this group"
    return f"{text}."


def find_group(snapshot: Snapshot, call: Call) -> Standing:
    """The group of the path, for work on its content."""
    return access.enter(snapshot, call.caller, ids.directory_id(call.keys["group"]))


def find_conversation(snapshot: Snapshot, call: Call, group: str) -> Conversation:
    """The conversation of the path. Raises `NotFound`."""
    found = rows.conversation(snapshot, group, ids.read_conversation_id(call.keys["conversation"], group))
    if found is None:
        raise NotFound
    return found


def find_thread(snapshot: Snapshot, call: Call) -> Place:
    """The thread of the path, for a caller who may read there.

    Raises `NotFound`, also when the path names another conversation than the thread's.
    """
    path = thread_path(call)
    place = access.enter_thread(snapshot, call.caller, path["g"], path["t"])
    if path.get("c", place.conversation.id) != place.conversation.id:
        raise NotFound
    return place


def thread_path(call: Call) -> dict[str, str]:
    """The GUIDs by which the path names a thread: "g", "t", and "c" where it names the conversation as well.

    Raises what is wrong with an id.
    """
    group = ids.directory_id(call.keys["group"])
    under = call.keys.get("conversation")
    above = {} if under is None else {"c": ids.read_conversation_id(under, group)}
    return {"g": group, **above, "t": ids.read_thread_id(call.keys["thread"], group)}


def find_post(snapshot: Snapshot, call: Call) -> tuple[Place, Post]:
    """The post of the path with its thread. Raises as `find_thread` and `find_post_of`."""
    place = find_thread(snapshot, call)
    return place, find_post_of(snapshot, call, place.standing.group, place.thread.id)


def find_post_of(snapshot: Snapshot, call: Call, group: str, thread: str) -> Post:
    """The post of the path, after following inReplyTo as often as the path says. Raises `NotFound`."""
    found = rows.post(snapshot, group, ids.read_post_id(call.keys["post"], group))
    if found is None or found.thread != thread:
        raise NotFound
    for _ in range(call.hops):
        found = rows.post(snapshot, group, found.in_reply_to) if found.in_reply_to else None
        if found is None:
            raise NotFound
    return found


def find_extension(snapshot: Snapshot, call: Call) -> tuple[Place, Post, Extension]:
    """The extension of the path, named bare or by an id with either official prefix, with its post. Or `NotFound`."""
    place, post = find_post(snapshot, call)
    found = extensions.extension(snapshot, place.standing.group, post.id, folded(call.keys["extension"]))
    if found is None:
        raise NotFound
    return place, post, found


def find_user(snapshot: Snapshot, call: Call) -> str:
    """The id of the user of the path, who may be named by id or by user principal name."""
    key = call.keys.get("user")
    if key is None:
        return call.caller.oid
    guid = ids.guid(key)
    person = everywhere.person(snapshot, guid) if guid else everywhere.person_by_address(snapshot, key)
    if person is None:
        raise NoSuchObject(key)
    return person.id
