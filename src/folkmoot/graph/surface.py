"""The whole HTTP surface of the Graph door: one row for each operation on each noun.

An address names a noun and what is done with it, whichever road leads there: `thread/reply` is both
`/groups/{g}/threads/{t}/reply` and `/groups/{g}/conversations/{c}/threads/{t}/reply`. Permissions are those of the
published reference, least first; `application` holds for strict applications, `extended` for extended ones. What the
two profiles do otherwise stands in `only_extended`, `grants`, `once` and `differs`, and where a row comes from in
`source`; the manual's page of what is supported is made of these columns (see `manual`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from folkmoot.auth.secrets import hash_password
from folkmoot.graph import (
    asking,
    attached,
    attaching,
    body,
    delivery_log,
    editing,
    extending,
    extension_writes,
    inputs,
    reads,
    senders,
    stream_rows,
    subscribing,
    writes,
)
from folkmoot.graph import grants as granting
from folkmoot.graph import subscriptions as following
from folkmoot.graph.batch import Serve, serve_batch
from folkmoot.graph.call import Call
from folkmoot.graph.content_delta import ContentDelta
from folkmoot.graph.directory_delta import DirectoryDelta
from folkmoot.graph.envelope import Answer, Area
from folkmoot.ops import grants
from folkmoot.ops.senders import Verdict
from folkmoot.outgoing import Outgoing
from folkmoot.refusals import BadBody
from folkmoot.store.db import Snapshot, Store, Tx
from folkmoot.store.directory_log import Kind

Permissions = frozenset[str]

# Group conversations (families A–B of the published surface).
_R = frozenset(
    ("Group-Conversation.Read.All", "Group-Conversation.ReadWrite.All", "Group.Read.All", "Group.ReadWrite.All")
)
_W = frozenset(("Group-Conversation.ReadWrite.All", "Group.ReadWrite.All"))
# Open extensions, for which the reference has no narrower permission.
_G = frozenset(("Group.Read.All", "Group.ReadWrite.All"))
_GW = frozenset(("Group.ReadWrite.All",))
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
_GRANTS_R = frozenset(("GroupMember.Read.All", "GroupMember.ReadWrite.All", "Group.Read.All", "Group.ReadWrite.All"))
_NONE: Permissions = frozenset()


@dataclass(frozen=True, slots=True)
class Kinds:
    """Which permissions are for which kind of object. `find` says what the object of the path is, or refuses."""

    find: Callable[[Snapshot, Call], Kind]
    fits: Mapping[Kind, Permissions]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One operation. Exactly one of `read`, `write` and `serve` is set; a `read` that takes a body is asked by POST.

    What is served is about the service itself, or is no single answer. It asks for a valid token, and for no permission
    where none is named, as what it is asked for has its own.

    `own` are delegated permissions that suffice where the path names the caller. A write takes a body of the type
    `takes`, which `prepare` turns into what the verb works on, outside the transaction; `slow` says that this takes
    long enough to leave the event loop. `before` is what has to be waited for outside the transaction, before a write;
    what it gives, if anything, becomes the call's body.
    `only_extended`: strict applications meet a method that is not allowed, as the cloud has none there.

    `kinds` is for what is done to an object that may be a group or a user: of the permissions only those count that are
    for its kind, which the transaction finds.

    `grants`: what suffices in one group for an extended application that lacks the permission; with `judges` the path
    does not say which group, and the verb looks (see `Call.lacking`). `once`: an extended application may send an
    Idempotency-Key. `differs` says in words what else is otherwise for extended applications, `source` which page or
    description of Graph the row follows, and what was decided where those say nothing.
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
    serve: Serve | None = None
    takes: type[msgspec.Struct] | None = None
    prepare: Callable[[Any], Any] | None = None
    before: Callable[[Store, Outgoing, Call], Awaitable[Any]] | None = None
    slow: bool = False
    only_extended: bool = False
    kinds: Kinds | None = None
    grants: Permissions = _NONE
    judges: bool = False
    once: bool = False
    differs: str = ""
    source: str = ""


# The nouns that a grant in a group can open: what is said there.
_SAID = frozenset(("conversation", "thread", "post", "attachment", "extension"))
_SAID_BELOW = frozenset(("group/conversations", "group/threads", "group/posts"))


def _grants(method: str, address: str) -> Permissions:
    """The grants that suffice for a row: those for conversations, on conversations and below."""
    if (
        address.removesuffix("/$count").removesuffix("/delta") not in _SAID_BELOW
        and address.partition("/")[0] not in _SAID
    ):
        return _NONE
    return frozenset(grants.PERMISSIONS) if method == "GET" else frozenset((grants.WRITE,))


def _get(
    address: str,
    read: reads.Read,
    delegated: Permissions,
    area: Area = "mail",
    own: Permissions = _NONE,
    *,
    source: str = "",
) -> Row:
    return Row(
        method="GET",
        address=address,
        area=area,
        read=read,
        delegated=delegated,
        application=delegated,
        extended=delegated,
        own=own,
        grants=_grants("GET", address),
        source=source,
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
    once: bool = False,
    differs: str = "",
    source: str = "",
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
        extended=delegated if application is None else delegated | application,
        own=own,
        grants=_grants(method, address),
        once=once,
        differs=differs,
        source=source,
    )


def _serve(method: str, address: str, serve: Serve, source: str) -> Row:
    return Row(
        method=method,
        address=address,
        area="mail",
        serve=serve,
        delegated=_NONE,
        application=_NONE,
        extended=_NONE,
        source=source,
    )


def _stream(address: str, serve: Serve, extended: Permissions, differs: str) -> Row:
    return Row(
        method="GET",
        address=address,
        area="mail",
        serve=serve,
        delegated=_R,
        application=_NONE,
        extended=extended,
        only_extended=True,
        grants=frozenset(grants.PERMISSIONS),
        differs=differs,
        source="WHATWG HTML, server-sent events; the cloud has no stream, so the permissions are those of reading",
    )


def _reply(given: inputs.ReplyIn) -> Any:
    return body.post_draft(given.post, "post")


def _post(given: inputs.PostIn) -> Any:
    return body.post_draft(given, "")


def _forward(given: inputs.ForwardIn) -> Any:
    if not given.to_recipients:
        raise BadBody("The property 'toRecipients' must name at least one recipient.", target="toRecipients")
    return given.comment or "", body.recipients(given.to_recipients, "toRecipients")


def _user(given: inputs.UserIn) -> Any:
    password = given.password_profile.password
    if not password:
        raise BadBody("The property 'passwordProfile.password' is required.", target="passwordProfile.password")
    return given, _hashed(password)


def _user_patch(given: inputs.UserPatchIn) -> Any:
    profile = given.password_profile
    password = profile.password if isinstance(profile, inputs.PasswordIn) else None
    return given, None if password is None else _hashed(password)


def _hashed(password: str) -> str:
    try:
        return hash_password(password)
    except ValueError as error:
        message = f"Invalid value specified for property 'passwordProfile.password': {error}."
        raise BadBody(message, target="passwordProfile.password") from error


def _collection(
    address: str, feed: str, scope: reads.Scope, *more: Any, page: type[reads.Page] = reads.Page, **named: Any
) -> tuple[Row, Row]:
    """A collection and its `/$count`."""
    return (
        _get(address, page(feed, scope), *more, **named),
        _get(f"{address}/$count", reads.Count(feed, scope), *more, **named),
    )


def _to_people(row: Row) -> Row:
    """The row as it is where the cloud turns applications away."""
    return replace(row, application=_NONE)


def _delta(address: str, feed: str, scope: reads.Scope) -> Row:
    """What changed in a collection of what is said, of which the cloud says nothing."""
    row = _get(f"{address}/delta", ContentDelta(feed, scope), _R, source="message: delta, for its shape")
    return replace(row, only_extended=True, differs="pages of what changed")


def _by_kind(kinds: Kinds, *rows: Row) -> tuple[Row, ...]:
    """The rows, where the permission must be for the kind of the object."""
    return tuple(replace(row, kinds=kinds) for row in rows)


_FITS = "the permission must be for what the object is"
_DIR: Mapping[str, Any] = {"area": "directory"}
_BEGUN = "`Location`; `Prefer: return=representation`: all of what was begun"
_ADDED = "202 with `Location`; `Prefer: return=representation`: 201 with the post"
_NOT_IN_CSDL = "the metadata says that posts are neither insertable nor updatable nor deletable"


def _of_senders(verdict: Verdict) -> tuple[Row, ...]:
    """A list of senders, which in the cloud is for signed-in people only."""
    at = f"group/{verdict}Senders"
    write = frozenset(("Group.ReadWrite.All",))
    rows = (
        *_collection(at, f"{verdict}Senders", reads.in_seen_group, _G, source=f"List {verdict}Senders", **_DIR),
        _get(
            f"{at}/$ref",
            senders.References(f"{verdict}Senders", reads.in_seen_group),
            _G,
            source="OpenAPI: references to senders",
            **_DIR,
        ),
        _do(
            "POST",
            f"{at}/$ref",
            senders.add(verdict),
            write,
            takes=inputs.ReferenceIn,
            source=f"Create {verdict}Sender",
            **_DIR,
        ),
        _do("DELETE", f"{at}/$ref", senders.remove(verdict), write, source=f"Remove {verdict}Sender", **_DIR),
        _do(
            "DELETE", f"{at}/object/$ref", senders.remove(verdict), write, source="OpenAPI: the id in the path", **_DIR
        ),
    )
    return tuple(replace(row, application=_NONE) for row in rows)


def _of_people(action: str, **said: bool) -> tuple[Row]:
    """An action that is about the signed-in person: an application, strict or extended, is none."""
    row = _do("POST", f"group/{action}", senders.prefer(**said), _GW, _NONE, source=f"group: {action}")
    return (replace(row, extended=_NONE),)


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
    listed = f"List {address.partition('/')[2]}"
    rows = [*_collection(address, feed, scope, _GROUPS, own=own, source=listed, **_DIR)]
    rows.append(_get(f"{address}/object", reads.Item(feed, scope), _GROUPS, own=own, source=listed, **_DIR))
    for cast in casts:
        of_type = here.get(cast, "nothing")
        source = f"{listed}, with a cast"
        rows += _collection(f"{address}/{cast}", of_type, scope, _GROUPS, own=own, source=source, **_DIR)
        item = reads.Item(of_type, scope)
        rows.append(_get(f"{address}/object/{cast}", item, _GROUPS, own=own, source=source, **_DIR))
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
        source=f"directoryObject: {address.rpartition('/')[2]}",
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
_GROUPS_R = _G | _DIRECTORY
_USERS_R = frozenset(("User.Read.All", "User.ReadWrite.All")) | _DIRECTORY
_DELETE_USERS = frozenset(("User.ReadWrite.All", "User.DeleteRestore.All"))
_RESTORE_USERS = _DELETE_USERS | {"Directory.ReadWrite.All"}
_GONE_R = Kinds(reads.deleted_kind, {"group": _GROUPS_R, "user": _USERS_R})
_GONE_W = Kinds(reads.deleted_kind, {"group": _GROUPS_W, "user": _RESTORE_USERS})
_RESTORE = _GROUPS_W | _RESTORE_USERS
_THERE_W = Kinds(reads.present_kind, {"group": _GROUPS_W, "user": _USERS_W})
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
    _get("group/members/$ref", reads.References("members", reads.in_seen_group), _GROUPS,
         source="OpenAPI: references to members", **_DIR),
    _get("group/owners/$ref", reads.References("owners", reads.in_seen_group), _GROUPS,
         source="OpenAPI: references to owners", **_DIR),
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
    *_collection(
        "directory/deletedItems/group",
        "deleted.group",
        reads.all_deleted,
        _GROUPS_R,
        source="List deleted items",
        **_DIR,
    ),
    *_collection(
        "directory/deletedItems/user", "deleted.user", reads.all_deleted, _USERS_R, source="List deleted items", **_DIR
    ),
    *_by_kind(
        _GONE_R,
        _get(
            "directory/deletedItems/object",
            reads.Deleted("deleted.group", reads.deleted_object),
            _GROUPS_R | _USERS_R,
            source=f"Get deleted item; {_FITS}",
            **_DIR,
        ),
    ),
    *_by_kind(
        _GONE_W,
        _do(
            "DELETE",
            "directory/deletedItems/object",
            writes.erase,
            _RESTORE,
            _DELETE_USERS,
            differs="groups, too",
            source=f"Permanently delete item: application for users only; {_FITS}",
            **_DIR,
        ),
        _do(
            "POST",
            "directory/deletedItems/object/restore",
            writes.restore,
            _RESTORE,
            source=f"Restore deleted item; {_FITS}",
            **_DIR,
        ),
        _do(
            "POST",
            "directoryObjects/object/restore",
            writes.restore,
            _RESTORE,
            source=f"Restore deleted item; {_FITS}",
            **_DIR,
        ),
    ),
    _do("POST", "group/restore", writes.restore, _GROUPS_W, source="Restore deleted item", **_DIR),
)


def _followed(row: Row, **more: Any) -> Row:
    """The row, where an extended application with a grant in the subscription's group needs no permission."""
    return replace(row, grants=frozenset(grants.PERMISSIONS), judges=True, **more)


