"""The whole HTTP surface of the Graph door: one row for each operation on each noun.

An address names a noun and what is done with it, whichever road leads there: `thread/reply` is both
`/groups/{g}/threads/{t}/reply` and `/groups/{g}/conversations/{c}/threads/{t}/reply`. Permissions are those of the
published reference, least first; `application` holds for strict applications, `extended` for extended ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from folkmoot.auth.secrets import hash_password
from folkmoot.graph import asking, body, inputs, reads, writes
from folkmoot.graph.call import Call
from folkmoot.graph.delta import Delta
from folkmoot.graph.envelope import Answer, Area
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
    """One operation. Exactly one of `read` and `write` is set; a `read` that takes a body is asked by POST.

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

# ── who is in what: one description for each relationship ────────────────────────────────────────────────────────────

_OBJECTS = ("application", "device", "group", "orgContact", "servicePrincipal", "user")
_UNITS = ("administrativeUnit", "group")
_ROLES_AND_UNITS = ("administrativeUnit", "directoryRole", "group")
_OWNED = ("application", "group", "servicePrincipal")
# Types that a collection can be cast to. Those that this directory does not have give empty collections.
CASTS = tuple(dict.fromkeys((*_OBJECTS, *_ROLES_AND_UNITS)))


def _related(
    address: str,
    feed: str,
    scope: reads.Scope,
    casts: tuple[str, ...],
    here: Mapping[str, str],
    own: Permissions = _NONE,
) -> tuple[Row, ...]:
    """A relationship to directory objects: the collection, an item, `/$count`, and the same of each cast.

    `here` names the feed for each type that the directory has.
    """
    rows = [*_collection(address, feed, scope, _GROUPS, own=own, **_DIR)]
    rows.append(_get(f"{address}/object", reads.Item(feed, scope), _GROUPS, own=own, **_DIR))
    for cast in casts:
        of_type = here.get(cast, "nothing")
        rows += _collection(f"{address}/{cast}", of_type, scope, _GROUPS, own=own, **_DIR)
        item = reads.Item(of_type, scope)
        rows.append(_get(f"{address}/object/{cast}", item, _GROUPS, own=own, **_DIR))
    return tuple(rows)


def _ask(
    address: str,
    ask: Callable[[Any, Call], Any],
    takes: type[msgspec.Struct],
    delegated: Permissions,
    own: Permissions = _NONE,
) -> Row:
    """A question that is put by POST and changes nothing."""
    return Row(
        method="POST",
        address=address,
        area="directory",
        read=asking.Ask("nothing", ask),
        takes=takes,
        delegated=delegated,
        application=delegated,
        extended=delegated,
        own=own,
    )


def _member_questions(noun: str, permissions: Permissions, own: Permissions = _NONE) -> tuple[Row, ...]:
    """checkMember… and getMember… of a group, a user or any directory object."""
    return (
        _ask(f"{noun}/checkMemberGroups", asking.check_member_groups, inputs.GroupIdsIn, permissions, own),
        _ask(f"{noun}/checkMemberObjects", asking.check_member_objects, inputs.ObjectIdsIn, permissions, own),
        _ask(f"{noun}/getMemberGroups", asking.get_member_groups, inputs.MemberGroupsIn, permissions, own),
        _ask(f"{noun}/getMemberObjects", asking.get_member_groups, inputs.MemberGroupsIn, permissions, own),
    )


def _collection_questions(nouns: str, permissions: Permissions, naming: Permissions) -> tuple[Row, ...]:
    """What groups, users and directoryObjects can be asked as a whole."""
    return (
        _ask(f"{nouns}/getByIds", asking.get_by_ids, inputs.ByIdsIn, permissions),
        _ask(f"{nouns}/validateProperties", asking.validate_properties, inputs.ValidateIn, naming),
        _ask(f"{nouns}/getAvailableExtensionProperties", asking.extension_properties, inputs.SyncedIn, permissions),
    )


