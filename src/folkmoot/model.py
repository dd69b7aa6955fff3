"""The nouns: what a group, a conversation, a thread, a post and a person are. Values only: no SQL, JSON or HTTP.

Times are whole seconds since 1970-01-01T00:00:00Z, as the cloud sends for mail items. Ids are lower-case GUIDs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

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
    """What the issuer knows of a person, who may sign in where `enabled`. `oid` is the user's directory id.

    `password` is another text after each change of the password, and tells nothing of it; empty where there is none.
    """

    oid: str
    upn: str
    name: str
    mail: str
    enabled: bool = True
    password: str = ""


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


class Sending(Value, frozen=True):
    """What a group says about who may post into it.

    `accepts_some` and `rejects_some` say that the list of accepted or rejected senders is not empty; `members_only` is
    the behaviour AllowOnlyMembersToPost; `external` allows senders from outside the organisation.
    """

    accepts_some: bool = False
    rejects_some: bool = False
    members_only: bool = False
    external: bool = False


# Most groups say nothing.
ANYBODY = Sending()


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
    sending: Sending


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
    unique_name: str | None = None
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


AttachmentKind = Literal["file", "item", "reference"]


class Attachment(Value, frozen=True):
    """Something that hangs on a post: a file, an item such as an event, or a link. Its content is kept elsewhere.

    `size` is the content's, in bytes.
    """

    id: str
    post: str
    kind: AttachmentKind
    name: str | None
    content_type: str | None
    size: int
    is_inline: bool


class Upload(Value, frozen=True):
    """A file on its way in. Of `size` bytes `received` are stored and `acknowledged` were answered.

    `secret_hash` is the SHA-256 of the secret in its URL, in hexadecimal; `turn` names the PUT that may add to it now.
    It becomes the attachment with its own id.
    """

    id: str
    post: str
    secret_hash: str
    name: str
    content_type: str
    is_inline: bool
    content_id: str | None
    size: int
    acknowledged: int
    received: int
    turn: str | None
    opened_by: str
    by_app: bool
    expires_at: int

    @property
    def finished(self) -> bool:
        """Whether all of it was acknowledged: the attachment is there."""
        return self.acknowledged == self.size


class Place(Value, frozen=True):
    """A thread with its conversation, and where the caller stands in their group: what adding a post rests on."""

    standing: Standing
    thread: Thread
    conversation: Conversation


class Extension(Value, frozen=True):
    """An open extension of a post. `data` is a JSON object as text: its properties beside the name.

    `folded` is the name by which it is told apart from others of the post.
    """

    id: str
    folded: str
    name: str
    data: str


class ExtensionDraft(Value, frozen=True):
    """An open extension to be added or changed: its name and its properties; one that is null is to be removed."""

    name: str
    data: Mapping[str, Any]


class SingleValueDraft(Value, frozen=True):
    """An extended property with one value.

    `key` is `given`, its id as it was sent, in the one spelling by which properties are compared.
    """

    key: str
    given: str
    value: str


class MultiValueDraft(Value, frozen=True):
    """An extended property with several values; `key` and `given` as in `SingleValueDraft`."""

    key: str
    given: str
    values: tuple[str, ...]


class AttachmentDraft(Value, frozen=True, kw_only=True):
    """An attachment to be added. `data` is a file's bytes, or an item's JSON; `link` a reference's, as JSON."""

    kind: AttachmentKind
    name: str
    content_type: str | None
    is_inline: bool = False
    content_id: str | None = None
    content_location: str | None = None
    data: bytes = b""
    link: str | None = None


class PostDraft(Value, frozen=True, kw_only=True):
    """A post to be added: sanitised `content` of the given type, and `preview`, its first words as plain text.

    `words` are those under which its body is found (see `odata.words`); None lets the verb make them.
    """

    content_type: Literal["html", "text"]
    content: str
    preview: str
    words: str | None = None
    sender: Recipient | None = None
    from_: Recipient | None = None
    new_participants: tuple[Recipient, ...] = ()
    categories: tuple[str, ...] = ()
    extensions: tuple[ExtensionDraft, ...] = ()
    single_values: tuple[SingleValueDraft, ...] = ()
    multi_values: tuple[MultiValueDraft, ...] = ()
    attachments: tuple[AttachmentDraft, ...] = ()


class PostAmendment(Value, frozen=True, kw_only=True):
    """What a PATCH of a post changes; None leaves a value as it is. `preview` are the first words of `content`."""

    content_type: Literal["html", "text"] | None = None
    content: str | None = None
    preview: str | None = None
    categories: tuple[str, ...] | None = None


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


ChangeType = Literal["created", "updated", "deleted"]
Watched = Literal["conversation", "thread", "post", "group", "user"]


class Change(Value, frozen=True):
    """An entry of the change log of `group`: `parent` is the thread of a post, the conversation of a thread, the post
    of an attachment or an extension. `by` is who did it.
    """

    group: str
    seq: int
    at: int
    kind: str
    noun: str
    item: str
    by: str | None
    parent: str | None


class Subscription(Value, frozen=True, kw_only=True):
    """Who asked to be told of changes, of what, and where (Graph: subscription).

    `creator` is the directory id of a person or of a service principal, as `creator_kind` says. Without a `group` it
    is about all groups that the creator may see, or about the directory; `parent` narrows posts to one thread.
    `expires_at` and `created_at` are microseconds since the epoch. `certificate` is base64 of an X.509 certificate.
    `by_grant`: only a grant in the group lets the creating application follow it.
    """

    id: str
    application: str
    creator: str
    creator_kind: Literal["person", "app"]
    resource: str
    watched: Watched
    group: str | None
    parent: str | None
    change_types: tuple[ChangeType, ...]
    notification_url: str
    lifecycle_url: str | None
    client_state: str | None
    include_resource_data: bool
    certificate: str | None
    certificate_id: str | None
    tls_version: str | None
    url_app_id: str | None
    expires_at: int
    created_at: int
    reminded_at: int | None = None
    paused_at: int | None = None
    missed_at: int | None = None
    by_grant: bool = False


class Delivery(Value, frozen=True, kw_only=True):
    """An attempt to tell a subscription of something. `at` is in seconds with their fraction.

    `notifications` told of the changes `first_seq` to `last_seq` of `group` (or `wake.DIRECTORY`). `status` is the HTTP
    status of the answer; without one there was none, and `error` says why.
    """

    subscription: str
    id: str
    at: float
    endpoint: str
    kind: Literal["notification", "lifecycle", "replay"]
    group: str | None
    first_seq: int | None
    last_seq: int | None
    notifications: int
    status: int | None
    milliseconds: int
    error: str | None


class SubscriptionDraft(Value, frozen=True, kw_only=True):
    """A subscription that somebody asks for; see `Subscription`. `expires_at` is what is wished for."""

    resource: str
    watched: Watched
    group: str | None
    parent: str | None
    change_types: tuple[ChangeType, ...]
    notification_url: str
    lifecycle_url: str | None
    client_state: str | None
    include_resource_data: bool
    certificate: str | None
    certificate_id: str | None
    tls_version: str
    url_app_id: str | None
    expires_at: int
