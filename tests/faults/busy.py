"""Clients that do everything at once: besides posts they add, upload and delete files, and change threads and posts.

A file's content follows from its name, and each name, topic and category is used once; so what is stored afterwards can
be held against what was tried and what was acknowledged.
"""

from __future__ import annotations

import json
import random
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlsplit

from tests.faults.clients import GROUPS, Answer, Crowd, Memory, ask

EXTENDED = {"Prefer": "folkmoot.profile=extended"}
_LARGEST_UPLOAD = 1_600_000  # two parts of a blob


def content(name: str) -> bytes:
    """The file of that name: a few bytes, or more than one part of a blob where the name says so."""
    chance = random.Random(name)  # noqa: S311  (only varies what is sent)
    if name.endswith(".huge"):
        return chance.randbytes(1_000_000)
    most = _LARGEST_UPLOAD if name.endswith(".large") else 6_000
    return chance.randbytes(chance.randrange(1, most))


class BusyCrowd(Crowd):
    """See above. `memory` is told of all of it."""

    def __init__(self, port: int, tokens: list[str], memory: Memory, name: str) -> None:
        self._own: dict[int, list[dict[str, Any]]] = {}
        super().__init__(port, tokens, memory, name)

    def _turn(
        self, connection: HTTPConnection, chance: random.Random, number: int, token: str, sender: str, text: str
    ) -> None:
        own = self._own.setdefault(number, [])
        dice = chance.random()
        if dice < 0.5:
            super()._turn(connection, chance, number, token, sender, text)
        elif not own or dice < 0.55:
            self._begin(connection, chance, token, sender, text, own)
        elif dice < 0.7:
            self._reply_with_files(connection, chance, token, sender, text)
        else:
            act = chance.choice([self._add_file, self._upload, self._rename, self._categorise, self._delete_file])
            act(connection, token, chance.choice(own), text)

    def _told(self, answer: Answer, *good: int) -> bool:
        if answer.status in good:
            return True
        with self._memory.changed:
            self._memory.others.append((answer.status, answer.retry_after, answer.content))
            self._memory.changed.notify_all()
        return False

    def _begin(
        self,
        connection: HTTPConnection,
        chance: random.Random,
        token: str,
        sender: str,
        text: str,
        own: list[dict[str, Any]],
    ) -> None:
        """Start a conversation of this client's own, and find its post."""
        self._memory.tried[text] = sender
        group = chance.choice(GROUPS)
        body = {"topic": self._name, "threads": [{"posts": [{"body": {"contentType": "text", "content": text}}]}]}
        answer = ask(connection, "POST", f"/groups/{group}/conversations", token, body)
        if not self._told(answer, 201):
            return
        thread = answer.json["threads"][0]["id"]
        with self._memory.changed:
            self._memory.acknowledged[text] = thread
            self._memory.changed.notify_all()
        path = f"/groups/{group}/threads/{quote(thread)}"
        found = ask(connection, "GET", f"{path}/posts?$top=1", token)
        if self._told(found, 200):
            post = found.json["value"][0]["id"]
            own.append({"thread": thread, "path": path, "post": post, "files": [], "broken_off": []})

    def _reply_with_files(
        self, connection: HTTPConnection, chance: random.Random, token: str, sender: str, text: str
    ) -> None:
        if not self._memory.threads:
            return
        group, _, thread = chance.choice(self._memory.threads[-40:])
        names = [f"{text} {n}.txt" for n in range(chance.randint(1, 3))]
        self._memory.tried[text] = sender
        self._memory.tried_files.update(names)
        self._memory.sent_with[text] = names
        post = {"body": {"contentType": "text", "content": text}, "attachments": [_file(name) for name in names]}
        answer = ask(connection, "POST", f"/groups/{group}/threads/{quote(thread)}/reply", token, {"post": post})
        if self._told(answer, 202):
            with self._memory.changed:
                self._memory.acknowledged[text] = thread
                self._memory.files.update(names)
                self._memory.changed.notify_all()

    def _add_file(self, connection: HTTPConnection, token: str, own: dict[str, Any], text: str) -> None:
        name = f"{text}.txt"
        self._memory.tried_files.add(name)
        path = f"{own['path']}/posts/{quote(own['post'])}/attachments"
        answer = ask(connection, "POST", path, token, _file(name))
        if self._told(answer, 201):
            self._memory.files.add(name)
            own["files"].append((name, f"{path}/{quote(answer.json['id'])}"))

    def _upload(self, connection: HTTPConnection, token: str, own: dict[str, Any], text: str) -> None:
        """In three pieces, each acknowledged before the next. Those that were broken off are given up first."""
        while own["broken_off"]:
            if not self._told(_to_session(connection, "DELETE", own["broken_off"][-1]), 204, 404):
                return
            own["broken_off"].pop()
        name = f"{text}.large"
        data = content(name)
        self._memory.tried_files.add(name)
        path = f"{own['path']}/posts/{quote(own['post'])}/attachments"
        item = {"AttachmentItem": {"attachmentType": "file", "name": name, "size": len(data)}}
        session = ask(connection, "POST", f"{path}/createUploadSession", token, item, **EXTENDED)
        if not self._told(session, 201):
            return
        url = urlsplit(session.json["uploadUrl"]).path
        piece = len(data) // 3 + 1
        for start in range(0, len(data), piece):
            part = data[start : start + piece]
            headers = {"Content-Range": f"bytes {start}-{start + len(part) - 1}/{len(data)}"}
            answer = _to_session(connection, "PUT", url, part, headers)
            if not self._told(answer, 200, 201):
                own["broken_off"].append(url)
                return
        if answer.status == 201:
            self._memory.files.add(name)

    def _rename(self, connection: HTTPConnection, token: str, own: dict[str, Any], text: str) -> None:
        self._change(connection, token, own["thread"], own["path"], {"topic": text}, text)

    def _categorise(self, connection: HTTPConnection, token: str, own: dict[str, Any], text: str) -> None:
        path = f"{own['path']}/posts/{quote(own['post'])}"
        self._change(connection, token, own["post"], path, {"categories": [text]}, text)

    def _change(
        self, connection: HTTPConnection, token: str, id: str, path: str, body: dict[str, Any], value: str
    ) -> None:
        self._memory.tried_values.setdefault(id, []).append(value)
        answer = ask(connection, "PATCH", path, token, body, **EXTENDED)
        if self._told(answer, 200, 204):
            self._memory.values[id] = value

    def _delete_file(self, connection: HTTPConnection, token: str, own: dict[str, Any], _: str) -> None:
        if not own["files"]:
            return
        name, path = own["files"].pop()
        self._memory.tried_deletions.add(name)
        if self._told(ask(connection, "DELETE", path, token), 204):
            self._memory.deletions.add(name)


def _to_session(
    connection: HTTPConnection, method: str, url: str, data: bytes | None = None, headers: Mapping[str, str] = {}
) -> Answer:
    """What an upload session answers; its URL is all that it asks for."""
    connection.request(method, url, data, dict(headers))
    with connection.getresponse() as response:
        return Answer(response.status, response.headers["Retry-After"], response.read())


def _file(name: str) -> dict[str, Any]:
    data = b64encode(content(name)).decode()
    return {"@odata.type": "#microsoft.graph.fileAttachment", "name": name, "contentBytes": data}


def digest(name: str) -> str:
    """What a file's content comes to."""
    return sha256(content(name)).hexdigest()


def first_category(stored: str) -> str | None:
    """Of a post's categories as they are stored."""
    found: list[str] = json.loads(stored)
    return found[0] if found else None