_DIRECTORY = frozenset(("Directory.Read.All", "Directory.ReadWrite.All"))
_GROUPS_R = frozenset(("Group.Read.All", "Group.ReadWrite.All")) | _DIRECTORY
_USERS_R = frozenset(("User.Read.All", "User.ReadWrite.All")) | _DIRECTORY
_RESTORE = frozenset(("Group.ReadWrite.All", "User.ReadWrite.All", "Directory.ReadWrite.All"))
_TEAMS = frozenset(
    (
        *("Team.ReadBasic.All", "TeamSettings.Read.All", "TeamSettings.ReadWrite.All"),
        *("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"),
    )
)
_ANY_OBJECT = {"group": "transitiveMembers.group", "user": "transitiveMembers.user"}
_PEOPLE: tuple[Row, ...] = (
    *_related("group/members", "members", reads.in_seen_group, _OBJECTS,
              {"user": "members.user", "group": "members.group"}),
    *_related("group/owners", "owners", reads.in_seen_group, _OBJECTS,
              {"user": "owners.user", "group": "owners.group"}),
    _get("group/members/$ref", reads.References("members", reads.in_seen_group), _GROUPS, **_DIR),
    _get("group/owners/$ref", reads.References("owners", reads.in_seen_group), _GROUPS, **_DIR),
    *_related("group/transitiveMembers", "transitiveMembers", reads.below_group, _OBJECTS, _ANY_OBJECT),
    *_related("group/memberOf", "memberOf", reads.of_group, _UNITS, {"group": "memberOf"}),
    *_related("group/transitiveMemberOf", "transitiveMemberOf", reads.above_group, _UNITS,
              {"group": "transitiveMemberOf"}),
    *_related("user/memberOf", "memberOf", reads.of_user, _ROLES_AND_UNITS, {"group": "memberOf"}, _SELF),
    *_related("user/transitiveMemberOf", "transitiveMemberOf", reads.above_user, _ROLES_AND_UNITS,
              {"group": "transitiveMemberOf"}, _SELF),
    *_related("user/ownedObjects", "ownedObjects", reads.of_user, _OWNED, {"group": "ownedObjects"}, _SELF),
)  # fmt: skip
_QUESTIONS: tuple[Row, ...] = (
    *_member_questions("group", _GROUPS),
    *_member_questions("user", _GROUPS, _SELF),
    *_member_questions("directoryObjects/object", _DIRECTORY),
    *_collection_questions("groups", _GROUPS_R, _GROUPS_R),
    *_collection_questions("users", _USERS, _GROUPS_R),
    *_collection_questions("directoryObjects", _DIRECTORY, _GROUPS_R),
)
_DELETED: tuple[Row, ...] = (
    *_collection("directory/deletedItems/group", "deleted.group", reads.all_deleted, _GROUPS_R, **_DIR),
    *_collection("directory/deletedItems/user", "deleted.user", reads.all_deleted, _USERS_R, **_DIR),
    _get(
        "directory/deletedItems/object",
        reads.Deleted("deleted.group", reads.deleted_object),
        _GROUPS_R | _USERS_R,
        **_DIR,
    ),
    _do("DELETE", "directory/deletedItems/object", writes.erase, _RESTORE, **_DIR),
    _do("POST", "directory/deletedItems/object/restore", writes.restore, _RESTORE, **_DIR),
    _do("POST", "group/restore", writes.restore, _GROUPS_W, **_DIR),
    _do("POST", "directoryObjects/object/restore", writes.restore, _RESTORE, **_DIR),
)

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
    # ── the group and its people ─────────────────────────────────────────────────────────────────────────────────────
    # ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────────
    *_collection("groups", "groups", reads.as_caller, _GROUPS, **_DIR),
    _do("POST", "groups", writes.create_group, _GROUPS_W, _GROUPS_W | {"Group.Create"}, takes=inputs.GroupIn, **_DIR),
    _get("group", reads.One("group", reads.one_group), _GROUPS, **_DIR),
    _do("PATCH", "group", writes.update_group, _GROUPS_W, takes=inputs.GroupUpsertIn, **_DIR),
    _do("DELETE", "group", writes.delete_group, frozenset(("Group.ReadWrite.All",)), **_DIR),
    _do("POST", "group/members/$ref", writes.add_reference("member"), _MEMBERS_W, takes=inputs.ReferenceIn, **_DIR),
    _do("DELETE", "group/members/$ref", writes.remove_reference("member"), _MEMBERS_W, **_DIR),
    _do("DELETE", "group/members/object/$ref", writes.remove_reference("member"), _MEMBERS_W, **_DIR),
    _do("POST", "group/owners/$ref", writes.add_reference("owner"), _GROUPS_W, takes=inputs.ReferenceIn, **_DIR),
    _do("DELETE", "group/owners/$ref", writes.remove_reference("owner"), _GROUPS_W, **_DIR),
    _do("DELETE", "group/owners/object/$ref", writes.remove_reference("owner"), _GROUPS_W, **_DIR),
    _get("groups/delta", Delta("groups", reads.as_caller), _GROUPS, **_DIR),
    *_PEOPLE,
    *_QUESTIONS,
    *_DELETED,
    # ── users ────────────────────────────────────────────────────────────────────────────────────────────────────────
    *_collection("users", "users", reads.all_users, _USERS, **_DIR),
    _do("POST", "users", writes.create_user, _USERS_W, takes=inputs.UserIn, prepare=_user, slow=True, **_DIR),
    _get("user", reads.One("user", reads.one_user), _USERS, own=_SELF, **_DIR),
    _do("PATCH", "user", writes.update_user, _USERS_W, takes=inputs.UserPatchIn, prepare=_user_patch, slow=True,
        own=frozenset(("User.ReadWrite",)), **_DIR),
    _do("DELETE", "user", writes.delete_user, _USERS_W, **_DIR),
    _get("users/delta", Delta("users", reads.all_users), _USERS, **_DIR),
    _get("user/joinedTeams", reads.Page("teams", reads.one_user), _TEAMS, **_DIR),
    # ── directory objects ────────────────────────────────────────────────────────────────────────────────────────────
    _get("directoryObjects/object", reads.Anything("transitiveMembers", reads.any_object), _DIRECTORY, **_DIR),
    _do("DELETE", "directoryObjects/object", writes.delete_object, frozenset(("Directory.ReadWrite.All",)), **_DIR),
)  # fmt: skip

BY_ADDRESS: Mapping[str, Mapping[str, Row]] = {
    address: {row.method: row for row in SURFACE if row.address == address}
    for address in dict.fromkeys(row.address for row in SURFACE)
}
