"""Attachments in request bodies: from the structs of `inputs` to what verbs take."""

from __future__ import annotations

import re
from mimetypes import MimeTypes
from typing import Any

import msgspec

from folkmoot.graph import inputs
from folkmoot.graph.depth import require_shallow
from folkmoot.model import AttachmentDraft, AttachmentKind
from folkmoot.refusals import BadBody

# So that a name stays one line of a header, in every alphabet.
LONGEST_NAME = 255
LONGEST_URL = 8192

_KINDS: dict[str, AttachmentKind] = {
    "fileattachment": "file",
    "itemattachment": "item",
    "referenceattachment": "reference",
}
_NAMESPACES = ("", "microsoft.graph", "graph", "microsoft.outlookservices")
_ITEMS = {"event": "event", "contact": "contact", "message": "message"}
# RFC 9110 §8.3.1: type "/" subtype and parameters. What is not of this form could not be sent as a header.
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105
_MEDIA_TYPE = re.compile(rf'{_TOKEN}/{_TOKEN}(?:\s*;\s*{_TOKEN}=(?:{_TOKEN}|"[\x20-\x21\x23-\x5b\x5d-\x7e]*"))*')
_UNKNOWN = "application/octet-stream"
# The table that comes with Python, not that of the machine: the same name means the same everywhere.
_TYPES = MimeTypes(())


def attachment_drafts(given: list[inputs.AttachmentIn] | None, path: str) -> tuple[AttachmentDraft, ...]:
    """The attachments of a post. Raises `BadBody` naming the property at fault; `path` is where they stood."""
    return tuple(attachment_draft(each, f"{path}[{n}]") for n, each in enumerate(given or ()))


def attachment_draft(given: inputs.AttachmentIn, path: str = "") -> AttachmentDraft:
    """One attachment, of the kind that its `@odata.type` names. Raises `BadBody` for a property that is missing."""
    kind = _kind(given.odata_type, path)
    name = _name(given.name, path)
    data, link, content_type = b"", None, _content_type(given.content_type, path)
    if kind == "file":
        if given.content_bytes is None:
            raise _required("contentBytes", path)
        data, content_type = given.content_bytes, content_type or _guessed(name)
    elif kind == "item":
        data = _item(given.item, path)
    else:
        link = _link(given, path)
    return AttachmentDraft(
        kind=kind,
        name=name,
        content_type=content_type,
        is_inline=bool(given.is_inline),
        content_id=_short(given.content_id, "contentId", path),
        content_location=_short(given.content_location, "contentLocation", path),
        data=data,
        link=link,
    )


def upload_draft(given: inputs.UploadSessionIn) -> tuple[AttachmentDraft, int]:
    """The file that is about to be uploaded, and its size in bytes. Raises `BadBody`."""
    item, path = given.attachment_item, "attachmentItem"
    if item.attachment_type is None:
        raise _required("attachmentType", path)
    if item.attachment_type != "file":
        raise BadBody("Only files can be uploaded: attachmentType must be file.", target=f"{path}.attachmentType")
    name = _name(item.name, path)
    if item.size is None:
        raise _required("size", path)
    if item.size < 1:
        raise BadBody("The property 'attachmentItem.size' must be at least 1.", target=f"{path}.size")
    draft = AttachmentDraft(
        kind="file",
        name=name,
        content_type=_content_type(item.content_type, path) or _guessed(name),
        is_inline=bool(item.is_inline),
        content_id=_short(item.content_id, "contentId", path),
    )
    return draft, item.size


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _required(name: str, path: str) -> BadBody:
    where = _at(path, name)
    return BadBody(f"The property '{where}' is required.", target=where)


def _local(type_name: str) -> str:
    """`event` of `#microsoft.graph.event`, in lower case; empty for a type of another namespace."""
    namespace, _, name = type_name.strip().lstrip("#").lower().rpartition(".")
    return name if namespace in _NAMESPACES else ""


def _kind(type_name: str | None, path: str) -> AttachmentKind:
    if type_name is None:
        raise _required("@odata.type", path)
    kind = _KINDS.get(_local(type_name))
    if kind is None:
        where = _at(path, "@odata.type")
        raise BadBody(
            f"The property '{where}' must be #microsoft.graph.fileAttachment, #microsoft.graph.itemAttachment or "
            f"#microsoft.graph.referenceAttachment, not '{type_name[:80]}'.",
            target=where,
        )
    return kind


def _name(name: str | None, path: str) -> str:
    if not name or not name.strip():
        raise _required("name", path)
    return _short(name, "name", path) or ""


def _short(value: str | None, name: str, path: str, at_most: int = LONGEST_NAME) -> str | None:
    if value is not None and len(value) > at_most:
        where = _at(path, name)
        raise BadBody(
            f"The property '{where}' is {len(value)} characters long; at most {at_most} are supported.", target=where
        )
    return value


def _content_type(value: str | None, path: str) -> str | None:
    """As it was given; a client that knows none may send an empty text."""
    found = _short(value, "contentType", path)
    if found and not _MEDIA_TYPE.fullmatch(found):
        where = _at(path, "contentType")
        raise BadBody(f"The property '{where}' must be a MIME type such as text/plain.", target=where)
    return found or None


def _guessed(name: str) -> str:
    return _TYPES.guess_type(name.replace("\\", "/").rpartition("/")[2])[0] or _UNKNOWN


def _item(item: dict[str, Any] | None, path: str) -> bytes:
    """An item as JSON, its type in front and spelt as it is sent."""
    where = _at(path, "item")
    if item is None:
        raise _required("item", path)
    # Of what has no struct the decoder counts no depth.
    require_shallow(item, where, 1 + where.count(".") + where.count("["))
    given = next((value for name, value in item.items() if name.lower() == "@odata.type"), None)
    kind = _ITEMS.get(_local(given)) if isinstance(given, str) else None
    if kind is None:
        raise BadBody(
            f"The property '{where}.@odata.type' must be #microsoft.graph.event, #microsoft.graph.contact or "
            "#microsoft.graph.message.",
            target=f"{where}.@odata.type",
        )
    rest = {name: value for name, value in item.items() if name.lower() != "@odata.type"}
    return msgspec.json.encode({"@odata.type": f"#microsoft.graph.{kind}", **rest})


def _link(given: inputs.AttachmentIn, path: str) -> str:
    url = _short(given.source_url, "sourceUrl", path, LONGEST_URL)
    link = {
        "sourceUrl": url,
        "providerType": _short(given.provider_type, "providerType", path),
        "permission": _short(given.permission, "permission", path),
        "isFolder": given.is_folder == "true" if isinstance(given.is_folder, str) else given.is_folder,
    }
    return msgspec.json.encode({name: value for name, value in link.items() if value is not None}).decode()
