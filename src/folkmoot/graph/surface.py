"""The whole HTTP surface of the Graph door: one row for each operation on each noun.

An address names a noun and what is done with it, whichever road leads there: `thread/reply` is both
`/groups/{g}/threads/{t}/reply` and `/groups/{g}/conversations/{c}/threads/{t}/reply`. Permissions are those of the
published reference, least first; `application` holds for strict applications, `extended` for extended ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from folkmoot.auth.secrets import hash_password
from folkmoot.graph import body, inputs, reads, senders, writes
from folkmoot.graph.call import Call
from folkmoot.graph.envelope import Answer, Area
from folkmoot.ops.senders import Verdict
from folkmoot.refusals import BadBody
from folkmoot.store.db import Tx

Permissions = frozenset[str]

# Group conversations (families A–B of the published surface).
_R = frozenset(
    ("Group-Conversation.Read.All", "Group-Conversation.ReadWrite.All", "Group.Read.All", "Group.ReadWrite.All")
)
_W = frozenset(("Group-Conversation.ReadWrite.All", "Group.ReadWrite.All"))
# Groups and users (families G–J).
_GROUPS = frozenset(
    (
        *("GroupMember.Read.All", "GroupMember.ReadWrite.All", "Group.Read.All", "Group.ReadWrite.All"),
        *("Directory.Read.All", "Directory.ReadWrite.All"),
    )
)
_GROUPS_R = frozenset(("Group.Read.All", "Group.ReadWrite.All"))
_GROUPS_W = frozenset(("Group.ReadWrite.All", "Directory.ReadWrite.All"))
_MEMBERS_W = _GROUPS_W | {"GroupMember.ReadWrite.All"}
_USERS = frozenset(
    ("User.ReadBasic.All", "User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
)
_USERS_W = frozenset(("User.ReadWrite.All", "Directory.ReadWrite.All"))
_SELF = frozenset(("User.Read", "User.ReadWrite"))
_NONE: Permissions = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One operation. Exactly one of `read` and `write` is set.

    `own` are delegated permissions that suffice where the path names the caller. A write takes a body of the type
    `takes`, which `prepare` turns into what the verb works on, outside the transaction; `slow` says that this takes
    long enough to leave the event loop. `only_extended`: strict applications meet a method that is not allowed, as the
    cloud has none there.
    """

    method: str
    address: str
    area: Area
    delegated: Permissions
    application: Permissions
    extended: Permissions
    own: Permissions = _NONE
    read: reads.Read | None = None
    write: Callable[[Tx, Call], Answer] | None = None
    takes: type[msgspec.Struct] | None = None
    prepare: Callable[[Any], Any] | None = None
    slow: bool = False
    only_extended: bool = False


def _get(address: str, read: reads.Read, delegated: Permissions, area: Area = "mail", own: Permissions = _NONE) -> Row:
    return Row(
        method="GET",
        address=address,
        area=area,
        read=read,
        delegated=delegated,
        application=delegated,
        extended=delegated,
        own=own,
    )


def _do(
    method: str,
    address: str,
    write: Callable[[Tx, Call], Answer],
    delegated: Permissions,
    application: Permissions | None = None,
    *,
    area: Area = "mail",
    takes: type[msgspec.Struct] | None = None,
    prepare: Callable[[Any], Any] | None = None,
    own: Permissions = _NONE,
    slow: bool = False,
    only_extended: bool = False,
) -> Row:
    return Row(
        method=method,
        address=address,
        area=area,
        write=write,
        takes=takes,
        prepare=prepare,
        slow=slow,
        only_extended=only_extended,
        delegated=delegated,
        application=delegated if application is None else application,
        extended=delegated,
        own=own,
    )


def _reply(given: inputs.ReplyIn) -> Any:
    return body.post_draft(given.post, "post")


def _forward(given: inputs.ForwardIn) -> Any:
    if not given.to_recipients:
        raise BadBody("The property 'toRecipients' must name at least one recipient.", target="toRecipients")
    return given.comment or "", body.recipients(given.to_recipients, "toRecipients")


def _user(given: inputs.UserIn) -> Any:
    password = given.password_profile.password
    if not password:
        raise BadBody("The property 'passwordProfile.password' is required.", target="passwordProfile.password")
    return given, hash_password(password)


def _user_patch(given: inputs.UserPatchIn) -> Any:
    profile = given.password_profile
    password = profile.password if isinstance(profile, inputs.PasswordIn) else None
    return given, hash_password(password) if password else None


