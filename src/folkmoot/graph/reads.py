"""What each reading row of the surface needs: the feed, and the function that finds the feed's parameters.

A scope function checks on the way that the caller may read there and that what the path names exists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from folkmoot.graph import ids
from folkmoot.graph.call import Call, find_conversation, find_group, find_post_of, find_user, thread_path
from folkmoot.graph.envelope import Answer
from folkmoot.graph.extending import folded
from folkmoot.graph.feeds import FEEDS
from folkmoot.graph.read import count, expect, is_quick, page, single
from folkmoot.ops import access, deleted
from folkmoot.refusals import BadClause, NoSuchObject, NotFound, PrivilegeMissing, Refusal
from folkmoot.store import everywhere, rows
from folkmoot.store.db import Snapshot
from folkmoot.store.directory_log import Kind

Scope = Callable[[Snapshot, Call], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Read:
    """A read of `feed`, within what `scope` finds."""

    feed: str
    scope: Scope

    def __call__(self, snapshot: Snapshot, call: Call) -> Answer:
        """The answer, 200 unless it is refused."""
        raise NotImplementedError

    def quick(self, call: Call) -> bool:
        """Whether it costs a few indexed rows and nothing more."""
        return is_quick(FEEDS[self.feed], call.options, self.size(call))

    def size(self, call: Call) -> int:
        """How many items it shows at most."""
        return 1

    def expect(self, snapshot: Snapshot, call: Call) -> None:
        """Have rows read with what decides whether they may be, where the path says which.

        What is wrong with the request is said in its turn. Nobody hears of what was read when it may not be, nor of how
        long that took: refused is refused in one message.
        """
        if not snapshot.expects or self.scope not in _IN_PATH:
            return
        feed, options, size = FEEDS[self.feed], call.options, self.size(call)
        try:
            expect(snapshot, feed, options, _IN_PATH[self.scope](snapshot, call), call.caller, size)
        except Refusal:
            return


class Page(Read):
    """A page of a collection."""

    def size(self, call: Call) -> int:
        return call.options.top or FEEDS[self.feed].page

    def __call__(self, snapshot: Snapshot, call: Call) -> Answer:
        self.expect(snapshot, call)
        scope = self.scope(snapshot, call)
        return Answer(200, page(snapshot, FEEDS[self.feed], call.options, scope, call.road, call.caller))


class PostPage(Page):
    """A page of a thread's posts. Where it shows any, the thread is there: that is not asked for by itself where it is
    known already who the caller is."""

    def __call__(self, snapshot: Snapshot, call: Call) -> Answer:
        path = thread_path(call)
        if "c" in path or not rows.knows_standing(snapshot, call.caller, path["g"]):
            return Page.__call__(self, snapshot, call)
        access.read_content(access.enter(snapshot, call.caller, path["g"]))
        try:
            sent = page(snapshot, FEEDS[self.feed], call.options, path, call.road, call.caller)
        except Refusal:
            in_thread(snapshot, call)  # which is said first
            raise
        if not sent["value"]:
            in_thread(snapshot, call)
        return Answer(200, sent)


class Count(Read):
    """`/$count`: a bare number as text."""

    def __call__(self, snapshot: Snapshot, call: Call) -> Answer:
        scope = self.scope(snapshot, call)
        return Answer(200, str(count(snapshot, FEEDS[self.feed], call.options, scope, call.caller)))

    def quick(self, call: Call) -> bool:
        return False


class One(Read):
    """A single item."""

    def __call__(self, snapshot: Snapshot, call: Call) -> Answer:
        feed = FEEDS[self.feed]
        self.expect(snapshot, call)
        found = single(snapshot, feed, call.options, self.scope(snapshot, call), call.road, call.caller)
        if found is None:
            if not feed.directory:
                raise NotFound
            # /me has no key: a token may outlive its person.
            raise NoSuchObject(call.keys.get("user") or call.keys.get("group") or call.caller.oid)
        return Answer(200, found)


class Item(Read):
    """One item of a relationship, which may be of the collection's type or not there."""

    def __call__(self, snapshot: Snapshot, call: Call) -> Answer:
        key = call.keys["object"]
        name = self.feed if self.feed == "nothing" else f"{self.feed}.one"
        scope = {**self.scope(snapshot, call), "x": ids.directory_id(key)}
        found = single(snapshot, FEEDS[name], call.options, scope, call.road, call.caller)
        if found is None:
            raise NoSuchObject(key)
        return Answer(200, found)

    def quick(self, call: Call) -> bool:
        return False


