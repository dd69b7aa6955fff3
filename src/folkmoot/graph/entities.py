"""The nouns of the wire, each described once: what is sent, what it may be filtered and ordered by, where it leads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import FromClause
from sqlalchemy.sql import ColumnElement

from folkmoot.graph import ids
from folkmoot.odata.edm import Complex, Edm, Entity, Enumeration, Field, Nav
from folkmoot.store import schema as s

Sql = ColumnElement[Any]

# How a value is sent: from the group's id and the property's columns. None sends the one column as it is stored.
Render = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Property:
    """A property: its description, the columns that hold it, and how they are sent."""

    field: Field
    columns: tuple[Sql, ...]
    render: Render | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Noun:
    """An entity type with where its rows are.

    `key` orders what nothing else orders. `annotations` precede the properties and are sent whatever is selected.
    `reads_id` turns an opaque text of the wire into what is stored, for `$filter`; the second argument is the group.
    """

    entity: Entity
    table: FromClause
    key: Sql
    properties: dict[str, Property]
    annotations: tuple[Property, ...] = ()
    reads_id: dict[str, Callable[[str, str], str | int]] = field(default_factory=dict)


_EMAIL_ADDRESS = Complex("emailAddress", (Field(name="name"), Field(name="address", fold=True)))
_RECIPIENT = Complex("recipient", (Field(name="emailAddress", type=_EMAIL_ADDRESS),))
BODY_TYPE = Enumeration("bodyType", ("text", "html"))
_ITEM_BODY = Complex("itemBody", (Field(name="contentType", type=BODY_TYPE), Field(name="content")))


@lru_cache(maxsize=4096)
def _iso_text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _iso(_: str, seconds: int | None) -> str | None:
    if seconds is None:
        return None
    return _iso_text(seconds)


def _flag(_: str, value: int | bool | None) -> bool | None:
    return None if value is None else bool(value)


def _json(_: str, text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


def _recipient(_: str, name: str | None, address: str | None) -> dict[str, Any]:
    return {"emailAddress": {"name": name, "address": address}}


def _body(_: str, content_type: str, content: str) -> dict[str, str]:
    return {"contentType": content_type, "content": content}


def _text(name: str, column: Sql, **more: Any) -> Property:
    return Property(Field(name=name, sql=column, **more), (column,))


def _time(name: str, column: Sql, **more: Any) -> Property:
    return Property(Field(name=name, type=Edm.DATETIME, sql=column, **more), (column,), _iso)


def _bool(name: str, column: Sql, **more: Any) -> Property:
    return Property(Field(name=name, type=Edm.BOOLEAN, sql=column, **more), (column,), _flag)


def _list(name: str, column: Sql, type: Any = Edm.STRING, **more: Any) -> Property:
    return Property(Field(name=name, type=type, many=True, sql=column, sort=False, **more), (column,), _json)


def _id(column: Sql, columns: tuple[Sql, ...], render: Render, name: str = "id", **more: Any) -> Property:
    described = Field(name=name, type=Edm.GUID, wire=Edm.STRING, sql=column, sort=False, **more)
    return Property(described, columns, render)


def _noun(
    name: str, table: FromClause, key: Sql, *properties: Property, navs: tuple[Nav, ...] = (), **more: Any
) -> Noun:
    entity = Entity(name=name, fields=tuple(p.field for p in properties), navs=navs, says=more.pop("says", ""))
    return Noun(entity=entity, table=table, key=key, properties={p.field.name: p for p in properties}, **more)


# ── what is said ─────────────────────────────────────────────────────────────────────────────────────────────────────

_c = s.conversations.c
CONVERSATION = _noun(
    "conversation",
    s.conversations,
    _c.id,
    _id(_c.id, (_c.id,), ids.conversation_id, nullable=False),
    _text("topic", _c.topic, nullable=False, says="The subject; set when the conversation is started."),
    _bool("hasAttachments", _c.has_attachments, nullable=False, says="Whether any post has an attachment."),
    _time("lastDeliveredDateTime", _c.last_delivered_at, nullable=False, says="When the newest post arrived."),
    _list("uniqueSenders", _c.unique_senders, nullable=False, says="The names of everyone who posted."),
    _text("preview", _c.preview, nullable=False, says="The first words of the newest post."),
    navs=(Nav(name="threads", target="conversationThread", filter=True, says="The conversation's threads."),),
    reads_id={"id": ids.read_conversation_id},
    says="Threads on one subject, in a group.",
)

_t = s.threads.c
THREAD = _noun(
    "conversationThread",
    s.threads,
    _t.id,
    _id(_t.id, (_t.conversation_id, _t.id), ids.thread_id, nullable=False),
    _text("topic", _t.topic, nullable=False, says="The subject."),
    _bool("hasAttachments", _t.has_attachments, nullable=False, says="Whether any post has an attachment."),
    _time("lastDeliveredDateTime", _t.last_delivered_at, nullable=False, says="When the newest post arrived."),
    _list("uniqueSenders", _t.unique_senders, nullable=False, says="The names of everyone who posted."),
    _text("preview", _t.preview, nullable=False, says="The first words of the newest post."),
    _bool("isLocked", _t.is_locked, nullable=False, says="Whether the thread takes no posts."),
    _list("toRecipients", _t.to_recipients, _RECIPIENT, nullable=False, by_default=False, says="The To recipients."),
    _list("ccRecipients", _t.cc_recipients, _RECIPIENT, nullable=False, by_default=False, says="The Cc recipients."),
    navs=(Nav(name="posts", target="post", filter=True, says="The thread's posts."),),
    reads_id={"id": ids.read_thread_id},
    says="A line of posts in a conversation.",
)

_p = s.posts.c
_CHANGE_KEY = Property(
    Field(
        name="changeKey",
        type=Edm.INT64,
        wire=Edm.STRING,
        sql=_p.version,
        sort=False,
        says="Changes with every change of the post.",
    ),
    (_p.version,),
    ids.change_key,
)


def _etag(group: str, version: int) -> str:
    return f'W/"{ids.change_key(group, version)}"'


POST = _noun(
    "post",
    s.posts,
    _p.id,
    _id(_p.id, (_p.thread_id, _p.id), ids.post_id, nullable=False),
    _time("createdDateTime", _p.created_at, says="When the post was made."),
    _time("lastModifiedDateTime", _p.modified_at, says="When the post last changed."),
    _CHANGE_KEY,
    _list("categories", _p.categories, says="Categories given by the sender."),
    _time("receivedDateTime", _p.received_at, nullable=False, says="When the post was delivered."),
    _bool("hasAttachments", _p.has_attachments, nullable=False, says="Whether the post has an attachment."),
    Property(
        Field(
            name="body",
            type=_ITEM_BODY,
            sql={"contentType": _p.content_type, "content": _p.content},
            says="The post's text.",
        ),
        (_p.content_type, _p.content),
        _body,
    ),
    Property(
        Field(
            name="from",
            type=_RECIPIENT,
            nullable=False,
            sql={"emailAddress/name": _p.from_name, "emailAddress/address": _p.from_address},
            says="Who the post is from.",
        ),
        (_p.from_name, _p.from_address),
        _recipient,
    ),
    Property(
        Field(
            name="sender",
            type=_RECIPIENT,
            sql={"emailAddress/name": _p.sender_name, "emailAddress/address": _p.sender_address},
            says="Who sent the post.",
        ),
        (_p.sender_name, _p.sender_address),
        _recipient,
    ),
    _list("newParticipants", _p.new_participants, _RECIPIENT, nullable=False, says="Who joined the thread with it."),
    _id(_p.conversation_id, (_p.conversation_id,), ids.conversation_id, name="conversationId"),
    _id(_p.thread_id, (_p.conversation_id, _p.thread_id), ids.thread_id, name="conversationThreadId"),
    annotations=(Property(Field(name="@odata.etag"), (_p.version,), _etag),),
    navs=(Nav(name="inReplyTo", target="post", many=False, says="The post that this one answers."),),
    reads_id={
        "id": ids.read_post_id,
        "changeKey": ids.read_change_key,
        "conversationId": ids.read_conversation_id,
        "conversationThreadId": ids.read_thread_id,
    },
    says="What one person said in a thread.",
)

# ── the directory ────────────────────────────────────────────────────────────────────────────────────────────────────


def _nothing(_: str) -> None:
    return None


def _empty(_: str) -> list[Any]:
    return []


def _absent(name: str, type: Any = Edm.STRING, **more: Any) -> Property:
    """A property of the published type that this server has nothing to say in; sent as null or an empty list."""
    described = Field(name=name, type=type, filter=False, sort=False, **more)
    return Property(described, (), _empty if described.many else _nothing)


_MEMBER_OF = (
    Nav(name="memberOf", target="directoryObject", contained=False, says="Groups that it is a direct member of."),
    Nav(
        name="transitiveMemberOf", target="directoryObject", contained=False, expand=False, says="Also through groups."
    ),
)


def user_noun(table: FromClause = s.users) -> Noun:
    """The user resource over `table`."""
    u = table.c

    def text(name: str, column: Sql, **more: Any) -> Property:
        return _text(name, column, fold=True, **more)

    return _noun(
        "user",
        table,
        u.id,
        Property(Field(name="id", type=Edm.GUID, wire=Edm.STRING, sql=u.id, nullable=False), (u.id,)),
        _list("businessPhones", u.business_phones, nullable=False),
        text("displayName", u.display_name),
        text("givenName", u.given_name),
        text("jobTitle", u.job_title),
        text("mail", u.mail),
        text("mobilePhone", u.mobile_phone),
        text("officeLocation", u.office_location),
        text("preferredLanguage", u.preferred_language),
        text("surname", u.surname),
        text("userPrincipalName", u.user_principal_name),
        _bool("accountEnabled", u.account_enabled, by_default=False),
        text("mailNickname", u.mail_nickname, by_default=False),
        text("userType", u.user_type, by_default=False),
        _list("proxyAddresses", u.proxy_addresses, nullable=False, by_default=False),
        _list("otherMails", u.other_mails, nullable=False, by_default=False),
        _time("createdDateTime", u.created_at, by_default=False),
        _time("deletedDateTime", u.deleted_at, by_default=False),
        text("department", u.department, by_default=False),
        text("usageLocation", u.usage_location, by_default=False),
        navs=(*_MEMBER_OF, Nav(name="ownedObjects", target="directoryObject", contained=False, says="What it owns.")),
        says="A person of the organisation, or a guest.",
    )


def group_noun(table: FromClause = s.groups) -> Noun:
    """The group resource over `table`."""
    g = table.c

    def text(name: str, column: Sql, **more: Any) -> Property:
        return _text(name, column, fold=True, **more)

    return _noun(
        "group",
        table,
        g.group_id,
        Property(Field(name="id", type=Edm.GUID, wire=Edm.STRING, sql=g.group_id, nullable=False), (g.group_id,)),
        _time("deletedDateTime", g.deleted_at),
        text("classification", g.classification),
        _time("createdDateTime", g.created_at),
        text("description", g.description),
        text("displayName", g.display_name),
        _absent("expirationDateTime", Edm.DATETIME),
        _list("groupTypes", g.group_types, nullable=False),
        _bool("isAssignableToRole", g.is_assignable_to_role),
        text("mail", g.mail),
        _bool("mailEnabled", g.mail_enabled),
        text("mailNickname", g.mail_nickname),
        text("membershipRule", g.membership_rule),
        text("membershipRuleProcessingState", g.membership_rule_processing_state),
        _absent("onPremisesDomainName"),
        _absent("onPremisesLastSyncDateTime", Edm.DATETIME),
        _absent("onPremisesNetBiosName"),
        _absent("onPremisesSamAccountName"),
        _absent("onPremisesSecurityIdentifier"),
        _absent("onPremisesSyncEnabled", Edm.BOOLEAN),
        _absent("preferredDataLocation"),
        text("preferredLanguage", g.preferred_language),
        _list("proxyAddresses", g.proxy_addresses, nullable=False),
        _time("renewedDateTime", g.renewed_at),
        _list("resourceBehaviorOptions", g.resource_behavior_options, nullable=False),
        _list("resourceProvisioningOptions", g.resource_provisioning_options, nullable=False),
        _bool("securityEnabled", g.security_enabled),
        text("theme", g.theme),
        text("visibility", g.visibility),
        _absent("onPremisesProvisioningErrors", many=True),
        navs=(
            # CSDL: group/conversations and group/threads are Expandable=false.
            Nav(name="conversations", target="conversation", expand=False, says="The group's conversations."),
            Nav(name="threads", target="conversationThread", expand=False, says="All threads of the group."),
            Nav(name="members", target="directoryObject", contained=False, says="Direct members."),
            Nav(name="owners", target="directoryObject", contained=False, says="Owners, at most 100."),
            Nav(name="transitiveMembers", target="directoryObject", contained=False, expand=False, says="Also nested."),
            *_MEMBER_OF,
        ),
        says="A Microsoft 365 group or a security group.",
    )


USER = user_noun()
GROUP = group_noun()
