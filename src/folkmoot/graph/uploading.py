"""Upload URLs: where the bytes of a large attachment come in, outside the Graph surface and without a token.

The URL is the right to it: it holds 32 random bytes, of which only a hash is kept. Where an application may attach by a
grant alone, its client id follows them under the same hash, so that the grant can be asked for at the end. PUT takes a
range, GET tells what is expected next, DELETE forgets the session. A body goes to the disk in pieces as it comes;
neither the file nor a range is ever held. Source: Graph, "Attach large files to Outlook messages or events as
attachments".
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from folkmoot import observe
from folkmoot.graph import ids
from folkmoot.graph.cross_origin import preflight
from folkmoot.graph.describe import iso
from folkmoot.graph.envelope import Answer, failed, refused
from folkmoot.graph.road import Road
from folkmoot.graph.room import Room, Share
from folkmoot.graph.sending import Receive, Send, send_answer
from folkmoot.model import Post, Upload
from folkmoot.observe import log
from folkmoot.ops import uploads
from folkmoot.refusals import BadBody, MethodNotAllowed, NotFound, RangeWrong, Refusal
from folkmoot.store import attachments, rows
from folkmoot.store.db import Snapshot, Store
from folkmoot.store.ids import RandomIds

PATH = "/uploads/"
SECRET_BYTES = 32
_APPLICATION_BYTES = 16

_METHODS = ("GET", "PUT", "DELETE")
# RFC 9110 §14.4; the total must be known.
_RANGE = re.compile(r"\s*bytes\s+(\d{1,15})-(\d{1,15})/(\d{1,15})\s*", re.IGNORECASE)


def new_secret(application: str | None) -> bytes:
    """The secret of a new session. `application`: the client id (a GUID) of the one that opens it by a grant alone."""
    return secrets.token_bytes(SECRET_BYTES) + (b"" if application is None else UUID(application).bytes)


def url(root: str, group: str, upload: str, secret: bytes) -> str:
    """The upload URL of a session, beside the service root `root`."""
    token = urlsafe_b64encode(UUID(group).bytes + UUID(upload).bytes + secret).decode().rstrip("=")
    return f"{root.rpartition('/')[0]}{PATH}{token}"


def _read_url(path: str) -> tuple[str, str, bytes]:
    """Group, upload and secret of a path. Raises `NotFound` for any other text."""
    token = path.removeprefix(PATH)
    try:
        raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (Base64Error, ValueError):
        raise NotFound from None
    if len(raw) - 32 not in (SECRET_BYTES, SECRET_BYTES + _APPLICATION_BYTES):
        raise NotFound
    return str(UUID(bytes=raw[:16])), str(UUID(bytes=raw[16:32])), raw[32:]


class _Session(msgspec.Struct, frozen=True):
    """A session that was found by its URL, with its post. `application` has it by a grant alone; "" where none does."""

    group: str
    upload: Upload
    post: Post
    application: str


class UploadDoor:
    """Serves `/uploads/…`. `root` and `room` are as for the Graph door."""

    def __init__(self, store: Store, *, root: Callable[[Mapping[str, Any], bytes], str], room: Room) -> None:
        self._store = store
        self._room = room
        self._root = root
        self._request_ids = RandomIds()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, in Graph's envelope where it is refused."""
        headers = dict(scope["headers"])
        request_id = self._request_ids.new()
        observe.request_id.set(request_id)
        scope[observe.OPERATION] = "upload"
        client_request_id = headers.get(b"client-request-id", b"").decode("latin-1")[:200] or request_id
        try:
            answer = preflight(scope, headers) or await self._answer(scope, headers, receive)
        except Refusal as refusal:
            answer = refused(refusal, "mail", request_id=request_id, client_request_id=client_request_id)
        except Exception:
            # Not the path: whoever reads the log must not be able to go on with the upload.
            log.exception("request %s failed: %s %s…", request_id, scope["method"], PATH)
            message = f"The server failed unexpectedly; its log holds the reason under request-id {request_id}."
            answer = failed(
                500,
                "generalException",
                message,
                None,
                (),
                request_id=request_id,
                client_request_id=client_request_id,
            )
        await send_answer(answer, request_id, client_request_id, scope, send)

    async def _answer(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes], receive: Receive) -> Answer:
        method = scope["method"]
        if method not in _METHODS:
            raise MethodNotAllowed(_METHODS)
        group, id, secret = _read_url(scope["path"])
        session = await self._store.read(partial(_found, group=group, id=id, secret=secret), quick=True)
        if method == "GET":
            return Answer(200, _state(session.upload))
        if method == "DELETE":
            await self._store.write(lambda tx: uploads.cancel(tx, group, id), key=group)
            return Answer(204)
        observe.under_way["uploads"] += 1
        share = Share(self._room)
        try:
            upload = await self._take(session, headers, receive, share)
        finally:
            share.hold(0)
            observe.under_way["uploads"] -= 1
        if not upload.finished:
            return Answer(200, _state(upload))
        return Answer(201, None, (("Location", _location(self._root(scope, headers.get(b"host", b"")), session)),))

    async def _take(self, session: _Session, headers: Mapping[bytes, bytes], receive: Receive, share: Share) -> Upload:
        """Store the body of a PUT."""
        first, last = _range(headers, session.upload)
        if session.upload.finished:
            # Sent again by a client that has not heard of it; it is there already.
            if last != session.upload.size - 1:
                raise RangeWrong("The upload is finished; nothing more is expected.", target="Content-Range")
            while (await receive()).get("more_body"):
                pass
            return session.upload
        uploads.expected(session.upload, first)
        turn = self._store.ids.new(self._store.clock())
        at, upload = first, session.upload
        async for piece, ended in _pieces(receive, last - first + 1, share):
            upload = await self._store.write(
                partial(
                    uploads.take,
                    group=session.group,
                    id=upload.id,
                    turn=turn,
                    first=first,
                    at=at,
                    data=piece,
                    last=last if ended else None,
                    application=session.application,
                ),
                key=session.group,
            )
            at += len(piece)
        return upload


