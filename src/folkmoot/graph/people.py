"""The directory: users and groups, each described once."""

from __future__ import annotations

import struct
from typing import Any
from uuid import UUID

from sqlalchemy import FromClause

from folkmoot.graph import alone
from folkmoot.graph.describe import Noun, Property, Sql, absent, boolean, many, noun, text, time
from folkmoot.odata.edm import Complex, Edm, Field, Nav
from folkmoot.store import schema as s


def folded(name: str, column: Sql, **more: Any) -> Property:
    """Text that is compared without regard to case, as the cloud does for directory objects."""
    return text(name, column, fold=True, **more)


# Complex types of group properties in which this server has nothing to say.
ASSIGNED_LABEL = Complex("assignedLabel", (Field(name="displayName"), Field(name="labelId")))
ASSIGNED_LICENSE = Complex(
    "assignedLicense", (Field(name="disabledPlans", type=Edm.GUID, many=True), Field(name="skuId", type=Edm.GUID))
)
LICENSE_STATE = Complex("licenseProcessingState", (Field(name="state"),))
ON_PREMISES_ATTRIBUTES = Complex(
    "onPremisesExtensionAttributes", tuple(Field(name=f"extensionAttribute{n}") for n in range(1, 16))
)
SERVICE_ERROR = Complex(
    "serviceProvisioningError",
    (
        Field(name="createdDateTime", type=Edm.DATETIME),
        Field(name="isResolved", type=Edm.BOOLEAN),
        Field(name="serviceInstance"),
    ),
)


def security_identifier(_: str, group: str) -> str:
    """The Windows SID of a directory object, which the cloud derives from its id: four numbers of 32 bits."""
    return "S-1-12-1-" + "-".join(str(number) for number in struct.unpack("<4I", UUID(group).bytes_le))


_MEMBER_OF = (
    Nav(name="memberOf", target="directoryObject", contained=False, says="Groups that it is a direct member of."),
    Nav(
        name="transitiveMemberOf", target="directoryObject", contained=False, expand=False, says="Also through groups."
    ),
)


def user_noun(table: FromClause = s.users) -> Noun:
    """The user resource over `table`."""
    u = table.c

    return noun(
        "user",
        table,
        u.id,
        Property(Field(name="id", type=Edm.GUID, wire=Edm.STRING, sql=u.id, nullable=False), (u.id,)),
        many("businessPhones", u.business_phones, nullable=False),
        folded("displayName", u.display_name),
        folded("givenName", u.given_name),
        folded("jobTitle", u.job_title),
        folded("mail", u.mail),
        folded("mobilePhone", u.mobile_phone),
        folded("officeLocation", u.office_location),
        folded("preferredLanguage", u.preferred_language),
        folded("surname", u.surname),
        folded("userPrincipalName", u.user_principal_name),
        boolean("accountEnabled", u.account_enabled, by_default=False),
        folded("mailNickname", u.mail_nickname, by_default=False),
        folded("userType", u.user_type, by_default=False),
        many("proxyAddresses", u.proxy_addresses, nullable=False, by_default=False),
        many("otherMails", u.other_mails, nullable=False, by_default=False),
        time("createdDateTime", u.created_at, by_default=False),
        time("deletedDateTime", u.deleted_at, by_default=False),
        folded("department", u.department, by_default=False),
        folded("usageLocation", u.usage_location, by_default=False),
        navs=(*_MEMBER_OF, Nav(name="ownedObjects", target="directoryObject", contained=False, says="What it owns.")),
        base="directoryObject",
        open=True,
        alternate_keys=("userPrincipalName",),
        says="A person of the organisation, or a guest.",
    )


def group_noun(table: FromClause = s.groups) -> Noun:
    """The group resource over `table`."""
    g = table.c

    return noun(
        "group",
        table,
        g.group_id,
        Property(Field(name="id", type=Edm.GUID, wire=Edm.STRING, sql=g.group_id, nullable=False), (g.group_id,)),
        time("deletedDateTime", g.deleted_at),
        folded("classification", g.classification),
        time("createdDateTime", g.created_at),
        folded("description", g.description),
        folded("displayName", g.display_name),
        absent("expirationDateTime", Edm.DATETIME),
        many("groupTypes", g.group_types, nullable=False),
        boolean("isAssignableToRole", g.is_assignable_to_role),
        folded("mail", g.mail),
        boolean("mailEnabled", g.mail_enabled),
        folded("mailNickname", g.mail_nickname),
        folded("membershipRule", g.membership_rule),
        folded("membershipRuleProcessingState", g.membership_rule_processing_state),
        absent("onPremisesDomainName"),
        absent("onPremisesLastSyncDateTime", Edm.DATETIME),
        absent("onPremisesNetBiosName"),
        absent("onPremisesSamAccountName"),
        absent("onPremisesSecurityIdentifier"),
        absent("onPremisesSyncEnabled", Edm.BOOLEAN),
        absent("preferredDataLocation"),
        folded("preferredLanguage", g.preferred_language),
        many("proxyAddresses", g.proxy_addresses, nullable=False),
        time("renewedDateTime", g.renewed_at),
        many("resourceBehaviorOptions", g.resource_behavior_options, nullable=False),
        many("resourceProvisioningOptions", g.resource_provisioning_options, nullable=False),
        boolean("securityEnabled", g.security_enabled),
        Property(Field(name="securityIdentifier", filter=False, sort=False), (g.group_id,), security_identifier),
        folded("theme", g.theme),
        text("uniqueName", g.unique_name),
        folded("visibility", g.visibility),
        absent("onPremisesProvisioningErrors", many=True),
        *alone.properties(table),
        absent("assignedLabels", ASSIGNED_LABEL, many=True, by_default=False),
        absent("assignedLicenses", ASSIGNED_LICENSE, many=True, by_default=False),
        absent("hasMembersWithLicenseErrors", Edm.BOOLEAN, by_default=False),
        absent("infoCatalogs", many=True, nullable=False, by_default=False),
        absent("isArchived", Edm.BOOLEAN, by_default=False, single=True),
        absent("isManagementRestricted", Edm.BOOLEAN, by_default=False),
        absent("licenseProcessingState", LICENSE_STATE, by_default=False),
        absent("onPremisesExtensionAttributes", ON_PREMISES_ATTRIBUTES, by_default=False),
        absent("organizationId", by_default=False),
        absent("serviceProvisioningErrors", SERVICE_ERROR, many=True, by_default=False),
        absent("welcomeMessageEnabled", Edm.BOOLEAN, by_default=False),
        navs=(
            # CSDL: group/conversations and group/threads are Expandable=false.
            Nav(name="conversations", target="conversation", expand=False, says="The group's conversations."),
            Nav(name="threads", target="conversationThread", expand=False, says="All threads of the group."),
            Nav(name="members", target="directoryObject", contained=False, says="Direct members."),
            Nav(name="owners", target="directoryObject", contained=False, says="Owners, at most 100."),
            Nav(name="transitiveMembers", target="directoryObject", contained=False, expand=False, says="Also nested."),
            *_MEMBER_OF,
            Nav(
                name="permissionGrants",
                target="resourceSpecificPermissionGrant",
                expand=False,
                says="What client applications may do in this group.",
            ),
            Nav(name="acceptedSenders", target="directoryObject", expand=False, says="If any, only they may post."),
            Nav(name="rejectedSenders", target="directoryObject", expand=False, says="They may not post."),
        ),
        base="directoryObject",
        open=True,
        says="A Microsoft 365 group or a security group.",
    )


USER = user_noun()
GROUP = group_noun()
