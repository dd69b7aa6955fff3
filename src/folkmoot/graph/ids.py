"""Ids of conversations, threads, posts and attachments as the cloud sends them: opaque, URL-safe base64 with padding.

The bytes follow what the published example ids decode to: a header, the group's GUID in ASCII, a mark for the kind and
the GUIDs that lead to the item. A text that is not of this form is malformed (400); one that is, but names nothing or
something of another group, is not found (404).
"""

from __future__ import annotations

from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import repeat
from uuid import UUID

from folkmoot.refusals import IdMalformed, NotFound, ObjectIdMalformed

_CONVERSATION = b"\x00\x04\x24\x00"
_CONVERSATION_MARK = b"\x00\x10\x00"
_THREAD_MARK = b"\x03\x24\x00\x10\x00"
_THREAD_SECOND = b"\x10\x00"
_POST = b"\x00\x03\x24\x00"
_POST_MARK = b"\x00\x46\x00\x00\x00\x00\x00"
_POST_SECOND = b"\x07\x00"
_POST_END = b"\x00\x00"
# One attachment, whose id is 18 bytes long: its own length, and a GUID.
_ATTACHMENT_MARK = b"\x01\x12\x00\x10\x00"


# The same few groups, threads and versions stand on every line of a page, so what they become is remembered.
_REMEMBERED = 8192


def _bytes(guid: str) -> bytes:
    return bytes.fromhex(guid.replace("-", ""))


@lru_cache(maxsize=_REMEMBERED)
def conversation_id(group: str, id: str) -> str:
    """80 characters, one of padding."""
    return urlsafe_b64encode(_CONVERSATION + group.encode() + _CONVERSATION_MARK + _bytes(id)).decode()


@lru_cache(maxsize=_REMEMBERED)
def thread_id(group: str, conversation: str, id: str) -> str:
    """108 characters, two of padding."""
    return urlsafe_b64encode(
        _CONVERSATION + group.encode() + _THREAD_MARK + _bytes(conversation) + _THREAD_SECOND + _bytes(id)
    ).decode()


@lru_cache(maxsize=_REMEMBERED)
def _post_start(group: str, thread: str) -> bytes:
    return _POST + group.encode() + _POST_MARK + _bytes(thread) + _POST_SECOND


@lru_cache(maxsize=_REMEMBERED)
def _post_start_text(group: str, thread: str) -> tuple[str, bytes]:
    """The start in base64, as far as three bytes make four characters, and the bytes that are left of it."""
    start = _post_start(group, thread)
    whole = len(start) - len(start) % 3
    return urlsafe_b64encode(start[:whole]).decode(), start[whole:]


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def post_id(group: str, thread: str, id: str) -> str:
    """112 characters, one of padding."""
    text, rest = _post_start_text(group, thread)
    raw = rest + bytes.fromhex(id.replace("-", "")) + _POST_END
    return text + b2a_base64(raw, newline=False).translate(_URL_SAFE).decode()


def post_ids(group: str, threads: Sequence[str], ids: Sequence[str]) -> Iterable[str]:
    """The same for the posts of a page: those of one thread are encoded in one go."""
    if threads.count(threads[0]) != len(threads):
        return map(post_id, repeat(group), threads, ids)
    text, rest = _post_start_text(group, threads[0])
    # A byte more for each, so that each is a whole number of characters, of which the last becomes padding.
    between = f"{_POST_END.hex()}00{rest.hex()}"
    raw = bytes.fromhex(f"{rest.hex()}{between.join(ids)}{_POST_END.hex()}00".replace("-", ""))
    encoded = b2a_base64(raw, newline=False).translate(_URL_SAFE).decode()
    return [f"{text}{encoded[at : at + 27]}=" for at in range(0, len(encoded), 28)]


def attachment_id(group: str, thread: str, post: str, id: str) -> str:
    """140 characters, one of padding; the bytes begin with those of the post's id."""
    owner = _post_start(group, thread) + _bytes(post) + _POST_END
    return urlsafe_b64encode(owner + _ATTACHMENT_MARK + _bytes(id)).decode()