_FOLLOW = following.FOLLOW
_SEE = _FOLLOW | {following.READ_ALL}
_ALSO = "also threads, posts, all groups, the directory; applications by themselves; resource data"
_OUR_LOG = "the cloud shows nothing of its deliveries"
_SUBSCRIPTIONS: tuple[Row, ...] = (
    replace(
        _get("subscriptions", following.Listed("subscriptions", following.seen), _SEE, source="List subscriptions",
             **_DIR),
        application=_FOLLOW,
    ),
    _followed(
        _do("POST", "subscriptions", following.create, _FOLLOW, _NONE, takes=inputs.SubscriptionIn,
            prepare=subscribing.draft, differs=_ALSO,
            source="Create subscription: of conversations application not supported", **_DIR),
        before=following.validate,
    ),
    _followed(
        _get("subscription", following.One("subscriptions.one", following.seen), _SEE, source="Get subscription",
             **_DIR),
        application=_FOLLOW,
    ),
    _followed(
        _do("PATCH", "subscription", following.renew, _FOLLOW, takes=inputs.SubscriptionPatchIn,
            prepare=subscribing.renewal, source="Update subscription", **_DIR)
    ),
    _followed(_do("DELETE", "subscription", following.remove, _FOLLOW, source="Delete subscription", **_DIR)),
    _followed(
        _do("POST", "subscription/reauthorize", following.reauthorize, _FOLLOW, _NONE,
            source="subscription: reauthorize: of conversations application not supported", **_DIR)
    ),
    _followed(
        _get("subscription/deliveries", reads.Page("deliveries", delivery_log.seen), _SEE,
             source=_OUR_LOG, **_DIR),
        application=_FOLLOW, only_extended=True, differs="each attempt to notify, newest first",
    ),
    _followed(
        _get("delivery", reads.One("delivery", delivery_log.seen), _SEE, source=_OUR_LOG, **_DIR),
        application=_FOLLOW, only_extended=True, differs="one attempt",
    ),
    _followed(
        _do("POST", "delivery/replay", delivery_log.replayed, _FOLLOW, only_extended=True,
            differs="its changes are sent again at once: 200 with that attempt", source=_OUR_LOG, **_DIR),
        before=delivery_log.replay,
    ),
)  # fmt: skip

