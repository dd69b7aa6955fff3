"""What the rows about attachments do: reads with what belongs to them alone, and writes."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

import msgspec

from folkmoot.graph import ids, uploading
from folkmoot.graph.call import Call, find_post
from folkmoot.graph.content import Content
from folkmoot.graph.describe import iso
from folkmoot.graph.envelope import Answer
from folkmoot.graph.feeds import FEEDS
from folkmoot.graph.plan import plan_for
from folkmoot.graph.read import single
from folkmoot.graph.reads import Count, Page
from folkmoot.model import Attachment, Place, Post
from folkmoot.odata.query import Options
from folkmoot.ops import attachments, uploads
from folkmoot.refusals import BadClause, MethodNotAllowed, NotFound
from folkmoot.store import attachments as rows
from folkmoot.store.db import Snapshot, Tx


def _unfiltered(call: Call, now: int) -> Call:
    """In the cloud `$filter` on attachments is ignored (Graph: known issues); so it is for strict applications.

    One that could not be evaluated is a mistake for either, and refused.
    """
    if call.options.filter is None or call.caller.profile == "extended":
        return call
    plan_for(FEEDS["attachments"], call.options, call.caller, now)
    texts = tuple(pair for pair in call.options.texts if pair[0] != "$filter")
    return msgspec.structs.replace(call, options=msgspec.structs.replace(call.options, filter=None, texts=texts))


class AttachmentPage(Page):
    """A page of a post's attachments."""

    def __call__(self, snapshot: Snapshot, call: Call) -> Answer:
        return super().__call__(snapshot, _unfiltered(call, snapshot.now))


class AttachmentCount(Count):
    """How many attachments a post has."""

    def __call__(self, snapshot: Snapshot, call: Call) -> Answer:
        return super().__call__(snapshot, _unfiltered(call, snapshot.now))


def find_attachment(snapshot: Snapshot, call: Call) -> tuple[Place, Post, Attachment]:
    """The attachment of the path with its post and thread. Raises `NotFound`, also when it hangs on another post."""
    place, post = find_post(snapshot, call)
    group = place.standing.group
    found = rows.attachment(snapshot, group, ids.read_attachment_id(call.keys["attachment"], group))
    if found is None or found.post != post.id:
        raise NotFound
    return place, post, found


# What a browser is told of bytes that somebody sent: to keep them, not to show or to run them.
_KEPT_ASIDE = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; sandbox"),
    ("Cache-Control", "private"),
)


class Value(Page):
    """`/$value`: a file as it is, an item in its Internet form; a reference has none (Graph: get attachment)."""

    def __call__(self, snapshot: Snapshot, call: Call) -> Answer:
        if call.options.texts:
            name = call.options.texts[0][0]
            raise BadClause(f"{name} is not supported on $value, which is sent as it is.", target=name)
        place, _, found = find_attachment(snapshot, call)
        if found.kind == "reference":
            raise MethodNotAllowed((), "A reference attachment has no content of its own.")
        group, name = place.standing.group, found.name or "attachment"
        if found.kind == "file":
            headers = (*_KEPT_ASIDE, ("Content-Disposition", _disposition(name)))
            content = Content(group, found.id, found.size, base64=False)
            return Answer(200, content, headers, found.content_type or "application/octet-stream")
        from folkmoot.mime import items

        # An item came in a request body, so it is short enough to be put into words at once.
        parts, at = [], 0
        while at < found.size:
            part = rows.part(snapshot, group, found.id, at)
            if part is None:
                raise NotFound
            parts.append(part)
            at += len(part)
        text, content_type, ending = items.written(msgspec.json.decode(b"".join(parts)), found.id)
        headers = (*_KEPT_ASIDE, ("Content-Disposition", _disposition(f"{name}{ending}")))
        return Answer(200, text, headers, content_type)

    def quick(self, call: Call) -> bool:
        return False


def _disposition(name: str) -> str:
    """Content-Disposition with the name for every reader (RFC 6266 §5, RFC 8187)."""
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%/' else "_" for c in name)
    encoded = "".join(c for c in name if c.isprintable() and c not in "/\\")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(encoded, safe='', errors='replace')}"


# ── writes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def add_attachment(tx: Tx, call: Call) -> Answer:
    """201 with the attachment, its content included."""
    place, post = find_post(tx, call)
    id = attachments.add(tx, place, post, call.body)
    group = place.standing.group
    key = ids.attachment_id(group, post.thread, post.id, id)
    scope = {"g": group, "p": post.id, "a": id}
    # The road of a collection; `single` wants that of the item.
    road = msgspec.structs.replace(call.road, steps=(*call.road.steps[:-1], ("attachments", key)))
    sent = single(tx, FEEDS["attachment"], Options(), scope, road, call.caller)
    return Answer(201, sent, (("Location", f"{road.root}/{road.path}"),))


def delete_attachment(tx: Tx, call: Call) -> Answer:
    """204."""
    attachments.remove(tx, *find_attachment(tx, call))
    return Answer(204)


def create_upload_session(tx: Tx, call: Call) -> Answer:
    """201 with the session. Its URL holds a secret, of which only the hash is kept."""
    place, post = find_post(tx, call)
    draft, size = call.body
    secret = uploading.new_secret(None if call.lacking is None else call.caller.application)
    hashed = hashlib.sha256(secret).hexdigest()
    upload = uploads.start(tx, place, post, draft, size, hashed, call.largest_attachment)
    root = call.road.root
    return Answer(
        201,
        {
            "@odata.context": f"{root}/$metadata#microsoft.graph.uploadSession",
            "uploadUrl": uploading.url(root, place.standing.group, upload.id, secret),
            "expirationDateTime": iso("", upload.expires_at),
            "nextExpectedRanges": ["0-"],
        },
    )