@lru_cache(maxsize=_REMEMBERED)
def change_key(group: str, version: int) -> str:
    """A post's version tag, in the standard base64 alphabet as in the examples; 40 characters."""
    return b64encode(b"\x09\x00\x00\x00\x16\x00\x00\x00" + _bytes(group) + version.to_bytes(6, "big")).decode()


def read_change_key(text: str, group: str) -> int:
    """The version that a `changeKey` tells of. Raises `IdMalformed` for a text that is none."""
    try:
        raw = b64decode(text.encode("ascii"), validate=True)
    except (Base64Error, ValueError):
        raise IdMalformed from None
    version = int.from_bytes(raw[24:], "big")
    if len(raw) != 30 or change_key(group, version) != text:
        raise IdMalformed
    return version


def _guid_at(raw: bytes, start: int) -> str:
    return str(UUID(bytes=raw[start : start + 16]))


def _decode(text: str, group: str, length: int, header: bytes, mark: bytes) -> bytes:
    try:
        raw = urlsafe_b64decode(text.encode("ascii"))
    except (Base64Error, ValueError):
        raise IdMalformed from None
    if len(raw) != length or raw[:4] != header or raw[40 : 40 + len(mark)] != mark:
        raise IdMalformed
    # Another spelling of the same bytes is not an id that was handed out.
    if urlsafe_b64encode(raw).decode() != text:
        raise IdMalformed
    if raw[4:40] != group.encode():
        raise NotFound
    return raw


@lru_cache(maxsize=_REMEMBERED)
def read_conversation_id(text: str, group: str) -> str:
    """The conversation's GUID. Raises `IdMalformed`, or `NotFound` for an id of another group."""
    return _guid_at(_decode(text, group, 59, _CONVERSATION, _CONVERSATION_MARK), 43)


@lru_cache(maxsize=_REMEMBERED)
def read_thread_id(text: str, group: str) -> str:
    """The thread's GUID. Raises `IdMalformed`, or `NotFound` for an id of another group."""
    return _guid_at(_decode(text, group, 79, _CONVERSATION, _THREAD_MARK), 63)


@lru_cache(maxsize=_REMEMBERED)
def read_post_id(text: str, group: str) -> str:
    """The post's GUID. Raises `IdMalformed`, or `NotFound` for an id of another group."""
    return _guid_at(_decode(text, group, 83, _POST, _POST_MARK), 65)


def read_attachment_id(text: str, group: str) -> str:
    """The attachment's GUID. Raises `IdMalformed`, or `NotFound` for an id of another group."""
    raw = _decode(text, group, 104, _POST, _POST_MARK)
    if raw[83:88] != _ATTACHMENT_MARK:
        raise IdMalformed
    return _guid_at(raw, 88)


def read_any(reader: Callable[[str, str], str | int], text: str) -> str | int:
    """Read an id or a changeKey of whatever group it names, with one of the readers above."""
    try:
        if reader is read_change_key:
            group = _guid_at(b64decode(text.encode("ascii")), 8)
        else:
            group = urlsafe_b64decode(text.encode("ascii"))[4:40].decode("ascii")
    except (Base64Error, ValueError):
        raise IdMalformed from None
    return reader(text, group)


def guid(text: str) -> str | None:
    """`text` as a canonical GUID, or None when it is none."""
    # What is asked for is remembered, and it may be as long as a body.
    return _known_guid(text) if len(text) == 36 else None


@lru_cache(maxsize=_REMEMBERED)
def _known_guid(text: str) -> str | None:
    try:
        return str(UUID(text))
    except ValueError:
        return None


def directory_id(text: str) -> str:
    """The GUID of a directory object. Raises `ObjectIdMalformed`."""
    found = guid(text)
    if found is None:
        raise ObjectIdMalformed(text[:64])
    return found
