"""Every way Folkmoot says no, one class each. The docstring's first line is the default message.

Verbs raise these; each door has one table that turns a class into its own words (Graph: status and code; mail: SMTP
reply). There are no status codes here.
"""

from __future__ import annotations

from typing import NamedTuple


class Refusal(Exception):
    """The request was refused."""

    def __init__(self, message: str | None = None, *, target: str | None = None) -> None:
        """`message` defaults to the class's docstring; `target` names the offending property, option or clause."""
        self.message = message or (type(self).__doc__ or "").partition("\n")[0].strip()
        self.target = target
        super().__init__(self.message)


# ── who is asking ────────────────────────────────────────────────────────────────────────────────────────────────────
class TokenMissing(Refusal):
    """Access token is empty."""


class TokenInvalid(Refusal):
    """Access token validation failure."""


class NotAllowed(Refusal):
    """Access is denied. Check credentials and try again."""

    def __init__(self, message: str | None = None, *, target: str | None = None, detail: str = "") -> None:
        """`detail` says which permission or place is missing, for those who are told (see the doors)."""
        self.detail = detail
        super().__init__(message, target=target)


class PrivilegeMissing(NotAllowed):
    """Insufficient privileges to complete the operation."""


class SendAsDenied(NotAllowed):
    """The caller may not send as this sender: use an address of the signed-in person, or leave sender out."""


class ThreadLocked(NotAllowed):
    """The thread is locked; no posts can be added until an owner of the group unlocks it."""


class NotOwn(NotAllowed):
    """Only who wrote the post may change it."""


class NotAdmitted(NotAllowed):
    """The access token is genuine, but this server does not know the person or application that it names."""


class PersonRequired(Refusal):
    """/me request is only valid with delegated authentication flow."""


# ── what is asked for ────────────────────────────────────────────────────────────────────────────────────────────────
class NotFound(Refusal):
    """The specified object was not found in the store."""


class NoSuchObject(NotFound):
    """The user, group or other directory object does not exist."""

    def __init__(self, id: str) -> None:
        """`id`: the id or name that was asked for."""
        self.id = id
        super().__init__(
            f"Resource '{id}' does not exist or one of its queried reference-property objects are not present."
        )


class NoSuchSubscription(NotFound):
    """The object was not found."""


class IdMalformed(Refusal):
    """Id is malformed."""


class ObjectIdMalformed(Refusal):
    """An id of a directory object is not a GUID."""

    def __init__(self, id: str) -> None:
        """`id`: what was given."""
        super().__init__(f"Invalid object identifier '{id}'.")


class UnknownSegment(Refusal):
    """Resource not found for the segment."""


class MethodNotAllowed(Refusal):
    """The method is not allowed on this resource."""

    def __init__(self, allowed: tuple[str, ...], message: str | None = None) -> None:
        """`allowed`: the methods that the resource takes, for the `Allow` header (RFC 9110 §15.5.6)."""
        self.allowed = allowed
        super().__init__(message or f"The method is not allowed on this resource; it takes {', '.join(allowed)}.")


class BadClause(Refusal):
    """A query option cannot be evaluated. `target` is the option's name, such as `$filter`."""


class BadExpand(BadClause):
    """A navigation property cannot be expanded. `target` is `$expand`."""


class BadBody(Refusal):
    """The request body is not valid. `target` is the path of the property, such as `threads[0].posts[0].body`."""


class UrlRefused(Refusal):
    """The URL may not be notified."""


class BadHeader(Refusal):
    """A request header cannot be read. `target` is its name."""


class LifetimeWrong(BadBody):
    """A subscription cannot last until then. `target` is `expirationDateTime`."""


class NotValidated(Refusal):
    """Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request."""

    def __init__(self, message: str | None = None, *, target: str | None = None, detail: str = "") -> None:
        """`detail` says what the endpoint did instead, for those who are told (see the doors)."""
        self.detail = detail
        super().__init__(message, target=target)


class TooManySubscriptions(Refusal):
    """There are as many subscriptions as there may be."""


class TooManyUploads(Refusal):
    """There are as many uploads under way as there may be; finish one, or give it up with DELETE on its URL."""


class Unprocessable(Refusal):
    """A property has a value that a new object could not have. `target` is the property."""


class UnsupportedQuery(BadClause):
    """Unsupported Query."""


class SyncStateGone(Refusal):
    """The token is too old, or what the caller may see changed as a whole: start over with the URL in Location."""

    def __init__(self, location: str) -> None:
        """`location`: the URL of a synchronisation from the beginning."""
        self.location = location
        super().__init__()


class NotAcceptable(Refusal):
    """The answer has none of the types that the Accept header asks for."""


class ChangesGone(Refusal):
    """The log does not have the changes any more that were told of: read what is there now, or ask delta."""


class NotReplayable(Refusal):
    """Only attempts that told of changes can be replayed, if they tell the subscription of something today."""


class NotJson(Refusal):
    """The request body must be sent as application/json."""


class CodingUnknown(Refusal):
    """The request body is compressed in a way that this server does not read."""


class BodyTooLarge(Refusal):
    """The request body is larger than this server accepts."""


class DependencyFailed(Refusal):
    """A request of the batch that this one depends on failed; this one was not tried."""

    def __init__(self, id: str) -> None:
        """`id`: the id of the request that failed."""
        super().__init__(f"The request '{id}' that this one depends on failed; this one was not tried.")


class AnswerTooLarge(Refusal):
    """The answers of the batch are too large together; ask for this one by itself, or for smaller pages."""


class Violation(NamedTuple):
    """One rule that a name breaks: a code, why in words, and the property."""

    code: str
    message: str
    target: str


class NameRefused(Refusal):
    """A name breaks a rule of the directory."""

    def __init__(self, violations: tuple[Violation, ...] = ()) -> None:
        """`violations`: each rule that is broken, the first one first."""
        self.violations = violations
        super().__init__(violations[0].message if violations else None)


class Conflict(Refusal):
    """Another object with the same value for a property already exists."""


class NameTaken(Conflict):
    """Something of this name is already there."""


class AttachmentTooSmall(Refusal):
    """An upload session is for files of 3 MB or more; add a smaller one with its contentBytes."""


class AttachmentTooLarge(Refusal):
    """The attachment is larger than this server keeps."""


class RangeWrong(Refusal):
    """The range is not the one that is expected next; a GET on the upload URL tells which one is."""


class Changed(Refusal):
    """The item has changed since it was read: its etag is not the one that If-Match names."""


class KeyReused(Refusal):
    """The Idempotency-Key was used for another request; take a new key for each new request."""


# ── what this server cannot do now ───────────────────────────────────────────────────────────────────────────────────
class Busy(Refusal):
    """The server cannot answer now; try again."""


class TooSlow(Busy):
    """This took longer than the server allows, and was undone: ask for less at once, or try again later."""


class Throttled(Refusal):
    """Please retry again later."""

    def __init__(self, message: str | None = None, *, seconds: int = 1, detail: str = "") -> None:
        """`seconds`: when there is room again; `detail` says which limit it is (see `NotAllowed`)."""
        self.seconds = seconds
        self.detail = detail
        super().__init__(message)


class TooManyAtOnce(Throttled):
    """Application is over its MailboxConcurrency limit."""


class OutcomeUnknown(Refusal):
    """The database went away while it committed; whether this was stored is not known. Look before you try again."""


class StorageFull(Refusal):
    """The server has no room left to store this; nothing was changed."""