class Anything(Item):
    """One object of the directory, whatever it is."""

    def __call__(self, snapshot: Snapshot, call: Call) -> Answer:
        access.require_account(snapshot, call.caller)
        return Item.__call__(self, snapshot, call)


class Deleted(Read):
    """One deleted object, whatever it is."""

    def __call__(self, snapshot: Snapshot, call: Call) -> Answer:
        scope = self.scope(snapshot, call)
        found = single(snapshot, FEEDS[scope.pop("feed")], call.options, scope, call.road, call.caller)
        if found is None:
            raise NoSuchObject(call.keys["object"])
        return Answer(200, found)

    def quick(self, call: Call) -> bool:
        return False


class References(Page):
    """`/$ref`: a page of where the items are instead of what they are."""

    def __call__(self, snapshot: Snapshot, call: Call) -> Answer:
        for name in ("select", "expand"):
            if getattr(call.options, name):
                raise BadClause(f"${name} does not apply to references.", target=f"${name}")
        texts = (*call.options.texts, ("$select", "id"))
        options = msgspec.structs.replace(call.options, select=("id",), texts=texts)
        sent = page(snapshot, FEEDS[self.feed], options, self.scope(snapshot, call), call.road, call.caller)
        root, here = call.road.root, f"{call.road.root}/{call.road.path}"
        sent["@odata.context"] = f"{root}/$metadata#Collection($ref)"
        sent["value"] = [{"@odata.id": f"{root}/directoryObjects/{item['id']}"} for item in sent["value"]]
        if "@odata.nextLink" in sent:
            tail = sent["@odata.nextLink"].removeprefix(here).replace("&$select=id", "").replace("$select=id&", "")
            sent["@odata.nextLink"] = f"{here}/$ref{tail}"
        return Answer(200, sent)


def _readable(snapshot: Snapshot, call: Call) -> str:
    standing = find_group(snapshot, call)
    access.read_content(standing)
    return standing.group


