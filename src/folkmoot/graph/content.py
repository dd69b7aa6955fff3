"""Answers with content in them: the JSON around it is made whole, the content itself is sent part by part.

While an answer is made, the place of some content is held by a JSON string that no client could have sent. When the
answer is complete it is cut at these places; what is sent then reads one part of a blob at a time, so neither a large
file nor a page of them is ever in memory.
"""

from __future__ import annotations

import re
import secrets
from base64 import b64encode
from collections import deque
from collections.abc import AsyncIterator
from functools import partial

import msgspec

from folkmoot.graph.envelope import JSON, Answer, Stream, cut, encode
from folkmoot.refusals import NotFound
from folkmoot.store import attachments
from folkmoot.store.db import Store

# What is sent of a part at most.
_LONGEST = 4 * (attachments.PART // 3 + 1)


class Content(msgspec.Struct, frozen=True):
    """The blob `id` of `size` bytes; sent in base64 within quotation marks, or as it is."""

    group: str
    id: str
    size: int
    base64: bool

    @property
    def length(self) -> int:
        """How many bytes are sent for it."""
        return 4 * ((self.size + 2) // 3) + 2 if self.base64 else self.size


# U+0000 cannot be in what is stored, and nobody knows the rest.
_MARK = f'"\\u0000{secrets.token_hex(16)} '
_HOLE = re.compile(re.escape(_MARK.encode()) + rb'([BR]) ([0-9a-f-]{36}) ([0-9a-f-]{36}) (\d+)"')


def hole(content: Content) -> msgspec.Raw:
    """What holds the place of `content` in an answer."""
    kind = "B" if content.base64 else "R"
    return msgspec.Raw(f'{_MARK}{kind} {content.group} {content.id} {content.size}"'.encode())


def filled(answer: Answer, store: Store) -> Answer:
    """The answer with its holes filled, or of content alone; the answer itself where it has none."""
    if isinstance(answer.body, Content):
        return msgspec.structs.replace(answer, body=stream(deque([answer.body]), store))
    raw = encode(answer.body)
    if _MARK.encode() not in raw:
        return answer
    pieces: deque[bytes | Content] = deque()
    start = 0
    for found in _HOLE.finditer(raw):
        kind, group, id, size = found.groups()
        pieces += cut(raw[start : found.start()])
        pieces.append(Content(group.decode(), id.decode(), int(size), kind == b"B"))
        start = found.end()
    pieces += cut(raw[start:])
    return msgspec.structs.replace(answer, body=stream(pieces, store), content_type=JSON)


def stream(pieces: deque[bytes | Content], store: Store) -> Stream:
    """The bytes of `pieces`, which are taken off as they are sent."""
    length = sum(len(piece) if isinstance(piece, bytes) else piece.length for piece in pieces)
    around = sum(len(piece) for piece in pieces if isinstance(piece, bytes))
    part = max((min(piece.length, _LONGEST) for piece in pieces if isinstance(piece, Content)), default=0)

    async def chunks() -> AsyncIterator[bytes]:
        while pieces:
            piece = pieces.popleft()
            if isinstance(piece, bytes):
                yield piece
                continue
            if piece.base64:
                yield b'"'
            async for chunk in _parts(piece, store):
                yield chunk
            if piece.base64:
                yield b'"'

    return Stream(length, chunks, around + part)


class ContentGone(NotFound):
    """An attachment was deleted while it was being sent."""

    # What is being sent must break off, for the rest is not there.


async def _parts(content: Content, store: Store) -> AsyncIterator[bytes]:
    """The content as it is sent. While the client takes a part, only what is left of it is held."""
    at = 0
    rest = b""
    while at < content.size:
        part = await store.read(partial(attachments.part, group=content.group, blob=content.id, at=at), quick=True)
        if part is None:
            raise ContentGone
        at += len(part)
        if content.base64:
            # Parts are of any length; three bytes make four characters.
            part = rest + part
            whole = len(part) - len(part) % 3 if at < content.size else len(part)
            rest = part[whole:]
            part = b64encode(part[:whole])
        left = cut(part)
        del part
        while left:
            yield left.popleft()
