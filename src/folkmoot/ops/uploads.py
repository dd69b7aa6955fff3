"""Upload sessions: a file comes in piece by piece, in order, each on disk before it is acknowledged.

A PUT may begin where the last acknowledged one ended, or where the stored bytes end (a cut connection leaves more
stored than was acknowledged). Beginning again at the first forgets what was stored beyond it, so a client that sends
the same range again, because it never heard of it, ends up with that range once. Source: Graph, "Attach large files".
"""

from __future__ import annotations

from msgspec.structs import replace

from folkmoot.model import AttachmentDraft, Caller, Place, Post, Standing, Upload
from folkmoot.ops import access, attachments, grants
from folkmoot.refusals import AttachmentTooLarge, AttachmentTooSmall, NotAllowed, NotFound, RangeWrong, TooManyUploads
from folkmoot.store import attachments as rows
from folkmoot.store import rows as content
from folkmoot.store.db import Snapshot, Tx

MINIMUM = 3 * 1024 * 1024
LIFETIME = 86_400
"""Seconds that a session lives after the last piece that was taken."""

MOST_OPEN = 100
"""Uploads that one person or application may have under way in a group: what they store is nobody's attachment yet."""

LEFT_AFTER = 3_600
"""Seconds after which an upload that took nothing makes room for another one."""

_ENDED_AT_ONCE = 16


def start(
    tx: Tx, place: Place, post: Post, draft: AttachmentDraft, size: int, secret_hash: str, largest: int
) -> Upload:
    """Begin an upload of `size` bytes to `post`. Sessions of the group whose time is over are cleared away.

    Raises what `attachments.add` does; `AttachmentTooLarge` above `largest` bytes; `AttachmentTooSmall` for strict
    applications, for which the cloud has a least size; `TooManyUploads`.
    """
    attachments.may_add(place, post)
    standing = place.standing
    if size > largest:
        raise AttachmentTooLarge(
            f"The file has {size} bytes; this server keeps attachments of {largest} bytes at most.",
            target="attachmentItem.size",
        )
    if standing.caller.profile == "strict" and size < MINIMUM:
        raise AttachmentTooSmall(target="attachmentItem.size")
    rows.end_expired(tx, standing.group, _ENDED_AT_ONCE)
    _make_room(tx, standing)
    upload = Upload(
        id=tx.new_id(),
        post=post.id,
        secret_hash=secret_hash,
        name=draft.name,
        content_type=draft.content_type or "application/octet-stream",
        is_inline=draft.is_inline,
        content_id=draft.content_id,
        size=size,
        acknowledged=0,
        received=0,
        turn=None,
        opened_by=standing.caller.oid,
        by_app=standing.caller.kind == "app",
        expires_at=tx.now + LIFETIME,
    )
    values = {("post_id" if name == "post" else name): getattr(upload, name) for name in upload.__struct_fields__}
    tx.run(rows.ADD_UPLOAD, group_id=standing.group, **values)
    return upload


def _make_room(tx: Tx, standing: Standing) -> None:
    """Raise `TooManyUploads`, unless one of those that the caller has under way was left behind."""
    under_way = rows.open_uploads(tx, standing.group, standing.caller.oid, MOST_OPEN)
    if len(under_way) < MOST_OPEN:
        return
    oldest, expires_at = under_way[0]
    if expires_at > tx.now + LIFETIME - LEFT_AFTER:
        raise TooManyUploads
    rows.end_upload(tx, standing.group, oldest, with_content=True)


def remove_expired(tx: Tx, group: str) -> None:
    """Remove a session of the group whose time is over, with what came of its file; one, for that may be much."""
    content.take_turn(tx, group)
    rows.end_expired(tx, group, 1)


def find(snapshot: Snapshot, group: str, id: str) -> Upload:
    """A session whose time is not over. Raises `NotFound`."""
    found = rows.upload(snapshot, group, id)
    if found is None or found.expires_at <= snapshot.now:
        raise NotFound("The upload session does not exist or has expired; create a new one.")
    return found


def expected(upload: Upload, first: int) -> None:
    """Raise `RangeWrong` unless a PUT may begin at byte `first`."""
    if first not in (upload.acknowledged, upload.received):
        raise RangeWrong(
            f"The range begins at byte {first}; the next byte that is expected is {upload.received}.",
            target="Content-Range",
        )


def take(
    tx: Tx, group: str, id: str, turn: str, first: int, at: int, data: bytes, last: int | None, application: str = ""
) -> Upload:
    """Store `data`, which begins at byte `at` of the file, as part of the PUT `turn` that began at byte `first`.

    `last` is the PUT's last byte when `data` ends it: then all of it is acknowledged, and a whole file becomes an
    attachment. `application` is the client id of the application that began the upload, where it may attach by a grant
    in the group alone. Raises `NotFound`, `RangeWrong` when another PUT has taken over, what `attachments.add` does,
    and `NotAllowed` where that grant was taken back.
    """
    content.take_turn(tx, group)
    upload = find(tx, group, id)
    if at == first:
        expected(upload, first)
        if first < upload.received:
            rows.cut(tx, group, id, first)
    elif upload.turn != turn or upload.received != at:
        raise RangeWrong("Another request has taken over this upload.", target="Content-Range")
    rows.add_content(tx, group, upload.post, id, at, data)
    received = at + len(data)
    taken = replace(
        upload,
        received=received,
        turn=turn,
        acknowledged=upload.acknowledged if last is None else received,
        expires_at=tx.now + LIFETIME,
    )
    rows.advance(tx, group, taken)
    if taken.finished:
        _finish(tx, group, taken, application)
    return taken


def cancel(tx: Tx, group: str, id: str) -> None:
    """Forget an upload and what was stored of it. What it has become stays."""
    upload = find(tx, group, id)
    rows.end_upload(tx, group, id, with_content=not upload.finished)


def _finish(tx: Tx, group: str, upload: Upload, application: str) -> None:
    # Who began the upload may have lost the right to it since.
    who = Caller(
        kind="app" if upload.by_app else "person",
        oid=upload.opened_by,
        tenant="",
        application=application,
        permissions=frozenset(),
        profile="extended",
    )
    if application:
        grants.require(tx, who, group, frozenset((grants.WRITE,)), NotAllowed())
    post = content.post(tx, group, upload.post)
    found = None if post is None else content.place(tx, who, group, post.thread)
    if post is None or found is None or isinstance(found, Standing):
        raise NotFound
    access.read_content(found.standing)
    attachments.may_add(found, post)
    draft = AttachmentDraft(
        kind="file",
        name=upload.name,
        content_type=upload.content_type,
        is_inline=bool(upload.is_inline),
        content_id=upload.content_id,
    )
    attachments.add_row(tx, group, post.conversation, post.thread, post.id, upload.id, draft, upload.size)
    attachments.restate(tx, found, post, "created", upload.id)