def in_group(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """The content of the group of the path."""
    return {"g": _readable(snapshot, call)}


def in_conversation(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """What is in the conversation of the path."""
    group = _readable(snapshot, call)
    return {"g": group, "c": find_conversation(snapshot, call, group).id}


def in_thread(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """What is in the thread of the path."""
    path = thread_path(call)
    conversation = access.read_thread(snapshot, call.caller, path["g"], path["t"])
    if path.pop("c", conversation) != conversation:
        raise NotFound
    return path


def one_conversation(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """The conversation of the path."""
    group = _readable(snapshot, call)
    return {"g": group, "c": ids.read_conversation_id(call.keys["conversation"], group)}


def one_thread(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """The thread of the path."""
    return in_thread(snapshot, call)


def one_post(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """The post of the path, or the one that it answers."""
    path = in_thread(snapshot, call)
    return {"g": path["g"], "p": find_post_of(snapshot, call, path["g"], path["t"]).id}


def in_post(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """What hangs on the post of the path."""
    return one_post(snapshot, call)


def one_extension(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """The extension of the path."""
    return {**one_post(snapshot, call), "e": folded(call.keys["extension"])}


def one_attachment(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """The attachment of the path."""
    scope = one_post(snapshot, call)
    return {**scope, "a": ids.read_attachment_id(call.keys["attachment"], scope["g"])}


def _group_path(_: Snapshot, call: Call) -> dict[str, Any]:
    return {"g": ids.directory_id(call.keys["group"])}


def _conversation_path(_: Snapshot, call: Call) -> dict[str, Any]:
    group = ids.directory_id(call.keys["group"])
    return {"g": group, "c": ids.read_conversation_id(call.keys["conversation"], group)}


def _in_conversation_path(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    path = _conversation_path(snapshot, call)
    rows.expect_conversation(snapshot, path["g"], path["c"])
    return path


def _thread_path(_: Snapshot, call: Call) -> dict[str, Any]:
    path = thread_path(call)
    return {"g": path["g"], "t": path["t"]}


def _post_path(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    if call.hops:
        raise NotFound  # only the post itself says which one it answers
    group = ids.directory_id(call.keys["group"])
    path = {"g": group, "p": ids.read_post_id(call.keys["post"], group)}
    rows.expect_post(snapshot, group, path["p"])
    return path


def _extension_path(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    return {**_post_path(snapshot, call), "e": folded(call.keys["extension"])}


def _attachment_path(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    path = _post_path(snapshot, call)
    return {**path, "a": ids.read_attachment_id(call.keys["attachment"], path["g"])}


# Scopes whose parameters the path names, once the caller may read there. Each raises what is wrong with an id, and says
# what the scope itself will ask besides.
_IN_PATH: Mapping[Scope, Scope] = {
    in_group: _group_path,
    in_conversation: _in_conversation_path,
    one_conversation: _conversation_path,
    in_thread: _thread_path,
    one_thread: _thread_path,
    one_post: _post_path,
    in_post: _post_path,
    one_extension: _extension_path,
    one_attachment: _attachment_path,
}


def as_caller(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """What the caller may see."""
    return {"me": call.caller.oid}


def one_group(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """The group of the path, as an object of the directory."""
    return {"g": ids.directory_id(call.keys["group"]), "me": call.caller.oid}


def _seen(snapshot: Snapshot, call: Call) -> str:
    return access.see_group(snapshot, call.caller, ids.directory_id(call.keys["group"])).group


def in_seen_group(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """Who is in the group of the path."""
    return {"g": _seen(snapshot, call), "me": call.caller.oid}


def below_group(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """Who is in the group of the path, directly or through groups that the caller may see."""

    found = everywhere.members_below(snapshot, _seen(snapshot, call), _seeing(snapshot, call))
    return {"ids": _array(found), "me": call.caller.oid}


def _seeing(snapshot: Snapshot, call: Call) -> Callable[[str], bool]:
    return partial(access.sees_group, snapshot, call.caller)


def groups_above(snapshot: Snapshot, call: Call, object_id: str) -> list[str]:
    """Groups that an object is in, directly or through groups that the caller may see.

    Through others would tell that there are such, and who is in them.
    """
    return everywhere.groups_above(snapshot, object_id, _seeing(snapshot, call))


def of_group(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """Groups that the group of the path is in."""
    return {"o": _seen(snapshot, call), "me": call.caller.oid}


def above_group(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """Groups that the group of the path is in, directly or through groups that the caller may see."""
    return {"ids": _array(groups_above(snapshot, call, _seen(snapshot, call))), "me": call.caller.oid}


def all_users(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """The people, for one of them."""
    access.require_account(snapshot, call.caller)
    return {"me": call.caller.oid}


def one_user(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """The user of the path, for one of the people. Who is not in the directory is not found at /me."""
    if "user" in call.keys:
        access.require_account(snapshot, call.caller)
    elif (person := everywhere.person(snapshot, call.caller.oid)) is not None and not person.enabled:
        raise PrivilegeMissing
    return {"o": find_user(snapshot, call), "me": call.caller.oid}


def of_user(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """Groups in which the user of the path has a role."""
    return one_user(snapshot, call)


def above_user(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """Groups that the user of the path is in, directly or through groups that the caller may see."""
    scope = one_user(snapshot, call)
    return {"ids": _array(groups_above(snapshot, call, scope["o"])), "me": scope["me"]}


def any_object(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """The one object of the path, as far as the caller may see it."""
    return {"ids": _array([ids.directory_id(call.keys["object"])]), "me": call.caller.oid}


def all_deleted(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """What was deleted and the caller may restore."""
    return {"me": call.caller.oid, "oldest": deleted.oldest(snapshot)}


def deleted_object(snapshot: Snapshot, call: Call) -> dict[str, Any]:
    """The deleted object of the path and its feed."""
    id = ids.directory_id(call.keys["object"])
    kind = deleted.kind_of(snapshot, call.caller, id)
    return {"feed": f"deleted.{kind}.one", "x": id, "me": call.caller.oid, "oldest": deleted.oldest(snapshot)}


def deleted_kind(snapshot: Snapshot, call: Call) -> Kind:
    """What the deleted object of the path is."""
    return deleted.kind_of(snapshot, call.caller, ids.directory_id(call.keys["object"]))


def present_kind(snapshot: Snapshot, call: Call) -> Kind:
    """What the object of the path is, as far as the caller may see it."""
    id = ids.directory_id(call.keys["object"])
    access.require_account(snapshot, call.caller)
    if everywhere.person(snapshot, id) is not None:
        return "user"
    access.see_group(snapshot, call.caller, id)
    return "group"


def _array(ids: list[str]) -> str:
    return msgspec.json.encode(ids).decode()
