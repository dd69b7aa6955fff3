"""What is there to be asked for: each key of a published path from the server itself, by listing what is above it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import requests
from hypothesis import strategies as st
from schemathesis import Case

from tests.harness import PERSON, ROOT, Answer, Graph, Place
from tests.protocol.rows import EVERYTHING, SUBSCRIPTION

UNKNOWN = "00000000-0000-4000-8000-000000000000"
KEY = re.compile(r"\{([^}]+)\}")

# What is put where something is needed and nothing is yet, by the key that names it. What is not served refuses it.
SEEDS: dict[str, tuple[str, Any]] = {
    "attachment-id": (
        "",
        {"@odata.type": "#microsoft.graph.fileAttachment", "name": "a.txt", "contentBytes": "YQ=="},
    ),
    "extension-id": (
        "",
        {"@odata.type": "#microsoft.graph.openTypeExtension", "extensionName": "org.example.x", "colour": "red"},
    ),
    "directoryObject-id": ("/$ref", {"@odata.id": f"{ROOT}/users/{PERSON['AlexW']}"}),
    "subscription-id": ("", SUBSCRIPTION),
}

POST = {"body": {"contentType": "text", "content": "Hello"}}
# Bodies with which an operation succeeds, by the last step of its path.
BODIES: dict[str, Any] = {
    "conversations": {"topic": "New", "threads": [{"posts": [POST]}]},
    "threads": {"topic": "New", "posts": [POST]},
    "microsoft.graph.reply": {"Post": POST},
    "microsoft.graph.forward": {"ToRecipients": [{"emailAddress": {"address": "a@b.example"}}], "Comment": "x"},
    "{conversationThread-id}": {"isLocked": False, "topic": "Renamed"},
    "$ref": SEEDS["directoryObject-id"][1],
    "attachments": SEEDS["attachment-id"][1],
    "extensions": SEEDS["extension-id"][1],
    "subscriptions": SUBSCRIPTION,
    "{subscription-id}": {"expirationDateTime": SUBSCRIPTION["expirationDateTime"]},
}


def body(path: str, made_up: Any) -> Any:
    """A body that the operation takes, where one is known; what was made up otherwise."""
    return BODIES.get(path.rpartition("/")[2], made_up)


def query(path: str) -> dict[str, str]:
    """The query of a writing operation: the reference that is to be removed, where one is."""
    return {"@id": SEEDS["directoryObject-id"][1]["@odata.id"]} if path.endswith("/$ref") else {}


class Things:
    """A group with something said in it, asked by an owner."""

    def __init__(self, graph: Graph) -> None:
        self._adele = graph.as_("AdeleV", scopes=EVERYTHING)
        self._place = self._begin()

    def _begin(self) -> Place:
        place = self._adele.start("Launch")
        return self._adele.reply(place, "Yes", to_post=True)

    def keys(self, path: str, data: st.DataObject) -> dict[str, str]:
        """Keys for the path that name what is there."""
        if self._adele.get(self._place.post_path()).status != 200:
            self._place = self._begin()
        place = self._place
        found = {
            "group-id": place.group,
            "conversation-id": place.conversation,
            "conversationThread-id": place.thread,
            "post-id": place.post,
        }
        for match in KEY.finditer(path):
            if match[1] not in found:
                above = KEY.sub(lambda key: quote(found.get(key[1], UNKNOWN)), path[: match.start()].rstrip("/"))
                found[match[1]] = data.draw(st.sampled_from(self._listed(above, match[1])))
        return {name: found[name] for name in KEY.findall(path)}

    def _listed(self, above: str, key: str) -> list[str]:
        for _ in range(2):
            listed = self._adele.get(above)
            if listed.status == 200 and listed.json.get("value"):
                return [each.get("id", UNKNOWN) for each in listed.json["value"]]
            if key not in SEEDS:
                break
            tail, body = SEEDS[key]
            self._adele.post(above + tail, body)
        return [UNKNOWN]

    def send(self, case: Case[Any]) -> Answer:
        """Ask what the case asks."""
        given = case.as_transport_kwargs(base_url=ROOT)
        known = {
            name: given[name] for name in ("method", "url", "params", "headers", "json", "data") if given.get(name)
        }
        prepared = requests.Request(**known).prepare()
        content = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body
        assert content is None or isinstance(content, bytes)
        headers = {name: _text(value) for name, value in prepared.headers.items()}
        for name in ("Authorization", "Content-Length", "Host"):
            headers.pop(name, None)
        return self._adele.send(case.method, prepared.url or "", content=content, headers=headers)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