def _collection(address: str, feed: str, scope: reads.Scope, *more: Any, **named: Any) -> tuple[Row, Row]:
    """A collection and its `/$count`."""
    return (
        _get(address, reads.Page(feed, scope), *more, **named),
        _get(f"{address}/$count", reads.Count(feed, scope), *more, **named),
    )


_DIR: Mapping[str, Any] = {"area": "directory"}


def _of_senders(verdict: Verdict) -> tuple[Row, ...]:
    """A list of senders, which in the cloud is for signed-in people only."""
    at = f"group/{verdict}Senders"
    write = frozenset(("Group.ReadWrite.All",))
    rows = (
        *_collection(at, f"{verdict}Senders", reads.in_seen_group, _GROUPS_R, **_DIR),
        _get(f"{at}/$ref", senders.References(f"{verdict}Senders", reads.in_seen_group), _GROUPS_R, **_DIR),
        _do("POST", f"{at}/$ref", senders.add(verdict), write, takes=inputs.ReferenceIn, **_DIR),
        _do("DELETE", f"{at}/$ref", senders.remove(verdict), write, **_DIR),
        _do("DELETE", f"{at}/object/$ref", senders.remove(verdict), write, **_DIR),
    )
    return tuple(replace(row, application=_NONE) for row in rows)


def _of_people(action: str, **said: bool) -> tuple[Row]:
    """An action that is about the signed-in person: an application, strict or extended, is none."""
    row = _do("POST", f"group/{action}", senders.prefer(**said), frozenset(("Group.ReadWrite.All",)), _NONE)
    return (replace(row, extended=_NONE),)


