"""A subscription as the wire has it (Graph: subscription resource type)."""

from __future__ import annotations

from sqlalchemy.sql import ColumnElement

from folkmoot.graph.describe import Noun, Property, absent, boolean, noun, text
from folkmoot.odata.edm import Edm, Field, Nav
from folkmoot.odata.literals import write
from folkmoot.store import schema as s

_c = s.subscriptions.c


def moment(microseconds: int) -> str:
    """A moment as it is sent, to the microsecond: clients compare it with what they asked for."""
    seconds, fraction = divmod(microseconds, 1_000_000)
    whole = write(seconds, Edm.DATETIME).removesuffix("Z")
    return f"{whole}.{fraction:06}Z" if fraction else f"{whole}Z"


def _moment(_: str, microseconds: int) -> str:
    return moment(microseconds)


def _guid(name: str, column: ColumnElement[str], *, nullable: bool = True) -> Property:
    return Property(Field(name=name, type=Edm.GUID, wire=Edm.STRING, sql=column, nullable=nullable), (column,))


def subscription_noun(*, secret: bool) -> Noun:
    """The resource; with `secret` its clientState is kept back, as in lists (Graph: List subscriptions)."""
    client_state = absent("clientState") if secret else text("clientState", _c.client_state, filter=False, sort=False)
    expires = Field(
        name="expirationDateTime", type=Edm.DATETIME, sql=_c.expires_at, nullable=False, filter=False, sort=False
    )
    return noun(
        "subscription",
        s.subscriptions,
        _c.id,
        _guid("id", _c.id, nullable=False),
        text("resource", _c.resource, nullable=False),
        text("applicationId", _c.application),
        text("changeType", _c.change_type, nullable=False),
        client_state,
        text("notificationUrl", _c.notification_url, nullable=False),
        absent("notificationQueryOptions"),
        text("lifecycleNotificationUrl", _c.lifecycle_url),
        Property(expires, (_c.expires_at,), _moment),
        _guid("creatorId", _c.creator),
        boolean("includeResourceData", _c.include_resource_data),
        text("latestSupportedTlsVersion", _c.tls_version),
        # Whoever sent it has it.
        absent("encryptionCertificate", by_default=False),
        text("encryptionCertificateId", _c.certificate_id),
        text("notificationUrlAppId", _c.url_app_id),
        navs=(Nav(name="deliveries", target="subscriptionDelivery", expand=False, says="What it was told, and how."),),
        says="Who is told of changes to a resource, where and until when.",
    )


SUBSCRIPTION = subscription_noun(secret=False)
LISTED = subscription_noun(secret=True)
