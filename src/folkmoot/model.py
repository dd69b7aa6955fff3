"""The nouns: what a group, a conversation, a thread, a post and a person are. Values only: no SQL, JSON or HTTP.

Times are whole seconds since 1970-01-01T00:00:00Z, as the cloud sends for mail items. Ids are lower-case GUIDs.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Profile = Literal["strict", "extended"]


class Value(msgspec.Struct, frozen=True, gc=False):
    """Base of the nouns: an immutable record, cheap enough to be made for each row that is read."""


class Caller(Value, frozen=True, kw_only=True):
    """Who asks, as a validated access token says.

    `oid` is the directory id of the person, or of the service principal when `kind` is "app"; `permissions` are the
    delegated scopes (`scp`) or the application roles (`roles`); `application` is the client id (`azp` or `appid`).
    """

    kind: Literal["person", "app"]
    oid: str
    tenant: str
    application: str
    permissions: frozenset[str]
    name: str = ""
    upn: str = ""
    personal: bool = False
    profile: Profile = "strict"


class Application(Value, frozen=True, kw_only=True):
    """A registered client application. `secret_hash` is None for a public client, which may use any loopback redirect.

    `roles` are application permissions granted to it; `scopes` the delegated permissions that `.default` stands for.
    """

    id: str
    name: str
    principal: str
    secret_hash: str | None
    roles: tuple[str, ...]
    scopes: tuple[str, ...]
    profile: Profile


class SignIn(Value, frozen=True, kw_only=True):
    """What the issuer knows of a person who may sign in. `oid` is the user's directory id."""

    oid: str
    upn: str
    name: str
    mail: str


class Arrival(Value, frozen=True, kw_only=True):
    """A person as an outside issuer's token names them. `subject` is the issuer's name for them, which never changes.

    `mail` is None unless it may be believed; `sign_in_name` may be anything. `id` is the subject where that is a GUID.
    """

    issuer: str
    subject: str
    id: str | None = None
    sign_in_name: str | None = None
    name: str | None = None
    mail: str | None = None


class Admission(Value, frozen=True, kw_only=True):
    """Whom of an issuer's people the directory takes in, and how.

    `link`: by what a new subject is known to be a user who is there ("id", "mail", "sign_in_name"), in this order.
    `provision`: whether one who is not there is added, as a guest or as a member; only with mail at one of `domains`,
    where there are any. `update`: what later sign-ins change ("display_name", "mail"). `domain` is the tenant's.
    """

    link: tuple[str, ...]
    provision: bool
    guest: bool
    domains: tuple[str, ...]
    update: tuple[str, ...]
    domain: str


# ── mail participants ────────────────────────────────────────────────────────────────────────────────────────────────
class EmailAddress(Value, frozen=True):
    """A display name and an SMTP address (RFC 5322 §3.4); either may be unknown."""

    name: str | None = None
    address: str | None = None


class Recipient(Value, frozen=True, rename="camel"):
    """One mail participant, in the shape in which the wire sends it and storage keeps it."""

    email_address: EmailAddress


# ── the directory ────────────────────────────────────────────────────────────────────────────────────────────────────
class Person(Value, frozen=True):
    """What deciding about a person needs to know. A guest is a user whose `userType` is Guest."""

    id: str
    name: str
    mail: str | None
    upn: str
    guest: bool
    enabled: bool
    admin: bool


class Standing(Value, frozen=True):
    """A group, and where the caller stands in it: what every decision about the group's content rests on.

    `person` is None for an application, and for a token whose subject is not in the directory.
    """

    group: str
    name: str
    mail: str
    visibility: str
    unified: bool
    member: bool
    owner: bool
    caller: Caller
    person: Person | None


class UserDraft(Value, frozen=True, kw_only=True):
    """A user to be created. `password` is the text that the issuer will ask for, or None for no sign-in."""

    user_principal_name: str
    display_name: str
    mail_nickname: str
    account_enabled: bool
    password_hash: str | None = None
    id: str | None = None
    mail: str | None = None
    given_name: str | None = None
    surname: str | None = None
    job_title: str | None = None
    mobile_phone: str | None = None
    office_location: str | None = None
    preferred_language: str | None = None
    department: str | None = None
    usage_location: str | None = None
    user_type: str = "Member"
    business_phones: tuple[str, ...] = ()
    other_mails: tuple[str, ...] = ()
    is_admin: bool = False


class GroupDraft(Value, frozen=True, kw_only=True):
    """A group to be created. `owners` and `members` are directory ids."""

    display_name: str
    mail_nickname: str
    mail_enabled: bool
    security_enabled: bool
    group_types: tuple[str, ...] = ()
    id: str | None = None
    description: str | None = None
    visibility: str | None = None
    classification: str | None = None
    preferred_language: str | None = None
    theme: str | None = None
    membership_rule: str | None = None
    membership_rule_processing_state: str | None = None
    is_assignable_to_role: bool | None = None
    resource_behavior_options: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    members: tuple[str, ...] = ()


# ── what is said ─────────────────────────────────────────────────────────────────────────────────────────────────────
class Conversation(Value, frozen=True):
    """Threads on one subject. Everything but `topic` follows from its posts, in the transaction that changes them."""

    id: str
    topic: str
    has_attachments: bool
    last_delivered_at: int
    unique_senders: str
    preview: str


class Thread(Value, frozen=True):
    """A line of posts in a conversation. A locked thread takes no posts. Recipients grow with each post.

    `unique_senders`, `to_recipients` and `cc_recipients` are JSON arrays, as they are stored and sent.
    """

    id: str
    conversation: str
    topic: str
    has_attachments: bool
    last_delivered_at: int
    unique_senders: str
    preview: str
    is_locked: bool
    to_recipients: str
    cc_recipients: str
    started_by: str | None


class Post(Value, frozen=True):
    """What one person said. Only its place is needed to decide about it; its text is read by the door that shows it."""

    id: str
    thread: str
    conversation: str
    in_reply_to: str | None
    author: str | None


class Place(Value, frozen=True):
    """A thread with its conversation, and where the caller stands in their group: what adding a post rests on."""

    standing: Standing
    thread: Thread
    conversation: Conversation


class PostDraft(Value, frozen=True, kw_only=True):
    """A post to be added: sanitised `content` of the given type, and `preview`, its first words as plain text."""

    content_type: Literal["html", "text"]
    content: str
    preview: str
    sender: Recipient | None = None
    from_: Recipient | None = None
    new_participants: tuple[Recipient, ...] = ()
    categories: tuple[str, ...] = ()


class ThreadDraft(Value, frozen=True, kw_only=True):
    """A thread to be started, with its first post. `topic` None means the conversation's."""

    topic: str | None
    post: PostDraft
    to_recipients: tuple[Recipient, ...] = ()
    cc_recipients: tuple[Recipient, ...] = ()


class ThreadAmendment(Value, frozen=True, kw_only=True):
    """What a PATCH of a thread changes; None leaves a value as it is."""

    topic: str | None = None
    is_locked: bool | None = None