def _found(snapshot: Snapshot, group: str, id: str, secret: bytes) -> _Session:
    upload = uploads.find(snapshot, group, id)
    if not hmac.compare_digest(hashlib.sha256(secret).hexdigest(), upload.secret_hash):
        raise NotFound
    post = rows.post(snapshot, group, upload.post)
    if post is None:
        raise NotFound
    application = secret[SECRET_BYTES:]
    return _Session(group, upload, post, str(UUID(bytes=application)) if application else "")


def _location(root: str, session: _Session) -> str:
    """The URL of the attachment that the upload has become."""
    group, post = session.group, session.post
    steps = (
        ("groups", group),
        ("threads", ids.thread_id(group, post.conversation, post.thread)),
        ("posts", ids.post_id(group, post.thread, post.id)),
        ("attachments", ids.attachment_id(group, post.thread, post.id, session.upload.id)),
    )
    return f"{root}/{Road(root, steps).path}"


def _state(upload: Upload) -> dict[str, Any]:
    # With its end: the Python SDK's upload task cannot read an open range.
    expected = [] if upload.finished else [f"{upload.received}-{upload.size - 1}"]
    return {"expirationDateTime": iso("", upload.expires_at), "nextExpectedRanges": expected}


def _range(headers: Mapping[bytes, bytes], upload: Upload) -> tuple[int, int]:
    """The first and the last byte that a PUT says it brings."""
    text = headers.get(b"content-range", b"").decode("latin-1")
    found = _RANGE.fullmatch(text)
    if found is None:
        raise BadBody(f"Send the header Content-Range, as in 'bytes 0-3145727/{upload.size}'.", target="Content-Range")
    first, last, total = (int(number) for number in found.groups())
    if total != upload.size:
        raise RangeWrong(f"The session is for a file of {upload.size} bytes, not {total}.", target="Content-Range")
    if not first <= last < total:
        raise RangeWrong(f"There is no range {first}-{last} in a file of {total} bytes.", target="Content-Range")
    declared = headers.get(b"content-length", b"")
    # A range that is finished may come again without its bytes, as the Python SDK sends a file of one range.
    if declared.isdigit() and int(declared) != last - first + 1 and not upload.finished:
        raise _other_length(last - first + 1)
    return first, last


def _other_length(length: int) -> BadBody:
    return BadBody(f"The request body must have the {length} bytes of its range.", target="Content-Length")


async def _pieces(receive: Receive, length: int, share: Share) -> AsyncIterator[tuple[bytes, bool]]:
    """The body in pieces of the size of a part, and whether each is the last. `share` holds what waits.

    Raises `BadBody` when it has not `length` bytes; the pieces before are whole.
    """
    waiting: list[bytes] = []
    held = came = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        more = message.get("more_body", False)
        body = message.get("body", b"")
        waiting.append(body)
        held += len(body)
        came += len(body)
        if came > length:
            raise _other_length(length)
        share.hold(held)
        while held > attachments.PART:
            joined = b"".join(waiting)
            yield joined[: attachments.PART], False
            waiting = [joined[attachments.PART :]]
            held = len(waiting[0])
            share.hold(held)
    whole = b"".join(waiting)
    if came != length:
        # What came is worth keeping: the client goes on where it ends.
        if whole:
            yield whole, False
        raise _other_length(length)
    yield whole, True
