"""Where the rows of each collection are: its noun, its condition, its own order, and what can be expanded in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import (
    BindParameter,
    FromClause,
    and_,
    bindparam,
    false,
    func,
    literal,
    or_,
    select,
    true,
    type_coerce,
    union_all,
)
from sqlalchemy.sql import ColumnElement

from folkmoot.graph import attachments
from folkmoot.graph.delivery_noun import DELIVERY
from folkmoot.graph.describe import Noun, Property, Sql
from folkmoot.graph.entities import CONVERSATION, POST, THREAD
from folkmoot.graph.extensions import EXTENSION, MULTI_VALUE, SINGLE_VALUE
from folkmoot.graph.grant_noun import GRANT
from folkmoot.graph.people import GROUP, USER, group_noun, user_noun
from folkmoot.graph.subscription_noun import LISTED, SUBSCRIPTION
from folkmoot.odata.edm import Edm, Entity, Field
from folkmoot.store import schema as s
from folkmoot.store.dialect import AnyOf, NotByIndex
from folkmoot.store.everywhere import ERASED


def _bind(name: str) -> BindParameter[Any]:
    return bindparam(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A navigation property that `$expand` can follow: the feed it leads to, and the parent's columns that the feed's
    parameters are bound to.

    `among` is for conditions that an index answers for all parents of a collection at once: the condition of their
    targets, by the parameters of the parents' feed, and the columns of parent and target that tie them together.
    """

    feed: str
    binds: Mapping[str, Sql]
    among: tuple[ColumnElement[bool], Sql, Sql] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchBy:
    """How `$search` finds the rows of a feed.

    `item` is the column of `post_words` that holds their `key`, `of_post` that of `posts`; `above` are further columns
    of it that a row knows, its conversation first, so that its posts are found by key; `letter` is the kind of place
    that a row is (see `store.search.place`). `within` are the places that the feed's parameters name. `strict`: also
    for strict applications (CSDL: Searchable).
    """

    item: Sql
    of_post: Sql
    key: Sql
    above: tuple[tuple[Sql, Sql], ...]
    letter: str
    within: Mapping[str, str]
    conversation_topics: bool = False
    strict: bool = False

    @property
    def conversation(self) -> Sql:
        """The column with the row's conversation."""
        return self.above[0][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A collection that can be listed, counted and read one by one.

    `order` ends in a key that is unique within the collection, so that a page always knows where it stopped. `visible`
    names the group table to which the caller's visibility applies, `managed` a table of which only those rows are
    there that are the caller's to manage. `single`: it is one item, whose properties that are only sent alone can be
    selected. `keyed` is the condition where the keys of some rows are known, if that is to be spelt otherwise. `ranges`
    are columns that an index of the collection has right behind what its condition names, by their properties. `kinds`
    are the nouns of a mixed collection, by the value of `kind`. `inside` are properties that `$expand` adds to an item,
    by what it calls them in lower case; the value of `kind` of those that have them is in `inside_kind`. `plain`:
    strict applications can neither filter nor sort it, nor ask for pages of a size.
    """

    name: str
    noun: Noun
    source: FromClause
    condition: ColumnElement[bool]
    order: tuple[tuple[Sql, bool], ...]
    context: str | None = None
    visible: FromClause | None = None
    managed: FromClause | None = None
    kinds: Mapping[str, Noun] = field(default_factory=dict)
    kind: Sql | None = None
    typed: bool = False
    branches: Mapping[str, Branch] = field(default_factory=dict)
    inside: Mapping[str, Property] = field(default_factory=dict)
    inside_kind: str = ""
    page: int = 100
    largest_page: int = 999
    directory: bool = False
    single: bool = False
    plain: bool = False
    search: SearchBy | None = None
    ranges: Mapping[str, Sql] = field(default_factory=dict)
    keyed: ColumnElement[bool] | None = None


_c, _t, _p, _w = s.conversations.c, s.threads.c, s.posts.c, s.post_words.c
_e, _s1, _sn = s.extensions.c, s.single_values.c, s.multi_values.c

_TO_THREADS = {"threads": Branch(feed="conversation.threads", binds={"c": _c.id})}
_TO_POSTS = {"posts": Branch(feed="posts", binds={"t": _t.id})}
_BELOW_POST = {
    "inReplyTo": Branch(feed="post", binds={"p": _p.in_reply_to}),
    "extensions": Branch(feed="extensions", binds={"p": _p.id}),
    "singleValueExtendedProperties": Branch(feed="singleValues", binds={"p": _p.id}),
    "multiValueExtendedProperties": Branch(feed="multiValues", binds={"p": _p.id}),
    "attachments": Branch(feed="attachments", binds={"p": _p.id}),
}
# A single post is of no thread that its path would name.
_IN_THREAD = and_(_s1.group_id == _bind("g"), _s1.thread_id == _bind("t"))
_BELOW_POSTS = _BELOW_POST | {
    "singleValueExtendedProperties": Branch(
        feed="singleValues", binds={"p": _p.id}, among=(_IN_THREAD, _p.id, _s1.post_id)
    )
}


_CONVERSATIONS_BY = SearchBy(
    item=_w.conversation_id,
    of_post=_p.conversation_id,
    key=_c.id,
    above=((_w.conversation_id, _c.id),),
    letter="c",
    within={"g": "g"},
    conversation_topics=True,
    strict=True,
)


def _threads_by(**within: str) -> SearchBy:
    above = ((_w.conversation_id, _t.conversation_id), (_w.thread_id, _t.id))
    return SearchBy(item=_w.thread_id, of_post=_p.thread_id, key=_t.id, above=above, letter="t", within=within)


_POSTS_BY = SearchBy(
    item=_w.post_id,
    of_post=_p.id,
    key=_p.id,
    above=((_w.conversation_id, _p.conversation_id), (_w.thread_id, _p.thread_id), (_w.post_id, _p.id)),
    letter="p",
    within={"g": "g", "t": "t"},
)


def _feed(name: str, noun: Noun, condition: ColumnElement[bool], *order: tuple[Sql, bool], **more: Any) -> Feed:
    return Feed(name=name, noun=noun, source=more.pop("source", noun.table), condition=condition, order=order, **more)


# Conversations and threads come newest first by when they began, which never changes: a page that follows another
# neither loses nor repeats an item while posts arrive. By activity: $orderby=lastDeliveredDateTime desc.
_MAIL: tuple[Feed, ...] = (
    _feed("conversations", CONVERSATION, _c.group_id == _bind("g"), (_c.id, True), branches=_TO_THREADS,
          search=_CONVERSATIONS_BY, ranges={"lastDeliveredDateTime": _c.last_delivered_at, "topic": s.head(_c.topic)}),
    _feed("conversation", CONVERSATION, and_(_c.group_id == _bind("g"), _c.id == _bind("c")), (_c.id, True),
          branches=_TO_THREADS),
    _feed("threads", THREAD, _t.group_id == _bind("g"), (_t.id, True), branches=_TO_POSTS, search=_threads_by(g="g"),
          ranges={"lastDeliveredDateTime": _t.last_delivered_at, "topic": s.head(_t.topic)}),
    _feed("conversation.threads", THREAD, and_(_t.group_id == _bind("g"), _t.conversation_id == _bind("c")),
          (_t.id, False), branches=_TO_POSTS, search=_threads_by(g="g", c="c")),
    _feed("thread", THREAD, and_(_t.group_id == _bind("g"), _t.id == _bind("t")), (_t.id, True), branches=_TO_POSTS),
    _feed("posts", POST, and_(_p.group_id == _bind("g"), _p.thread_id == _bind("t")), (_p.received_at, False),
          (_p.id, False), branches=_BELOW_POSTS, search=_POSTS_BY,
          keyed=and_(_p.group_id == _bind("g"), NotByIndex(_p.thread_id) == _bind("t"))),
    _feed("post", POST, and_(_p.group_id == _bind("g"), _p.id == _bind("p")), (_p.id, True), branches=_BELOW_POST),
)  # fmt: skip

_extends_post = and_(_e.group_id == _bind("g"), _e.post_id == _bind("p"))
_EXTENSIONS: tuple[Feed, ...] = (
    _feed("extensions", EXTENSION, _extends_post, (_e.folded, False), typed=True),
    _feed("extension", EXTENSION, and_(_extends_post, _e.folded == _bind("e")), (_e.folded, False), typed=True),
    _feed("singleValues", SINGLE_VALUE, and_(_s1.group_id == _bind("g"), _s1.post_id == _bind("p")), (_s1.key, False)),
    _feed("multiValues", MULTI_VALUE, and_(_sn.group_id == _bind("g"), _sn.post_id == _bind("p")), (_sn.key, False)),
)  # fmt: skip

_a = s.attachments.c
_hangs_on_post = and_(_a.group_id == _bind("g"), _a.post_id == _bind("p"))
_ANY_KIND: Mapping[str, Any] = {
    "kinds": attachments.KINDS,
    "kind": _a.kind,
    "inside": attachments.INSIDE,
    "inside_kind": "item",
}
_ATTACHMENTS: tuple[Feed, ...] = (
    _feed("attachments", attachments.ATTACHMENT, _hangs_on_post, (_a.id, False), **_ANY_KIND),
    _feed("attachment", attachments.ATTACHMENT, and_(_hangs_on_post, _a.id == _bind("a")), (_a.id, False), **_ANY_KIND),
)

_m, _o = s.memberships, s.object_groups
_held_groups = s.groups.alias("held")
_held_user, _held_group = user_noun(), group_noun(_held_groups)
_present_user = and_(s.users.c.id.is_not(None), s.users.c.deleted_at.is_(None))
_present_group = and_(_held_groups.c.group_id.is_not(None), _held_groups.c.deleted_at.is_(None))


def _object_noun(id: Sql, table: FromClause) -> Noun:
    """Users and groups as one, for filters and orders over a mixed collection.

    What only one of the two kinds has is null for the other: programs filter members in the cloud by what users alone
    have, such as `userType`, without a cast.
    """
    found = {"id": Field(name="id", type=Edm.GUID, wire=Edm.STRING, sql=id, nullable=False)}
    for each in (*_held_user.entity.fields, *_held_group.entity.fields):
        if each.filter and each.sql is not None and each.name != "id":
            # No column, for one that is never null in its own table may be so here.
            sql: Any = each.sql if isinstance(each.sql, Mapping) else type_coerce(each.sql, each.sql.type)
            if each.name in found:
                sql = func.coalesce(found[each.name].sql, sql)
            found[each.name] = replace(each, sql=sql, nullable=True)
    properties = {name: Property(each, ()) for name, each in found.items()}
    entity = Entity(name="directoryObject", fields=tuple(found.values()))
    return Noun(entity=entity, table=table, key=id, properties=properties)


def _held(role: str) -> tuple[Feed, ...]:
    """Who has a role in a group: all, and by type."""
    mine = and_(_m.c.group_id == _bind("g"), _m.c.role == literal(role))
    both = _m.outerjoin(s.users, s.users.c.id == _m.c.object_id).outerjoin(
        _held_groups, _held_groups.c.group_id == _m.c.object_id
    )
    users = _m.join(s.users, s.users.c.id == _m.c.object_id)
    groups = _m.join(_held_groups, _held_groups.c.group_id == _m.c.object_id)
    key = ((_m.c.object_id, False),)
    shared: dict[str, Any] = {"directory": True, "context": "directoryObjects", "typed": True}
    # Of a group that is a member, those hear who may see it.
    seen = {**shared, "visible": _held_groups}
    return (
        _feed(f"{role}s", _object_noun(_m.c.object_id, both), and_(mine, or_(_present_user, _present_group)), *key,
              source=both, kinds={"user": _held_user, "group": _held_group}, kind=_m.c.object_type, **seen),
        _feed(f"{role}s.user", _held_user, and_(mine, _present_user), *key, source=users, **shared),
        _feed(f"{role}s.group", _held_group, and_(mine, _present_group), *key, source=groups, **seen),
    )  # fmt: skip


def _senders(verdict: str) -> Feed:
    """Who is in one of a group's lists of senders."""
    listed = s.senders
    both = listed.outerjoin(s.users, s.users.c.id == listed.c.object_id).outerjoin(
        _held_groups, _held_groups.c.group_id == listed.c.object_id
    )
    mine = and_(listed.c.group_id == _bind("g"), listed.c.verdict == literal(verdict))
    return _feed(f"{verdict}Senders", _object_noun(listed.c.object_id, both),
                 and_(mine, or_(_present_user, _present_group)), (listed.c.object_id, False), source=both,
                 kinds={"user": _held_user, "group": _held_group}, kind=listed.c.object_type, visible=_held_groups,
                 typed=True, directory=True, context="directoryObjects")  # fmt: skip


def _below() -> tuple[Feed, ...]:
    """Members and members of members: `ids` is the JSON array of who they are."""
    u, g = s.users, _held_groups
    shared: dict[str, Any] = {"directory": True, "context": "directoryObjects", "typed": True}
    # Of a group that is a member, those hear who may see it.
    seen = {**shared, "visible": _held_groups}
    objects = union_all(
        select(u.c.id.label("id"), literal("user").label("kind")),
        select(s.groups.c.group_id, literal("group")),
    ).subquery("objects")
    both = objects.outerjoin(u, u.c.id == objects.c.id).outerjoin(g, g.c.group_id == objects.c.id)
    id, kind = objects.c.id, objects.c.kind
    return (
        _feed("transitiveMembers", _object_noun(id, both), and_(AnyOf(id, "ids"), or_(_present_user, _present_group)),
              (id, False), source=both, kinds={"user": _held_user, "group": _held_group}, kind=kind, **seen),
        _feed("transitiveMembers.user", _held_user, and_(AnyOf(u.c.id, "ids"), _present_user), (u.c.id, False),
              **shared),
        _feed("transitiveMembers.group", _held_group, and_(AnyOf(g.c.group_id, "ids"), _present_group),
              (g.c.group_id, False), **seen),
    )  # fmt: skip


def _above(name: str, role: str) -> Feed:
    """Groups in which the object `o` has a role, as far as the caller may see them."""
    source = _o.join(s.groups, s.groups.c.group_id == _o.c.group_id)
    mine = and_(_o.c.object_id == _bind("o"), _o.c.role == literal(role), s.groups.c.deleted_at.is_(None))
    return _feed(name, GROUP, mine, (_o.c.group_id, False), source=source, visible=s.groups, typed=True,
                 directory=True, context="directoryObjects")  # fmt: skip


_TO_HOLDERS = {
    "members": Branch(feed="members", binds={"g": s.groups.c.group_id}),
    "owners": Branch(feed="owners", binds={"g": s.groups.c.group_id}),
    "memberOf": Branch(feed="memberOf", binds={"o": s.groups.c.group_id}),
}
_TO_GROUPS = {
    "memberOf": Branch(feed="memberOf", binds={"o": s.users.c.id}),
    "ownedObjects": Branch(feed="ownedObjects", binds={"o": s.users.c.id}),
}
_there = s.users.c.deleted_at.is_(None)
_kept = s.groups.c.deleted_at.is_(None)
_DIRECTORY: tuple[Feed, ...] = (
    _feed("groups", GROUP, _kept, (s.groups.c.group_id, False), visible=s.groups, directory=True, branches=_TO_HOLDERS,
          context="groups"),
    _feed("group", GROUP, and_(_kept, s.groups.c.group_id == _bind("g")), (s.groups.c.group_id, False),
          visible=s.groups, directory=True, single=True, branches=_TO_HOLDERS, context="groups"),
    _feed("users", USER, _there, (s.users.c.id, False), directory=True, branches=_TO_GROUPS, context="users"),
    _feed("user", USER, and_(_there, s.users.c.id == _bind("o")), (s.users.c.id, False), directory=True,
          branches=_TO_GROUPS, context="users"),
    *_held("member"),
    *_held("owner"),
    _senders("accepted"),
    _senders("rejected"),
    *_below(),
    _above("memberOf", "member"),
    _above("ownedObjects", "owner"),
    _feed("transitiveMemberOf", GROUP, and_(_kept, AnyOf(s.groups.c.group_id, "ids")), (s.groups.c.group_id, False),
          visible=s.groups, typed=True, directory=True, context="directoryObjects"),
)  # fmt: skip


_g = s.permission_grants.c
_GRANTS: tuple[Feed, ...] = (
    _feed("permissionGrants", GRANT, _g.group_id == _bind("g"), (_g.id, False), directory=True,
          context="permissionGrants"),
    _feed("permissionGrants.own", GRANT, and_(_g.group_id == _bind("g"), _g.client_app_id == _bind("application")),
          (_g.id, False), directory=True, context="permissionGrants"),
    _feed("permissionGrant", GRANT, and_(_g.group_id == _bind("g"), _g.id == _bind("grant")), (_g.id, False),
          directory=True, context="permissionGrants"),
)  # fmt: skip


_n = s.subscriptions.c
_lasts = _n.expires_at > _bind("now")


def _subscriptions(name: str, condition: ColumnElement[bool]) -> tuple[Feed, Feed]:
    """Subscriptions that somebody may see, and one of them. Only its owner learns the secret of one."""
    more: dict[str, Any] = {"context": "subscriptions", "plain": True}
    one = SUBSCRIPTION if name in ("subscriptions", "subscriptions.application") else LISTED
    return (
        _feed(name, LISTED, and_(condition, _lasts), (_n.id, False), **more),
        _feed(f"{name}.one", one, and_(condition, _lasts, _n.id == _bind("x")), (_n.id, False), **more),
    )


_by_application = _n.application == _bind("application")
_SUBSCRIPTIONS: tuple[Feed, ...] = (
    *_subscriptions("subscriptions", and_(_n.creator == _bind("me"), _by_application)),
    *_subscriptions("subscriptions.application", _by_application),
    *_subscriptions("subscriptions.person", _n.creator == _bind("me")),
    *_subscriptions("subscriptions.all", true()),
)

_v = s.deliveries.c
_DELIVERIES: tuple[Feed, ...] = (
    _feed("deliveries", DELIVERY, _v.subscription_id == _bind("n"), (_v.id, True)),
    _feed("delivery", DELIVERY, and_(_v.subscription_id == _bind("n"), _v.id == _bind("x")), (_v.id, True)),
)


def _narrowed(feed: Feed, name: str, condition: ColumnElement[bool]) -> Feed:
    return replace(feed, name=f"{feed.name}.{name}", condition=and_(feed.condition, condition))


def _one(feed: Feed) -> Feed:
    """The item `x` of a collection that can be addressed in it."""
    return _narrowed(feed, "one", feed.order[0][0] == _bind("x"))


def _followed(feeds: Mapping[str, Feed]) -> tuple[Feed, ...]:
    """What delta reads of what is said: each collection from its newest item on, and some items of a group by id.

    The newest first, by what never changes: what comes meanwhile comes before the place where a reader stands, so that
    the reader comes to an end however much is written.
    """
    bare: dict[str, Any] = {"search": None, "branches": {}, "ranges": {}, "keyed": None}
    of_group = replace(feeds["posts"], condition=_p.group_id == _bind("g"), order=((_p.id, True),), **bare)
    return (
        replace(feeds["conversations"], name="conversations.delta", **bare),
        replace(feeds["threads"], name="threads.delta", **bare),
        replace(feeds["conversation.threads"], name="conversation.threads.delta", order=((_t.id, True),), **bare),
        replace(feeds["posts"], name="posts.delta", order=((_p.received_at, True), (_p.id, True)), **bare),
        replace(of_group, name="group.posts.delta"),
        _narrowed(replace(feeds["conversations"], **bare), "some", AnyOf(_c.id, "ids")),
        _narrowed(replace(feeds["threads"], **bare), "some", AnyOf(_t.id, "ids")),
        _narrowed(replace(of_group, name="posts"), "some", AnyOf(_p.id, "ids")),
    )


def _kinds(feeds: Mapping[str, Feed]) -> tuple[Feed, ...]:
    """What the directory has of collections for delta, for restoring, and for what cannot be in one."""
    gone_group = replace(feeds["groups"], name="groups.gone", condition=s.groups.c.deleted_at > literal(ERASED))
    gone_user = replace(feeds["users"], name="users.gone", condition=s.users.c.deleted_at.is_not(None))
    named_group, named_user = AnyOf(s.groups.c.group_id, "ids"), AnyOf(s.users.c.id, "ids")
    restorable: dict[str, Any] = {"typed": True, "context": "directoryObjects", "branches": {}}
    deleted_group = replace(
        gone_group, name="deleted.group", visible=None, managed=s.groups,
        condition=s.groups.c.deleted_at > _bind("oldest"), **restorable,
    )  # fmt: skip
    deleted_user = replace(
        gone_user, name="deleted.user", managed=s.users, condition=s.users.c.deleted_at > _bind("oldest"), **restorable
    )
    # Devices, applications and the like: this directory has none.
    nothing = replace(
        feeds["users"], name="nothing", noun=_object_noun(s.users.c.id, s.users.outerjoin(_held_groups, false())),
        source=s.users.outerjoin(_held_groups, false()), condition=false(), context="directoryObjects", branches={},
    )  # fmt: skip
    return (
        _narrowed(feeds["groups"], "after", s.groups.c.group_id > _bind("after")),
        _narrowed(feeds["users"], "after", s.users.c.id > _bind("after")),
        _narrowed(feeds["groups"], "some", named_group),
        _narrowed(feeds["users"], "some", named_user),
        _narrowed(gone_group, "some", named_group),
        _narrowed(gone_user, "some", named_user),
        _narrowed(feeds["members"], "some", AnyOf(_m.c.object_id, "ids")),
        _narrowed(feeds["owners"], "some", AnyOf(_m.c.object_id, "ids")),
        *(each for feed in (deleted_group, deleted_user) for each in (feed, _one(feed))),
        nothing,
        replace(nothing, name="teams", context="teams"),
        *(_one(feed) for feed in feeds.values() if feed.context == "directoryObjects"),
    )


_NAMED = {
    feed.name: feed
    for feed in (*_MAIL, *_ATTACHMENTS, *_EXTENSIONS, *_DIRECTORY, *_GRANTS, *_SUBSCRIPTIONS, *_DELIVERIES)
}
FEEDS: Mapping[str, Feed] = _NAMED | {feed.name: feed for feed in (*_kinds(_NAMED), *_followed(_NAMED))}
