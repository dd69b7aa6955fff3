"""What a client may send: one struct for each body of the surface.

Properties that are not here are read-only or unknown, and are left aside (see `body.decode`).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """Base of what is read from a body. Unknown names are dropped before they could be refused (see `decode`)."""


class ItemBodyIn(Body, rename="camel"):
    """itemBody."""

    content_type: Literal["text", "html"] | None = None
    content: str | None = None


class EmailAddressIn(Body):
    """emailAddress."""

    name: str | None = None
    address: str | None = None


class RecipientIn(Body, rename="camel"):
    """recipient."""

    email_address: EmailAddressIn | None = None


class OpenIn(Body):
    """A body of an open type: all of its properties, whatever they are called."""

    given: dict[str, Any]


class SingleValueIn(Body):
    """singleValueLegacyExtendedProperty."""

    id: str
    value: str


class MultiValueIn(Body):
    """multiValueLegacyExtendedProperty."""

    id: str
    value: list[str]


class AttachmentIn(Body, rename="camel"):
    """An attachment of any kind; which one its `@odata.type` says."""

    odata_type: str | None = msgspec.field(name="@odata.type", default=None)
    name: str | None = None
    content_type: str | None = None
    is_inline: bool | None = None
    content_id: str | None = None
    content_location: str | None = None
    content_bytes: bytes | None = None
    item: dict[str, Any] | None = None
    source_url: str | None = None
    provider_type: str | None = None
    permission: str | None = None
    # As text in the published examples.
    is_folder: bool | Literal["true", "false"] | None = None


class AttachmentItemIn(Body, rename="camel"):
    """attachmentItem: what is about to be uploaded."""

    attachment_type: Literal["file", "item", "reference"] | None = None
    name: str | None = None
    size: int | None = None
    content_type: str | None = None
    content_id: str | None = None
    is_inline: bool | None = None


class UploadSessionIn(Body, rename="camel"):
    """The parameter of the action createUploadSession."""

    attachment_item: AttachmentItemIn


class PostIn(Body, rename="camel"):
    """post, as far as a client may set it."""

    body: ItemBodyIn | None = None
    sender: RecipientIn | None = None
    from_: RecipientIn | None = msgspec.field(name="from", default=None)
    new_participants: list[RecipientIn] | None = None
    categories: list[str] | None = None
    odata_type: str | None = msgspec.field(name="@odata.type", default=None)
    attachments: list[AttachmentIn] | None = None
    extensions: list[Any] | None = None
    single_value_extended_properties: list[SingleValueIn] | None = None
    multi_value_extended_properties: list[MultiValueIn] | None = None


class ThreadIn(Body, rename="camel"):
    """conversationThread, as far as a client may set it."""

    topic: str | None = None
    posts: list[PostIn] | None = None
    to_recipients: list[RecipientIn] | None = None
    cc_recipients: list[RecipientIn] | None = None


class ConversationIn(Body, rename="camel"):
    """conversation, as far as a client may set it."""

    topic: str | None = None
    threads: list[ThreadIn] | None = None


class ReplyIn(Body, rename="camel"):
    """The parameter of the action reply."""

    post: PostIn


class ForwardIn(Body, rename="camel"):
    """The parameters of the action forward."""

    to_recipients: list[RecipientIn]
    comment: str | None = None


class ThreadPatchIn(Body, rename="camel"):
    """What a PATCH of a thread may change."""

    topic: str | None = None
    is_locked: bool | None = None


class PostPatchIn(Body, rename="camel", omit_defaults=True):
    """What a PATCH of a post may change. UNSET leaves a value as it is."""

    body: ItemBodyIn | msgspec.UnsetType = msgspec.UNSET
    categories: list[str] | msgspec.UnsetType = msgspec.UNSET


class GrantIn(Body, rename="camel"):
    """resourceSpecificPermissionGrant, as far as a client may set it."""

    client_app_id: str
    permission: str


class SubscriptionIn(Body, rename="camel"):
    """subscription, at creation."""

    resource: str
    change_type: str
    notification_url: str
    expiration_date_time: str
    lifecycle_notification_url: str | None = None
    client_state: str | None = None
    include_resource_data: bool | None = None
    encryption_certificate: str | None = None
    encryption_certificate_id: str | None = None
    latest_supported_tls_version: str | None = None
    notification_url_app_id: str | None = None


class SubscriptionPatchIn(Body, rename="camel"):
    """What a PATCH of a subscription may change, and what it may repeat."""

    expiration_date_time: str | None = None
    encryption_certificate: str | None = None
    encryption_certificate_id: str | None = None
    resource: str | None = None
    change_type: str | None = None
    notification_url: str | None = None
    lifecycle_notification_url: str | None = None
    client_state: str | None = None
    include_resource_data: bool | None = None
    latest_supported_tls_version: str | None = None
    notification_url_app_id: str | None = None


class ReferenceIn(Body):
    """A reference to another object."""

    id: str = msgspec.field(name="@odata.id")


class PasswordIn(Body, rename="camel"):
    """passwordProfile."""

    password: str | None = None


class UserPatchIn(Body, rename="camel", omit_defaults=True):
    """What may be changed of a user. UNSET leaves a value as it is; null clears it."""

    account_enabled: bool | msgspec.UnsetType = msgspec.UNSET
    display_name: str | msgspec.UnsetType = msgspec.UNSET
    mail_nickname: str | msgspec.UnsetType = msgspec.UNSET
    user_principal_name: str | msgspec.UnsetType = msgspec.UNSET
    user_type: Literal["Member", "Guest"] | msgspec.UnsetType | None = msgspec.UNSET
    password_profile: PasswordIn | msgspec.UnsetType | None = msgspec.UNSET
    business_phones: list[str] | msgspec.UnsetType = msgspec.UNSET
    other_mails: list[str] | msgspec.UnsetType = msgspec.UNSET
    given_name: str | msgspec.UnsetType | None = msgspec.UNSET
    surname: str | msgspec.UnsetType | None = msgspec.UNSET
    mail: str | msgspec.UnsetType | None = msgspec.UNSET
    job_title: str | msgspec.UnsetType | None = msgspec.UNSET
    mobile_phone: str | msgspec.UnsetType | None = msgspec.UNSET
    office_location: str | msgspec.UnsetType | None = msgspec.UNSET
    preferred_language: str | msgspec.UnsetType | None = msgspec.UNSET
    department: str | msgspec.UnsetType | None = msgspec.UNSET
    usage_location: str | msgspec.UnsetType | None = msgspec.UNSET


class GroupPatchIn(Body, rename="camel", omit_defaults=True):
    """What may be changed of a group. UNSET leaves a value as it is; null clears it."""

    display_name: str | msgspec.UnsetType = msgspec.UNSET
    mail_nickname: str | msgspec.UnsetType = msgspec.UNSET
    visibility: Literal["Public", "Private", "HiddenMembership"] | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType | None = msgspec.UNSET
    classification: str | msgspec.UnsetType | None = msgspec.UNSET
    preferred_language: str | msgspec.UnsetType | None = msgspec.UNSET
    theme: Literal["Teal", "Purple", "Green", "Blue", "Pink", "Orange", "Red"] | msgspec.UnsetType | None = (
        msgspec.UNSET
    )
    membership_rule: str | msgspec.UnsetType | None = msgspec.UNSET
    membership_rule_processing_state: Literal["On", "Paused"] | msgspec.UnsetType | None = msgspec.UNSET
    members: list[str] | msgspec.UnsetType = msgspec.field(name="members@odata.bind", default=msgspec.UNSET)
    # Only without any of those above (see `senders.changed_alone`).
    allow_external_senders: bool | msgspec.UnsetType = msgspec.UNSET
    auto_subscribe_new_members: bool | msgspec.UnsetType = msgspec.UNSET
    hide_from_address_lists: bool | msgspec.UnsetType = msgspec.UNSET
    hide_from_outlook_clients: bool | msgspec.UnsetType = msgspec.UNSET
    is_subscribed_by_mail: bool | msgspec.UnsetType = msgspec.UNSET
    unseen_count: int | msgspec.UnsetType = msgspec.UNSET


class UserIn(Body, rename="camel"):
    """user, at creation."""

    account_enabled: bool
    display_name: str
    mail_nickname: str
    user_principal_name: str
    password_profile: PasswordIn
    user_type: Literal["Member", "Guest"] | None = None
    business_phones: list[str] | None = None
    other_mails: list[str] | None = None
    given_name: str | None = None
    surname: str | None = None
    mail: str | None = None
    job_title: str | None = None
    mobile_phone: str | None = None
    office_location: str | None = None
    preferred_language: str | None = None
    department: str | None = None
    usage_location: str | None = None


class GroupIn(Body, rename="camel"):
    """group, at creation."""

    display_name: str
    mail_enabled: bool
    mail_nickname: str
    security_enabled: bool
    group_types: list[Literal["Unified", "DynamicMembership"]] | None = None
    description: str | None = None
    visibility: Literal["Public", "Private", "HiddenMembership"] | None = None
    classification: str | None = None
    preferred_language: str | None = None
    theme: Literal["Teal", "Purple", "Green", "Blue", "Pink", "Orange", "Red"] | None = None
    membership_rule: str | None = None
    membership_rule_processing_state: Literal["On", "Paused"] | None = None
    is_assignable_to_role: bool | None = None
    resource_behavior_options: list[str] | None = None
    owners: list[str] | None = msgspec.field(name="owners@odata.bind", default=None)
    members: list[str] | None = msgspec.field(name="members@odata.bind", default=None)


class GroupUpsertIn(GroupPatchIn, rename="camel", omit_defaults=True):
    """A PATCH of a group that may be a creation (`Prefer: create-if-missing`), with what only that can set."""

    mail_enabled: bool | msgspec.UnsetType = msgspec.UNSET
    security_enabled: bool | msgspec.UnsetType = msgspec.UNSET
    group_types: list[Literal["Unified", "DynamicMembership"]] | msgspec.UnsetType = msgspec.UNSET
    is_assignable_to_role: bool | msgspec.UnsetType | None = msgspec.UNSET
    resource_behavior_options: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    owners: list[str] | msgspec.UnsetType = msgspec.field(name="owners@odata.bind", default=msgspec.UNSET)
    unique_name: str | msgspec.UnsetType | None = msgspec.UNSET


# ── questions about directory objects ────────────────────────────────────────────────────────────────────────────────


class ByIdsIn(Body, rename="camel"):
    """The parameters of getByIds."""

    ids: list[str]
    types: list[str] | None = None


class GroupIdsIn(Body, rename="camel"):
    """The parameter of checkMemberGroups."""

    group_ids: list[str]


class ObjectIdsIn(Body, rename="camel"):
    """The parameter of checkMemberObjects."""

    ids: list[str]


class MemberGroupsIn(Body, rename="camel"):
    """The parameter of getMemberGroups and getMemberObjects."""

    security_enabled_only: bool | None = None


class ValidateIn(Body, rename="camel"):
    """The parameters of validateProperties."""

    entity_type: str | None = None
    display_name: str | None = None
    mail_nickname: str | None = None
    on_behalf_of_user_id: str | None = None


class SyncedIn(Body, rename="camel"):
    """The parameter of getAvailableExtensionProperties."""

    is_synced_from_on_premises: bool | None = None