SURFACE: tuple[Row, ...] = (
    # ── conversations ────────────────────────────────────────────────────────────────────────────────────────────────
    *_collection("group/conversations", "conversations", reads.in_group, _R,
        source="List conversations"),
    # App-only may neither start a conversation or thread nor reply to a thread, but may reply to a post: so published.
    _do("POST", "group/conversations", writes.start_conversation, _W, _NONE,
        takes=inputs.ConversationIn, prepare=body.conversation_draft, once=True, differs=_BEGUN,
        source="Create conversation: application not supported; 201 as its text, not 200 as its example"),
    _get("conversation", reads.One("conversation", reads.one_conversation), _R, source="Get conversation"),
    _do("DELETE", "conversation", writes.delete_conversation, _W,
        source="Delete conversation; application as the permissions dataset, where two pages disagree"),
    # ── threads ──────────────────────────────────────────────────────────────────────────────────────────────────────
    *_collection("conversation/threads", "conversation.threads", reads.in_conversation, _R,
        source="List threads of a conversation"),
    _do("POST", "conversation/threads", writes.start_thread, _W, _NONE,
        takes=inputs.ThreadIn, prepare=body.thread_draft, once=True, differs=_BEGUN,
        source="Create thread in a conversation: application not supported; the answer holds the id alone"),
    *_collection("group/threads", "threads", reads.in_group, _R, source="List threads of a group"),
    _do("POST", "group/threads", writes.start_thread, _W, _NONE, takes=inputs.ThreadIn, prepare=body.thread_draft,
        once=True, differs=_BEGUN, source="Create thread: application not supported; it starts a conversation, too"),
    _get("thread", reads.One("thread", reads.one_thread), _R,
        source="Get conversation thread; recipients with $select only"),
    _do("PATCH", "thread", writes.amend_thread, _W, takes=inputs.ThreadPatchIn, prepare=writes.thread_amendment,
        differs="`Prefer: return=minimal`: 204",
        source="Update thread: 200 with the thread, of the three answers that the pages give"),
    _do("DELETE", "thread", writes.delete_thread, _W,
        source="Delete thread; application as the permissions dataset, where two pages disagree"),
    _do("POST", "thread/reply", writes.reply_to_thread, _W, _NONE, takes=inputs.ReplyIn, prepare=_reply,
        once=True, differs=_ADDED, source="Thread: reply: application not supported; 202, no body, no id"),
    # ── posts ────────────────────────────────────────────────────────────────────────────────────────────────────────
    *_collection("thread/posts", "posts", reads.in_thread, _R, page=reads.PostPage, source="List posts"),
    _get("post", reads.One("post", reads.one_post), _R, source="Get post; OpenAPI for inReplyTo"),
    _do("POST", "post/reply", writes.reply_to_post, _W, takes=inputs.ReplyIn, prepare=_reply, once=True,
        differs=_ADDED, source="Post: reply: application supported, unlike Thread: reply; 202, no body, no id"),
    _do("POST", "post/forward", writes.forward_post, _W, takes=inputs.ForwardIn, prepare=_forward,
        source="Post: forward: 200 without a body, unlike reply"),
    # ── what the cloud lacks ─────────────────────────────────────────────────────────────────────────────────────────
    _do("POST", "thread/posts", editing.add_post, _W, takes=inputs.PostIn, prepare=_post, once=True,
        only_extended=True, differs="201 with the post; `Prefer: return=minimal`: 204", source=_NOT_IN_CSDL),
    _do("PATCH", "post", editing.amend_post, _W, takes=inputs.PostPatchIn, prepare=editing.post_amendment,
        only_extended=True, differs="one's own post: 200 with it; `Prefer: return=minimal`: 204; `If-Match`",
        source=_NOT_IN_CSDL),
    _do("DELETE", "post", editing.delete_post, _W, only_extended=True,
        differs="one's own post, or as owner: 204; `If-Match`", source=_NOT_IN_CSDL),
    # ── what changed ─────────────────────────────────────────────────────────────────────────────────────────────────
    _delta("group/conversations", "conversations.delta", reads.in_group),
    _delta("group/threads", "threads.delta", reads.in_group),
    _delta("conversation/threads", "conversation.threads.delta", reads.in_conversation),
    _delta("thread/posts", "posts.delta", reads.in_thread),
    _delta("group/posts", "group.posts.delta", reads.in_group),
    # ── attachments ──────────────────────────────────────────────────────────────────────────────────────────────────
    _to_people(_get("post/attachments", attaching.AttachmentPage("attachments", reads.one_post), _R,
        source="List attachments")),
    _to_people(_get("post/attachments/$count", attaching.AttachmentCount("attachments", reads.one_post), _R,
        source="OpenAPI: the count of attachments")),
    _do("POST", "post/attachments", attaching.add_attachment, _W, _NONE, takes=inputs.AttachmentIn,
        prepare=attached.attachment_draft, source="OpenAPI: attachments of a post; no page"),
    _do("POST", "post/attachments/createUploadSession", attaching.create_upload_session, _W, _NONE,
        takes=inputs.UploadSessionIn, prepare=attached.upload_draft,
        source="attachment: createUploadSession; for posts OpenAPI alone"),
    _to_people(_get("attachment", reads.One("attachment", reads.one_attachment), _G, source="Get attachment")),
    _to_people(_get("attachment/$value", attaching.Value("attachment", reads.one_attachment), _G,
        source="Get attachment, its raw contents")),
    _do("DELETE", "attachment", attaching.delete_attachment, _GW, _NONE, source="Delete attachment"),
    # ── extensions ───────────────────────────────────────────────────────────────────────────────────────────────────
    *_collection("post/extensions", "extensions", reads.in_post, _G, source="OpenAPI: extensions of a post"),
    _do("POST", "post/extensions", extension_writes.add_extension, _GW,
        takes=inputs.OpenIn, prepare=extending.extension_draft, source="Create open extension"),
    _get("extension", reads.One("extension", reads.one_extension), _G, source="Get open extension"),
    _do("PATCH", "extension", extension_writes.change_extension, _GW,
        takes=inputs.OpenIn, prepare=extending.extension_change, source="Update open extension"),
    _do("DELETE", "extension", extension_writes.delete_extension, _GW, source="Delete open extension"),
    # ── senders ──────────────────────────────────────────────────────────────────────────────────────────────────────
    *_of_senders("accepted"),
    *_of_senders("rejected"),
    *_of_people("addFavorite", favorite=True),
    *_of_people("removeFavorite", favorite=False),
    *_of_people("subscribeByMail", subscribed=True),
    *_of_people("unsubscribeByMail", subscribed=False),
    *_of_people("resetUnseenCount", seen=True),
    _do("POST", "group/renew", senders.renew, _GROUPS_W, source="group: renew", **_DIR),
    _do("POST", "group/validateProperties", senders.validate_properties, _G, takes=inputs.ValidateIn,
        source="group: validateProperties", **_DIR),
    # ── the group and its people ─────────────────────────────────────────────────────────────────────────────────────
    # ── grants ───────────────────────────────────────────────────────────────────────────────────────────────────────
    *_collection("group/permissionGrants", "permissionGrants", reads.in_seen_group, _GRANTS_R,
        source="List permissionGrants of a group", **_DIR),
    _do("POST", "group/permissionGrants", granting.give, _GROUPS_W, takes=inputs.GrantIn, only_extended=True,
        differs="owners and administrators give a grant: 201 with it",
        source="the cloud gives them by consent", **_DIR),
    _do("DELETE", "grant", granting.take, _GROUPS_W, only_extended=True,
        differs="owners and administrators take it back: 204", source="the cloud takes them with the consent", **_DIR),
    Row(method="POST", address="group/checkGrantedPermissionsForApp", area="directory", delegated=_GRANTS_R,
        application=_GRANTS_R, extended=_GRANTS_R, grants=frozenset(grants.PERMISSIONS),
        read=reads.Page("permissionGrants.own", granting.of_caller),
        source="OpenAPI; no page names permissions: those of List permissionGrants"),
    # ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────────
    *_collection("groups", "groups", reads.as_caller, _GROUPS, source="List groups", **_DIR),
    _do("POST", "groups", writes.create_group, _GROUPS_W, _GROUPS_W | {"Group.Create"}, takes=inputs.GroupIn,
        source="Create group", **_DIR),
    _get("group", reads.One("group", reads.one_group), _GROUPS, source="Get group", **_DIR),
    _do("PATCH", "group", senders.update_group, _GROUPS_W, takes=inputs.GroupUpsertIn, source="Update group", **_DIR),
    _do("DELETE", "group", writes.delete_group, frozenset(("Group.ReadWrite.All",)), source="Delete group", **_DIR),
    _do("POST", "group/members/$ref", writes.add_reference("member"), _MEMBERS_W, takes=inputs.ReferenceIn,
        source="Add member", **_DIR),
    _do("DELETE", "group/members/$ref", writes.remove_reference("member"), _MEMBERS_W,
        source="OpenAPI: the id in the query", **_DIR),
    _do("DELETE", "group/members/object/$ref", writes.remove_reference("member"), _MEMBERS_W,
        source="Remove member", **_DIR),
    _do("POST", "group/owners/$ref", writes.add_reference("owner"), _GROUPS_W, takes=inputs.ReferenceIn,
        source="Add owner", **_DIR),
    _do("DELETE", "group/owners/$ref", writes.remove_reference("owner"), _GROUPS_W,
        source="OpenAPI: the id in the query", **_DIR),
    _do("DELETE", "group/owners/object/$ref", writes.remove_reference("owner"), _GROUPS_W,
        source="Remove owner", **_DIR),
    _get("groups/delta", DirectoryDelta("groups", reads.as_caller), _GROUPS, source="group: delta", **_DIR),
    *_PEOPLE,
    *_QUESTIONS,
    *_DELETED,
    # ── users ────────────────────────────────────────────────────────────────────────────────────────────────────────
    *_collection("users", "users", reads.all_users, _USERS, source="List users", **_DIR),
    _do("POST", "users", writes.create_user, _USERS_W, takes=inputs.UserIn, prepare=_user, slow=True,
        source="Create user", **_DIR),
    _get("user", reads.One("user", reads.one_user), _USERS, own=_SELF, source="Get user", **_DIR),
    _do("PATCH", "user", writes.update_user, _USERS_W, takes=inputs.UserPatchIn, prepare=_user_patch, slow=True,
        own=frozenset(("User.ReadWrite",)), source="Update user", **_DIR),
    _do("DELETE", "user", writes.delete_user, _USERS_W, source="Delete user", **_DIR),
    _get("users/delta", DirectoryDelta("users", reads.all_users), _USERS, source="user: delta", **_DIR),
    _get("user/joinedTeams", reads.Page("teams", reads.one_user), _TEAMS, source="List joinedTeams", **_DIR),
    # ── directory objects ────────────────────────────────────────────────────────────────────────────────────────────
    _get("directoryObjects/object", reads.Anything("transitiveMembers", reads.any_object), _DIRECTORY,
        source="Get directoryObject", **_DIR),
    *_by_kind(_THERE_W, _do("DELETE", "directoryObjects/object", writes.delete_object, _GROUPS_W | _USERS_W,
        source=f"Delete directoryObject, whose page names none: as the collections delete it; {_FITS}", **_DIR)),
    # ── subscriptions ────────────────────────────────────────────────────────────────────────────────────────────────
    *_SUBSCRIPTIONS,
    # ── streams ──────────────────────────────────────────────────────────────────────────────────────────────────────
    _stream("group/changes", stream_rows.of_group, _R,
        "server-sent events of what is said in the group, as it happens; `Last-Event-ID`"),
    replace(_stream("user/changes", stream_rows.of_mine, _NONE,
        "the same for all groups of which the signed-in person is a member or an owner"), grants=_NONE),
    # ── the service ──────────────────────────────────────────────────────────────────────────────────────────────────
    _serve("POST", "$batch", serve_batch, source="JSON batching"),
)  # fmt: skip

_by_address: dict[str, dict[str, Row]] = {}
for _row in SURFACE:
    _by_address.setdefault(_row.address, {})[_row.method] = _row
BY_ADDRESS: Mapping[str, Mapping[str, Row]] = _by_address

# Every delegated permission that some operation asks for.
PERMISSIONS: Permissions = _NONE.union(*(row.delegated | row.own for row in SURFACE))

# Paths that lead nowhere in the cloud, and so for strict applications; or that would take no method from them, as that
# of one grant, which the cloud lists and lets nobody read or delete by itself.
BEYOND_THE_CLOUD = {address for address, rows in BY_ADDRESS.items() if all(row.only_extended for row in rows.values())}
