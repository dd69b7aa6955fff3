"""Properties of a group that are sent only by `$select` on that group alone, most of them about the person who asks."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    FromClause,
    and_,
    bindparam,
    case,
    distinct,
    false,
    func,
    literal,
    null,
    or_,
    select,
)

from folkmoot.graph.describe import Property, Sql, flag
from folkmoot.odata.edm import Edm, Enumeration, Field
from folkmoot.store import schema as s

ACCESS_TYPE = Enumeration("groupAccessType", ("none", "private", "secret", "public"))
_ACCESS = {"Public": "public", "Private": "private", "HiddenMembership": "secret"}

# Unseen posts are looked for among so many of the group's newest changes, however many there are: a post is three of
# them, or four when it starts a conversation. Nothing is counted while posts are written.
LOOKED_AT = 4_000
# And where the log is not kept as far back as the visit, among so many of the newest posts: of those which it does not
# tell of any more, the ones that were written or changed since.
NEWEST = 1_000

_G: BindParameter[str] = bindparam("g")
_ME: BindParameter[str] = bindparam("me")


def _switch(name: str, column: Sql) -> Property:
    return _only_alone(name, Edm.BOOLEAN, func.coalesce(column, false()), flag)


def _only_alone(name: str, type: Any, column: Sql, render: Any = None) -> Property:
    field = Field(name=name, type=type, by_default=False, single=True, filter=False, sort=False)
    return Property(field, (column,), render)


def _access(_: str, visibility: str) -> str:
    return _ACCESS.get(visibility, "none")


def properties(table: FromClause) -> tuple[Property, ...]:
    """Those of the group in `table`; in a feed with the parameters `g`, the group, and `me`, the caller."""
    g = table.c
    mine = s.preferences.alias("mine")
    me = s.users.alias("reader")
    # For an application, which is no person, they are null.
    is_person = select(literal(1)).where(me.c.id == _ME).exists()
    my = and_(mine.c.group_id == _G, mine.c.person_id == _ME)
    held = s.memberships.alias("held_by_me")
    is_member = (
        select(literal(1))
        .where(held.c.group_id == _G, held.c.role == literal("member"), held.c.object_id == _ME)
        .exists()
    )
    subscribed = func.coalesce(select(mine.c.is_subscribed).where(my).scalar_subquery(), is_member)
    favorite = func.coalesce(select(mine.c.is_favorite).where(my).scalar_subquery(), false())
    return (
        _only_alone("accessType", ACCESS_TYPE, g.visibility, _access),
        _switch("allowExternalSenders", g.allow_external_senders),
        _switch("autoSubscribeNewMembers", g.auto_subscribe_new_members),
        _switch("hideFromAddressLists", g.hide_from_address_lists),
        _switch("hideFromOutlookClients", g.hide_from_outlook_clients),
        _only_alone("isFavorite", Edm.BOOLEAN, case((is_person, favorite), else_=null()), flag),
        _only_alone("isSubscribedByMail", Edm.BOOLEAN, case((is_person, subscribed), else_=null()), flag),
        _only_alone("unseenConversationsCount", Edm.INT32, _unseen(conversations=True)),
        _only_alone("unseenCount", Edm.INT32, _unseen(conversations=True)),
        _only_alone("unseenMessagesCount", Edm.INT32, _unseen(conversations=False)),
    )


@cache
def _unseen(*, conversations: bool) -> Sql:
    """How many conversations have posts by others since the caller's last visit, or how many posts there are."""
    c, p, q = s.changes.alias("since"), s.posts.alias("unseen"), s.sequences.alias("head")
    mine, held, me = s.preferences.alias("visit"), s.memberships.alias("belongs"), s.users.alias("visitor")
    newest = select(q.c.seq - LOOKED_AT).where(q.c.group_id == _G).scalar_subquery()
    # Of whom nothing is kept: a founding member has seen nothing yet, for anybody else all is old.
    visit = func.coalesce(
        select(mine.c.seen_seq).where(mine.c.group_id == _G, mine.c.person_id == _ME).scalar_subquery(),
        select(literal(0))
        .where(held.c.group_id == _G, held.c.role == literal("member"), held.c.object_id == _ME)
        .scalar_subquery(),
        select(q.c.seq).where(q.c.group_id == _G).scalar_subquery(),
    )
    what = func.count(distinct(p.c.conversation_id)) if conversations else func.count()
    # With a limit, so that PostgreSQL knows how few they are and looks for the post of each.
    lately = (
        select(c.c.item, c.c.kind, c.c.noun, c.c.by)
        .where(c.c.group_id == _G, c.c.seq > newest, c.c.seq > visit)
        .order_by(c.c.seq.desc())
        .limit(LOOKED_AT)
        .subquery("lately")
    )
    counted = (
        select(what)
        .select_from(lately.join(p, and_(p.c.group_id == _G, p.c.id == lately.c.item)))
        .where(
            lately.c.kind == literal("created"),
            lately.c.noun == literal("post"),
            or_(lately.c.by.is_(None), lately.c.by != _ME),
        )
        .scalar_subquery()
    )
    kept, n = s.changes.alias("kept"), s.posts.alias("written")
    first = select(func.min(kept.c.seq)).where(kept.c.group_id == _G).scalar_subquery()
    newest_posts = (
        select(n.c.conversation_id, n.c.version, n.c.author)
        .where(n.c.group_id == _G)
        .order_by(n.c.id.desc())
        .limit(NEWEST)
        .subquery("newest")
    )
    of_posts = func.count(distinct(newest_posts.c.conversation_id)) if conversations else func.count()
    by_others = or_(newest_posts.c.author.is_(None), newest_posts.c.author != _ME)
    among_posts = select(of_posts).where(newest_posts.c.version > visit, by_others).scalar_subquery()
    is_person = select(literal(1)).where(me.c.id == _ME).exists()
    return case((and_(is_person, visit < first - 1), among_posts), (is_person, counted), else_=null())
