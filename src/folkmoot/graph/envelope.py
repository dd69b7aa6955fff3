"""Answers: their headers, and refusals in Graph's words. The one table of statuses and codes.

Source: Microsoft Graph error responses; the codes of mail items are Exchange's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from folkmoot import refusals as r
from folkmoot.model import Profile

Area = Literal["mail", "directory"]

JSON = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"

encode = msgspec.json.Encoder().encode


# The HTTP server keeps what it is given until the last byte of it is taken, and over TLS it counts nothing of what it
# encrypted at once; so it is given no more than this.
PIECE = 65_536


class Stream(msgspec.Struct, frozen=True):
    """A body of `length` bytes that is made while it is sent. `chunks` may be called once; each has `PIECE` at most.

    `holds` is how many bytes of it are in memory at a time, at most.
    """

    length: int
    chunks: Callable[[], AsyncIterator[bytes]]
    holds: int

    async def whole(self) -> bytes:
        """All of it at once, for those who cannot send it as it comes; it may be very long."""
        return b"".join([chunk async for chunk in self.chunks()])


def cut(content: bytes) -> deque[bytes]:
    """`content` in pieces, which are taken off one after the other, so that only what is left is kept."""
    return deque(content[at : at + PIECE] for at in range(0, len(content), PIECE))


def in_pieces(content: bytes) -> Stream:
    """`content`, of which only what is still to be sent is kept."""
    pieces = cut(content)

    async def chunks() -> AsyncIterator[bytes]:
        while pieces:
            yield pieces.popleft()

    return Stream(len(content), chunks, len(content))


class Events:
    """A body of server-sent events, which ends when one of the two has had enough.

    `patience` is how many seconds the client has to take what is sent.
    """

    patience: float

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """What is sent; may be called once. Nothing happens before it is."""
        raise NotImplementedError

    def gone(self) -> None:
        """The client has gone."""
        raise NotImplementedError

    def sending(self, limit: asyncio.Timeout | None) -> None:
        """Something is being sent within this limit; None once it is."""
        raise NotImplementedError


class Answer(msgspec.Struct, frozen=True):
    """What is sent back.

    `body` is a JSON value, text (a count), bytes or a `Stream` of the type `content_type`, `Events`, or None for no
    body at all. Where there is a `rest` there is no answer yet: the next transaction is to go on with that.
    """

    status: int
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str | None = None
    rest: Any = None


# Refusal → status, code for conversations and below, code for directory objects.
_TABLE: dict[type[r.Refusal], tuple[int, str, str]] = {
    r.TokenMissing: (401, "InvalidAuthenticationToken", "InvalidAuthenticationToken"),
    r.TokenInvalid: (401, "InvalidAuthenticationToken", "InvalidAuthenticationToken"),
    r.PrivilegeMissing: (403, "Authorization_RequestDenied", "Authorization_RequestDenied"),
    r.SendAsDenied: (403, "ErrorSendAsDenied", "ErrorSendAsDenied"),
    r.NotAdmitted: (403, "ErrorAccessDenied", "Authorization_IdentityNotFound"),
    r.NotAllowed: (403, "ErrorAccessDenied", "Authorization_RequestDenied"),
    r.PersonRequired: (400, "BadRequest", "BadRequest"),
    r.NoSuchSubscription: (404, "ResourceNotFound", "ResourceNotFound"),
    r.NoSuchObject: (404, "Request_ResourceNotFound", "Request_ResourceNotFound"),
    r.NotFound: (404, "ErrorItemNotFound", "Request_ResourceNotFound"),
    r.IdMalformed: (400, "ErrorInvalidIdMalformed", "Request_BadRequest"),
    r.ObjectIdMalformed: (400, "Request_BadRequest", "Request_BadRequest"),
    r.UnknownSegment: (400, "BadRequest", "BadRequest"),
    r.MethodNotAllowed: (405, "Request_BadRequest", "Request_BadRequest"),
    r.Unprocessable: (422, "Request_UnprocessableEntity", "Request_UnprocessableEntity"),
    r.UnsupportedQuery: (400, "Request_UnsupportedQuery", "Request_UnsupportedQuery"),
    r.SyncStateGone: (410, "syncStateNotFound", "resyncRequired"),
    r.ChangesGone: (409, "resyncRequired", "resyncRequired"),
    r.NotReplayable: (409, "invalidRequest", "invalidRequest"),
    r.BadExpand: (400, "ExpandNotSupported", "ExpandNotSupported"),
    r.BadClause: (400, "ErrorInvalidUrlQuery", "Request_BadRequest"),
    r.BadBody: (400, "BadRequest", "Request_BadRequest"),
    # The codes of a service behind the cloud's door, which it hands on.
    r.UrlRefused: (400, "ValidationError", "ValidationError"),
    r.NotValidated: (400, "ValidationError", "ValidationError"),
    r.LifetimeWrong: (400, "ExtensionError", "ExtensionError"),
    r.TooManySubscriptions: (403, "quotaLimitReached", "quotaLimitReached"),
    r.TooManyUploads: (403, "quotaLimitReached", "quotaLimitReached"),
    r.BadHeader: (400, "BadRequest", "Request_BadRequest"),
    r.NotAcceptable: (406, "NotAcceptable", "Request_NotAcceptable"),
    r.NotJson: (415, "UnsupportedMediaType", "Request_UnsupportedMediaType"),
    r.CodingUnknown: (415, "UnsupportedMediaType", "Request_UnsupportedMediaType"),
    r.BodyTooLarge: (413, "RequestEntityTooLarge", "Request_EntityTooLarge"),
    r.DependencyFailed: (424, "FailedDependency", "FailedDependency"),
    r.AnswerTooLarge: (413, "ResponseTooLarge", "ResponseTooLarge"),
    r.NameTaken: (409, "nameAlreadyExists", "nameAlreadyExists"),
    r.AttachmentTooSmall: (
        400,
        "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize",
        "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize",
    ),
    r.AttachmentTooLarge: (400, "ErrorAttachmentSizeLimitExceeded", "ErrorAttachmentSizeLimitExceeded"),
    r.RangeWrong: (416, "invalidRange", "invalidRange"),
    # The generic code for a failed precondition; for Outlook items the documentation names none.
    r.Changed: (412, "resourceModified", "resourceModified"),
    r.KeyReused: (422, "Request_UnprocessableEntity", "Request_UnprocessableEntity"),
    r.NameRefused: (422, "Request_UnprocessableEntity", "Request_UnprocessableEntity"),
    r.Conflict: (400, "Request_BadRequest", "Request_BadRequest"),
    # The cloud's own code, where a question to a mailbox takes too long.
    r.TooSlow: (504, "UnknownError", "UnknownError"),
    r.Busy: (503, "serviceNotAvailable", "serviceNotAvailable"),
    r.TooManyAtOnce: (429, "ApplicationThrottled", "ApplicationThrottled"),
    r.Throttled: (429, "TooManyRequests", "TooManyRequests"),
    # Not 503 or 504: clients would send it again by themselves, and it may be there.
    r.OutcomeUnknown: (500, "generalException", "generalException"),
    r.StorageFull: (507, "quotaLimitReached", "quotaLimitReached"),
}
_FILTER_CODE = "ErrorInvalidUrlQueryFilter"


def refused(
    refusal: r.Refusal, area: Area, *, request_id: str, client_request_id: str, profile: Profile = "strict"
) -> Answer:
    """A refusal as Graph sends it: the envelope that every client reads.

    What exactly was missing is told to extended applications; strict ones hear the cloud's bare sentence.
    """
    status, mail, directory = next(_TABLE[kind] for kind in type(refusal).__mro__ if kind in _TABLE)
    code = mail if area == "mail" else directory
    if code == "ErrorInvalidUrlQuery" and refusal.target == "$filter":
        code = _FILTER_CODE
    headers: tuple[tuple[str, str], ...] = ()
    if isinstance(refusal, (r.TokenMissing, r.TokenInvalid)):
        # RFC 6750 §3. No claims= part: an SDK would answer that with a fresh token and a second try.
        headers = (("WWW-Authenticate", _challenge(refusal)),)
    elif isinstance(refusal, r.MethodNotAllowed):
        headers = (("Allow", ", ".join(refusal.allowed)),)
    elif isinstance(refusal, r.SyncStateGone):
        headers = (("Location", refusal.location),)
    elif isinstance(refusal, r.TooSlow):
        # What was too long will be so again for a while.
        headers = (("Retry-After", "10"),)
    elif isinstance(refusal, r.Busy):
        headers = (("Retry-After", "1"),)
    elif isinstance(refusal, r.Throttled):
        # Whole seconds: SDKs read nothing else.
        headers = (("Retry-After", str(refusal.seconds)),)
    message = refusal.message
    if profile == "extended" and isinstance(refusal, (r.NotAllowed, r.NotValidated, r.Throttled)) and refusal.detail:
        message = f"{message} {refusal.detail}"
    return failed(
        status,
        code,
        message,
        refusal.target,
        headers,
        request_id=request_id,
        client_request_id=client_request_id,
        details=[each._asdict() for each in refusal.violations] if isinstance(refusal, r.NameRefused) else (),
    )


def failed(
    status: int,
    code: str,
    message: str,
    target: str | None,
    headers: tuple[tuple[str, str], ...],
    *,
    request_id: str,
    client_request_id: str,
    details: Sequence[Mapping[str, str]] = (),
) -> Answer:
    """An error in Graph's envelope."""
    error: dict[str, Any] = {"code": code, "message": message}
    if target:
        error["target"] = target
    if details:
        error["details"] = details
    error["innerError"] = {
        # Without a zone, as the cloud writes it here.
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "request-id": request_id,
        "client-request-id": client_request_id,
    }
    return Answer(status, {"error": error}, headers)


def _challenge(refusal: r.Refusal) -> str:
    text = 'Bearer realm="folkmoot"'
    if isinstance(refusal, r.TokenInvalid):
        text += ', error="invalid_token"'
    return text
