"""The floor: the least that could do the same durable work and send the same answers, as a process of its own.

A raw ASGI function on uvicorn (httptools, uvloop) with hand-written SQL. It decodes the JSON of a request, writes the
rows that the server writes, commits as durably, and answers with the JSON that the server sends. It knows one person,
checks no token, no right and no value, cleans no markup and supports nothing but the measured requests.

    python -m benchmarks.floor PORT (sqlite FILE | postgresql URL)
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import sys
import time
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
import uvloop

from benchmarks import tenant
from benchmarks.floor_sql import FloorPostgres, FloorSqlite, FloorStore, Row

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

_TYPE = b"application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
_ID = "00000000-0000-4000-8000-000000000000"  # where the server makes one for each item of a batch
_ME = {"g": tenant.GROUP, "me": tenant.PERSON, "name": tenant.PERSON_NAME, "address": tenant.PERSON_ADDRESS}
_TO = _encode([{"emailAddress": {"name": tenant.GROUP_NAME, "address": tenant.GROUP_ADDRESS}}]).decode()
_TAG = re.compile(r"<[^>]*>")
_GROUP = tenant.GROUP.encode()
_GROUP_BYTES = bytes.fromhex(tenant.GROUP.replace("-", ""))


class _Body(msgspec.Struct):
    type: str = msgspec.field(name="contentType")
    content: str


class _Post(msgspec.Struct):
    etag: str = msgspec.field(name="@odata.etag")
    id: str
    created: str = msgspec.field(name="createdDateTime")
    modified: str = msgspec.field(name="lastModifiedDateTime")
    key: str = msgspec.field(name="changeKey")
    categories: msgspec.Raw
    received: str = msgspec.field(name="receivedDateTime")
    has_attachments: bool = msgspec.field(name="hasAttachments")
    body: _Body
    from_: dict[str, Any] = msgspec.field(name="from")
    sender: dict[str, Any]
    participants: msgspec.Raw = msgspec.field(name="newParticipants")
    conversation: str = msgspec.field(name="conversationId")
    thread: str = msgspec.field(name="conversationThreadId")


class _Conversation(msgspec.Struct):
    id: str
    topic: str
    has_attachments: bool = msgspec.field(name="hasAttachments")
    delivered: str = msgspec.field(name="lastDeliveredDateTime")
    senders: msgspec.Raw = msgspec.field(name="uniqueSenders")
    preview: str


class _Page(msgspec.Struct, omit_defaults=True):
    context: str = msgspec.field(name="@odata.context")
    next: str = msgspec.field(name="@odata.nextLink", default="")
    value: list[Any] = msgspec.field(default_factory=list)


# ── ids ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _new_id() -> str:
    ms, random = time.time_ns() // 1_000_000, os.urandom(10).hex()
    return f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7{random[:3]}-8{random[3:6]}-{random[6:18]}"


def _bytes(guid: str) -> bytes:
    return bytes.fromhex(guid.replace("-", ""))


def _conversation_id(id: bytes) -> str:
    return urlsafe_b64encode(b"\x00\x04\x24\x00" + _GROUP + b"\x00\x10\x00" + id).decode()


def _thread_id(conversation: bytes, id: bytes) -> str:
    return urlsafe_b64encode(
        b"\x00\x04\x24\x00" + _GROUP + b"\x03\x24\x00\x10\x00" + conversation + b"\x10\x00" + id
    ).decode()


def _guid(raw: bytes) -> str:
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@lru_cache(maxsize=4096)
def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _token(*values: Any) -> str:
    return urlsafe_b64encode(_encode(["00000000", *values])).decode().rstrip("=")


# ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Floor:
    """The application. `port` stands in the links of its answers."""

    def __init__(self, store: FloorStore, port: int) -> None:
        self._store = store
        self._root = f"http://localhost:{port}/v1.0"
        self._group = f"{self._root}/$metadata#groups('{tenant.GROUP}')"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        status, content = 200, b""
        steps = scope["path"].split("/")[4:]
        if scope["method"] == "POST":
            body = _decode((await receive())["body"])
            if not steps:
                content = await self._batch(body["requests"])
            elif steps[0] == "threads":
                status = 202
                await self._reply(steps[1], body["post"])
            else:
                status = 201
                content = await self._create(body)
        elif steps[:1] == ["conversations"]:
            content = await self._conversations(_top(scope))
        elif steps[:1] == ["threads"]:
            content = await self._posts(steps[1], _top(scope))
        else:
            content = b"{}"
        headers = [(b"content-type", _TYPE), (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _create(self, given: Any) -> bytes:
        id, topic, post = _new_id(), given["topic"], given["threads"][0]["posts"][0]["body"]
        values = {"c": id, "t": id, "p": _new_id(), "kind": "created", "topic": topic, "to": _TO}
        await self._store.write("create", _values(post, values))
        raw = _bytes(id)
        key = _conversation_id(raw)
        return (
            f'{{"@odata.context":"{self._group}/conversations/$entity","id":"{key}","threads@odata.context":'
            f"\"{self._group}/conversations('{key.replace('=', '%3D')}')/threads\","
            f'"threads":[{{"id":"{_thread_id(raw, raw)}"}}]}}'
        ).encode()

    async def _reply(self, thread: str, post: Any) -> None:
        raw = urlsafe_b64decode(thread)
        values = {"c": _guid(raw[45:61]), "t": _guid(raw[63:79]), "p": _new_id(), "kind": "updated"}
        await self._store.write("reply", _values(post["body"], values))

    async def _batch(self, items: Any) -> bytes:
        found = await asyncio.gather(*(self._posts(item["url"].split("/")[4], 5) for item in items))
        headers = {"request-id": _ID, "client-request-id": _ID, "OData-Version": "4.0", "Content-Type": _TYPE.decode()}
        return _encode(
            {
                "responses": [
                    {"id": item["id"], "status": 200, "headers": headers, "body": msgspec.Raw(page)}
                    for item, page in zip(items, found, strict=True)
                ]
            }
        )

    async def _posts(self, thread: str, top: int) -> bytes:
        raw = urlsafe_b64decode(thread)
        rows = await self._store.posts(tenant.GROUP, _guid(raw[63:79]), top + 1)
        start = b"\x00\x03\x24\x00" + _GROUP + b"\x00\x46\x00\x00\x00\x00\x00" + raw[63:79] + b"\x07\x00"
        conversation = _conversation_id(raw[45:61])
        road = thread.replace("=", "%3D")
        page = _Page(f"{self._group}/threads('{road}')/posts")
        page.value = [_post(row, start, conversation, thread) for row in rows[:top]]
        if len(rows) > top:
            token = _token(rows[top - 1][4], rows[top - 1][0])
            page.next = f"{self._root}/groups/{tenant.GROUP}/threads/{road}/posts?$top={top}&$skiptoken={token}"
        return _encode(page)

    async def _conversations(self, top: int) -> bytes:
        rows = await self._store.conversations(tenant.GROUP, top + 1)
        page = _Page(f"{self._group}/conversations")
        page.value = [
            _Conversation(
                _conversation_id(_bytes(id)), topic, bool(attached), _iso(at), msgspec.Raw(senders.encode()), preview
            )
            for id, topic, attached, at, senders, preview in rows[:top]
        ]
        if len(rows) > top:
            token = _token(rows[top - 1][0])
            page.next = f"{self._root}/groups/{tenant.GROUP}/conversations?$top={top}&$skiptoken={token}"
        return _encode(page)


def _top(scope: Any) -> int:
    return int(scope["query_string"].rpartition(b"=")[2])


def _values(body: Any, values: dict[str, Any]) -> dict[str, Any]:
    content = body["content"]
    values.update(_ME, type=body["contentType"], content=content, preview=content[:242], now=int(time.time()))
    values["words"] = _TAG.sub(" ", content).lower()
    return values


def _post(row: Row, start: bytes, conversation: str, thread: str) -> _Post:
    (id, version, created, modified, received, attached, type_, content, from_name, from_, sender_name, sender,
     categories, participants, _) = row  # fmt: skip
    key = b64encode(b"\x09\x00\x00\x00\x16\x00\x00\x00" + _GROUP_BYTES + version.to_bytes(6, "big")).decode()
    return _Post(
        f'W/"{key}"',
        urlsafe_b64encode(start + _bytes(id) + b"\x00\x00").decode(),
        _iso(created),
        _iso(modified),
        key,
        msgspec.Raw(categories.encode()),
        _iso(received),
        bool(attached),
        _Body(type_, content),
        {"emailAddress": {"name": from_name, "address": from_}},
        {"emailAddress": {"name": sender_name, "address": sender}},
        msgspec.Raw(participants.encode()),
        conversation,
        thread,
    )


async def _serve(port: int, kind: str, database: str) -> None:
    store: FloorStore = FloorSqlite(Path(database)) if kind == "sqlite" else await FloorPostgres.open(database)
    config = uvicorn.Config(
        Floor(store, port),
        host="127.0.0.1",
        port=port,
        http="httptools",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    gc.freeze()
    await uvicorn.Server(config).serve()


def main(arguments: Sequence[str]) -> None:
    """Serve until SIGTERM."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(int(arguments[0]), arguments[1], arguments[2]))


if __name__ == "__main__":
    main(sys.argv[1:])