SURFACE: tuple[Row, ...] = (
    # ── conversations ────────────────────────────────────────────────────────────────────────────────────────────────
    *_collection("group/conversations", "conversations", reads.in_group, _R),
    # App-only may neither start a conversation or thread nor reply to a thread, but may reply to a post: so published.
    _do("POST", "group/conversations", writes.start_conversation, _W, _NONE,
        takes=inputs.ConversationIn, prepare=body.conversation_draft),
    _get("conversation", reads.One("conversation", reads.one_conversation), _R),
    _do("DELETE", "conversation", writes.delete_conversation, _W),
    # ── threads ──────────────────────────────────────────────────────────────────────────────────────────────────────
    *_collection("conversation/threads", "conversation.threads", reads.in_conversation, _R),
    _do("POST", "conversation/threads", writes.start_thread, _W, _NONE,
        takes=inputs.ThreadIn, prepare=body.thread_draft),
    *_collection("group/threads", "threads", reads.in_group, _R),
    _do("POST", "group/threads", writes.start_thread, _W, _NONE, takes=inputs.ThreadIn, prepare=body.thread_draft),
    _get("thread", reads.One("thread", reads.one_thread), _R),
    _do("PATCH", "thread", writes.amend_thread, _W, takes=inputs.ThreadPatchIn, prepare=writes.thread_amendment),
    _do("DELETE", "thread", writes.delete_thread, _W),
    _do("POST", "thread/reply", writes.reply_to_thread, _W, _NONE, takes=inputs.ReplyIn, prepare=_reply),
    # ── posts ────────────────────────────────────────────────────────────────────────────────────────────────────────
    *_collection("thread/posts", "posts", reads.in_thread, _R),
    _get("post", reads.One("post", reads.one_post), _R),
    _do("POST", "post/reply", writes.reply_to_post, _W, takes=inputs.ReplyIn, prepare=_reply),
    _do("POST", "post/forward", writes.forward_post, _W, takes=inputs.ForwardIn, prepare=_forward),
    # ── attachments ──────────────────────────────────────────────────────────────────────────────────────────────────
    # ── extensions ───────────────────────────────────────────────────────────────────────────────────────────────────
    # ── senders ──────────────────────────────────────────────────────────────────────────────────────────────────────
    *_of_senders("accepted"),
    *_of_senders("rejected"),
    *_of_people("addFavorite", favorite=True),
    *_of_people("removeFavorite", favorite=False),
    *_of_people("subscribeByMail", subscribed=True),
    *_of_people("unsubscribeByMail", subscribed=False),
    *_of_people("resetUnseenCount", seen=True),
    _do("POST", "group/renew", senders.renew, _GROUPS_W, **_DIR),
    _do("POST", "group/validateProperties", senders.validate_properties, _GROUPS_R, takes=inputs.ValidateIn, **_DIR),
    # ── the group and its people ─────────────────────────────────────────────────────────────────────────────────────
    # ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────────
    *_collection("groups", "groups", reads.as_caller, _GROUPS, **_DIR),
    _do("POST", "groups", writes.create_group, _GROUPS_W, _GROUPS_W | {"Group.Create"}, takes=inputs.GroupIn, **_DIR),
    _get("group", reads.One("group", reads.one_group), _GROUPS, **_DIR),
    _do("PATCH", "group", senders.update_group, _GROUPS_W, takes=inputs.GroupPatchIn, **_DIR),
    _do("DELETE", "group", writes.delete_group, frozenset(("Group.ReadWrite.All",)), **_DIR),
    *_collection("group/members", "members", reads.in_seen_group, _GROUPS, **_DIR),
    *_collection("group/members/user", "members.user", reads.in_seen_group, _GROUPS, **_DIR),
    *_collection("group/members/group", "members.group", reads.in_seen_group, _GROUPS, **_DIR),
    _do("POST", "group/members/$ref", writes.add_reference("member"), _MEMBERS_W, takes=inputs.ReferenceIn, **_DIR),
    _do("DELETE", "group/members/$ref", writes.remove_reference("member"), _MEMBERS_W, **_DIR),
    _do("DELETE", "group/members/object/$ref", writes.remove_reference("member"), _MEMBERS_W, **_DIR),
    *_collection("group/owners", "owners", reads.in_seen_group, _GROUPS, **_DIR),
    *_collection("group/owners/user", "owners.user", reads.in_seen_group, _GROUPS, **_DIR),
    _do("POST", "group/owners/$ref", writes.add_reference("owner"), _GROUPS_W, takes=inputs.ReferenceIn, **_DIR),
    _do("DELETE", "group/owners/$ref", writes.remove_reference("owner"), _GROUPS_W, **_DIR),
    _do("DELETE", "group/owners/object/$ref", writes.remove_reference("owner"), _GROUPS_W, **_DIR),
    *_collection("group/transitiveMembers", "transitiveMembers", reads.below_group, _GROUPS, **_DIR),
    *_collection("group/transitiveMembers/user", "transitiveMembers.user", reads.below_group, _GROUPS, **_DIR),
    *_collection("group/transitiveMembers/group", "transitiveMembers.group", reads.below_group, _GROUPS, **_DIR),
    *_collection("group/memberOf", "memberOf", reads.of_group, _GROUPS, **_DIR),
    *_collection("group/memberOf/group", "memberOf", reads.of_group, _GROUPS, **_DIR),
    *_collection("group/transitiveMemberOf", "transitiveMemberOf", reads.above_group, _GROUPS, **_DIR),
    *_collection("group/transitiveMemberOf/group", "transitiveMemberOf", reads.above_group, _GROUPS, **_DIR),
    # ── users ────────────────────────────────────────────────────────────────────────────────────────────────────────
    *_collection("users", "users", reads.all_users, _USERS, **_DIR),
    _do("POST", "users", writes.create_user, _USERS_W, takes=inputs.UserIn, prepare=_user, slow=True, **_DIR),
    _get("user", reads.One("user", reads.one_user), _USERS, own=_SELF, **_DIR),
    _do("PATCH", "user", writes.update_user, _USERS_W, takes=inputs.UserPatchIn, prepare=_user_patch, slow=True,
        own=frozenset(("User.ReadWrite",)), **_DIR),
    _do("DELETE", "user", writes.delete_user, _USERS_W, **_DIR),
    *_collection("user/memberOf", "memberOf", reads.of_user, _GROUPS, own=_SELF, **_DIR),
    *_collection("user/memberOf/group", "memberOf", reads.of_user, _GROUPS, own=_SELF, **_DIR),
    *_collection("user/transitiveMemberOf", "transitiveMemberOf", reads.above_user, _GROUPS, own=_SELF, **_DIR),
    *_collection("user/transitiveMemberOf/group", "transitiveMemberOf", reads.above_user, _GROUPS, own=_SELF, **_DIR),
    *_collection("user/ownedObjects", "ownedObjects", reads.of_user, _GROUPS, own=_SELF, **_DIR),
    *_collection("user/ownedObjects/group", "ownedObjects", reads.of_user, _GROUPS, own=_SELF, **_DIR),
)  # fmt: skip

BY_ADDRESS: Mapping[str, Mapping[str, Row]] = {
    address: {row.method: row for row in SURFACE if row.address == address}
    for address in dict.fromkeys(row.address for row in SURFACE)
}
