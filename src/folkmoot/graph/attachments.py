"""What hangs on posts, described: the three kinds of attachment, and what they have in common."""

from __future__ import annotations

from typing import Any

import msgspec

from folkmoot.graph import ids
from folkmoot.graph.content import Content, hole
from folkmoot.graph.describe import Property, boolean, noun, opaque_id, text, time
from folkmoot.odata.edm import Edm, Field, Nav
from folkmoot.store import schema as s

_a = s.attachments.c


def _common() -> tuple[Property, ...]:
    """What every attachment has (Graph: attachment resource), in the order of the examples."""
    return (
        opaque_id(_a.id, (_a.thread_id, _a.post_id, _a.id), ids.attachment_id, nullable=False),
        time("lastModifiedDateTime", _a.modified_at, says="When it last changed."),
        text("name", _a.name, says="The name of the file, or what the item is called."),
        text("contentType", _a.content_type, says="The MIME type."),
        Property(
            Field(name="size", type=Edm.INT32, sql=_a.size, nullable=False, says="The length of its content in bytes."),
            (_a.size,),
        ),
        boolean("isInline", _a.is_inline, nullable=False, says="Whether the post's text shows it."),
    )


def _bytes(group: str, blob: str, size: int) -> msgspec.Raw:
    return hole(Content(group, blob, size, base64=True))


def _item(group: str, blob: str, size: int) -> msgspec.Raw:
    return hole(Content(group, blob, size, base64=False))


def _link(name: str, type: Edm = Edm.STRING) -> Property:
    """Of a reference what v1.0 takes and does not send: sent where `$select` names it."""

    def render(_: str, link: str | None) -> Any:
        return msgspec.json.decode(link).get(name) if link else None

    described = Field(name=name, type=type, filter=False, sort=False, by_default=False)
    return Property(described, (_a.link,), render)


CONTENT_BYTES = Property(
    Field(name="contentBytes", type=Edm.BINARY, filter=False, sort=False, says="The file, in base64."),
    (_a.id, _a.size),
    _bytes,
)
ITEM = Property(Field(name="item", filter=False, sort=False, by_default=False), (_a.id, _a.size), _item)

ATTACHMENT = noun(
    "attachment", s.attachments, _a.id, *_common(), abstract=True, reads_id={"id": ids.read_attachment_id}
)
FILE = noun(
    "fileAttachment",
    s.attachments,
    _a.id,
    *_common(),
    text("contentId", _a.content_id, says="By what the post's text names it: cid:…"),
    text("contentLocation", _a.content_location, says="Kept as it was sent; nothing uses it."),
    CONTENT_BYTES,
    says="A file.",
    base="attachment",
    has_stream=True,
)
ITEM_ATTACHMENT = noun(
    "itemAttachment",
    s.attachments,
    _a.id,
    *_common(),
    navs=(Nav(name="item", target="outlookItem", many=False, says="The event, contact or message."),),
    says="An event, contact or message.",
    base="attachment",
)
REFERENCE = noun(
    "referenceAttachment",
    s.attachments,
    _a.id,
    *_common(),
    _link("sourceUrl"),
    _link("providerType"),
    _link("permission"),
    _link("isFolder", Edm.BOOLEAN),
    says="A link to a file that is kept elsewhere.",
    base="attachment",
)
KINDS: dict[str, Any] = {"file": FILE, "item": ITEM_ATTACHMENT, "reference": REFERENCE}

# What `$expand` may ask for on an attachment: the item itself, with the type that has it in front.
_CASTS = ("microsoft.graph.itemattachment/", "graph.itemattachment/", "itemattachment/", "")
INSIDE = {f"{cast}item": ITEM for cast in _CASTS}
