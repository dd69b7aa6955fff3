"""An entry of the delivery log as the wire has it. The cloud has none: the type is this server's own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from folkmoot.graph.describe import Noun, Property, noun, text
from folkmoot.odata.edm import Edm, Field
from folkmoot.store import schema as s
from folkmoot.store.wake import DIRECTORY

_d = s.deliveries.c


def _moment(_: str, seconds: float) -> str:
    """A moment to the millisecond: attempts follow each other within seconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _group(_: str, group: str | None) -> str | None:
    return None if group == DIRECTORY else group


def _number(name: str, column: Any, says: str, *, nullable: bool = False) -> Property:
    described = Field(name=name, type=Edm.INT32, sql=column, nullable=nullable, sort=False, says=says)
    return Property(described, (column,))


DELIVERY: Noun = noun(
    "subscriptionDelivery",
    s.deliveries,
    _d.id,
    Property(Field(name="id", type=Edm.GUID, wire=Edm.STRING, sql=_d.id, nullable=False, sort=False), (_d.id,)),
    Property(
        Field(
            name="attemptedDateTime",
            type=Edm.DATETIME,
            sql=_d.at,
            nullable=False,
            sort=False,
            says="When the attempt ended.",
        ),
        (_d.at,),
        _moment,
    ),
    text("kind", _d.kind, nullable=False, sort=False, says="notification, lifecycle or replay."),
    text("url", _d.endpoint, nullable=False, sort=False, says="Where to."),
    Property(
        Field(
            name="groupId",
            type=Edm.GUID,
            wire=Edm.STRING,
            sql=_d.group_id,
            sort=False,
            says="The group whose changes it told of; null for those of the directory.",
        ),
        (_d.group_id,),
        _group,
    ),
    _number("notificationCount", _d.notifications, "How many notifications of the subscription it held."),
    _number("status", _d.status, "The HTTP status of the answer; null where there was none.", nullable=True),
    _number("durationInMilliseconds", _d.milliseconds, "How long the answer took."),
    text("error", _d.error, sort=False, says="Why there was no answer, or nothing was sent."),
    says="An attempt to tell a subscription of something.",
    base="entity",
)
