"""Bodies that cannot be taken: 400 naming the property's path, 413 too large, 415 another content type."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import msgspec
import pytest

from tests.harness import GROUP, PERSON, Answer, Graph, recipient
from tests.protocol.library import Library
from tests.protocol.rows import EVERYTHING, NEW_GROUP, NEW_USER, REFERENCE, REQUESTS, Request, case, each
from tests.protocol.shapes import refused

WITH_BODY = [request for request in REQUESTS if request.body is not None]
CREATE = next(request for request in REQUESTS if request.row == "POST group/conversations")
MAX_BODY = 4 * 1024 * 1024


def code(request: Request) -> str:
    return "BadRequest" if request.mail else "Request_BadRequest"


def send(library: Library, request: Request, body: Any, **headers: str) -> Answer:
    """As somebody who may do it."""
    who = "admin" if request.row in ("POST users", "PATCH user") else "AdeleV"
    client = library.as_(who, scopes=EVERYTHING)
    return client.with_body(request.method, request.path(library.launch), body, {**(request.headers or {}), **headers})


# ── what is no JSON object ───────────────────────────────────────────────────────────────────────────────────────────

NO_JSON = {
    "cut short": b'{"topic":',
    "no JSON": b"topic=x",
    "no closing quote": b'{"topic": "x}',
    "a comma too many": b'{"topic": "x",}',
    "two values": b"{} {}",
    "a comment": b"{} // x",
    "single quotes": b"{'topic': 'x'}",
    "not a number": b'{"x": NaN}',
    "two byte order marks": b"\xef\xbb\xbf\xef\xbb\xbf{}",
    "UTF-16": '{"topic": "x"}'.encode("utf-16"),
    "Latin-1": '{"topic": "é"}'.encode("latin-1"),
    "invalid UTF-8": b'{"topic": "\xc3\x28"}',
    "overlong UTF-8": b'{"topic": "\xc0\xaf"}',
    "a raw surrogate": b'{"topic": "\xed\xa0\x80"}',
    "half a surrogate pair": b'{"topic": "\\ud83d"}',
    "a pair the wrong way round": b'{"topic": "\\ude00\\ud83d"}',
    "a control character": b'{"topic": "a\x01b"}',
    "a number beyond all": b'{"x": 1e999}',
    "a long number": b'{"x": ' + b"9" * 5000 + b"}",
    "deeply nested lists": b"[" * 100_000,
    "deeply nested objects": b'{"a":' * 100_000,
    "deeply nested and closed": b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "a list": b"[]",
    "a list of objects": b'[{"topic": "x"}]',
    "null": b"null",
    "a text": b'"topic"',
    "a number": b"1",
    "true": b"true",
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in NO_JSON.items()])
def test_what_is_no_json_object(any_library: Library, body: bytes) -> None:
    for request in WITH_BODY:
        refused(send(any_library, request, body, Content_Type="application/json"), 400, code(request))


@pytest.mark.parametrize("depth", [66, 500])
def test_what_is_nested_too_deeply_is_named(any_library: Library, depth: int) -> None:
    body = b'{"x":' + b"[" * depth + b"]" * depth + b"}"
    for request in WITH_BODY:
        answer = send(any_library, request, body, Content_Type="application/json")
        assert (answer.target or "").startswith("x[0][0]"), answer
        refused(answer, 400, code(request), answer.target)


@pytest.mark.parametrize(
    "content_type",
    "text/plain application/xml application/x-www-form-urlencoded multipart/form-data x */*".split(),  # noqa: SIM905
)
def test_what_does_not_come_as_json(any_library: Library, content_type: str) -> None:
    for request in WITH_BODY:
        answer = send(any_library, request, msgspec.json.encode(request.body), Content_Type=content_type)
        expected = "UnsupportedMediaType" if request.mail else "Request_UnsupportedMediaType"
        message = refused(answer, 415, expected)
        assert content_type in message


@each(WITH_BODY)
def test_what_is_too_large(any_library: Library, request_: Request) -> None:
    expected = "RequestEntityTooLarge" if request_.mail else "Request_EntityTooLarge"
    body = b'{"x":"' + b"y" * MAX_BODY + b'"}'
    message = refused(send(any_library, request_, body, Content_Type="application/json"), 413, expected)
    assert str(MAX_BODY) in message
    # Also when nothing says beforehand how much will come, or it says too little.
    path = f"/v1.0{request_.path(any_library.launch)}".encode()
    token = (any_library.as_("admin", scopes=EVERYTHING).token or "").encode()
    for length in ([], [(b"content-length", b"2")], [(b"content-length", b"many")]):
        headers = [(b"authorization", b"Bearer " + token), (b"content-type", b"application/json"), *length]
        headers += [(name.lower().encode(), value.encode()) for name, value in (request_.headers or {}).items()]
        parts = [body[at : at + MAX_BODY // 4] for at in range(0, len(body), MAX_BODY // 4)]
        answer = any_library.graph.send_raw(request_.method, path, headers=headers, parts=parts)
        refused(answer, 413, expected)


# ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────────

_POST: list[tuple[dict[str, Any], str]] = [
    ({"body": "x"}, "body"),
    ({"body": []}, "body"),
    ({"body": [{"content": "x"}]}, "body"),
    ({"body": {"content": 1}}, "body.content"),
    ({"body": {"content": ["x"]}}, "body.content"),
    ({"body": {"content": {"x": 1}}}, "body.content"),
    ({"body": {"contentType": "rtf", "content": "x"}}, "body.contentType"),
    ({"body": {"contentType": "", "content": "x"}}, "body.contentType"),
    ({"body": {"contentType": 1, "content": "x"}}, "body.contentType"),
    ({"body": {"content": "a\0b"}}, "body.content"),
    ({"body": {"contentType": "html\0", "content": "x"}}, "body.contentType"),
    ({"sender": "AdeleV"}, "sender"),
    ({"sender": []}, "sender"),
    ({"sender": {"emailAddress": "x"}}, "sender.emailAddress"),
    ({"sender": {"emailAddress": {"address": 1}}}, "sender.emailAddress.address"),
    ({"sender": {"emailAddress": {"address": "nobody"}}}, "sender.emailAddress.address"),
    ({"sender": {}}, "sender.emailAddress.address"),
    ({"from": 1}, "from"),
    ({"from": {"emailAddress": {"name": "x"}}}, "from.emailAddress.address"),
    ({"newParticipants": {}}, "newParticipants"),
    ({"newParticipants": "x"}, "newParticipants"),
    ({"newParticipants": recipient("AlexW")}, "newParticipants"),
    ({"newParticipants": [None]}, "newParticipants[0]"),
    ({"newParticipants": [recipient("AlexW"), []]}, "newParticipants[1]"),
    ({"newParticipants": [{"emailAddress": None}]}, "newParticipants[0].emailAddress.address"),
    ({"newParticipants": [{"emailAddress": {"address": ""}}]}, "newParticipants[0].emailAddress.address"),
    ({"newParticipants": [{"emailAddress": {"address": "a b@c"}}]}, "newParticipants[0].emailAddress.address"),
    ({"newParticipants": [{"emailAddress": {"address": "<a@b>"}}]}, "newParticipants[0].emailAddress.address"),
    ({"newParticipants": [{"emailAddress": {"address": "a@b\r\nBcc: x"}}]}, "newParticipants[0].emailAddress.address"),
    ({"newParticipants": [{"emailAddress": {"name": 5, "address": "a@b"}}]}, "newParticipants[0].emailAddress.name"),
    ({"newParticipants": [{"emailAddress": {"name": "\0", "address": "a@b"}}]}, "newParticipants[0].emailAddress.name"),
    ({"categories": "x"}, "categories"),
    ({"categories": {}}, "categories"),
    ({"categories": [1]}, "categories[0]"),
    ({"categories": ["x", ["y"]]}, "categories[1]"),
    ({"categories": ["x", "\0"]}, "categories[1]"),
    ({"sender": {"emailAddress": {"name": "x" * 1_022, "address": "a@b"}}}, "sender.emailAddress"),
    ({"newParticipants": [{"emailAddress": {"address": f"{'x' * 1_023}@b"}}]}, "newParticipants[0].emailAddress"),
    ({"newParticipants": [{"emailAddress": {"name": "x" * 1_000, "address": "a@b"}}] * 66}, "newParticipants"),
    ({"categories": ["x" * 65_537]}, "categories"),
    ({"categories": ["xy"] * 32_769}, "categories"),
    ({"attachments": {}}, "attachments"),
    ({"attachments": "x"}, "attachments"),
    ({"extensions": {"x": 1}}, "extensions"),
]
_RECIPIENTS: list[tuple[Any, str]] = [
    ({}, ""),
    ("x", ""),
    ([None], "[0]"),
    (["x"], "[0]"),
    ([{}], "[0].emailAddress.address"),
    ([recipient("AlexW"), {"emailAddress": {"address": "x"}}], "[1].emailAddress.address"),
]


def _without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


def _placed(row: str, where: str, changes: dict[str, Any]) -> dict[str, Any]:
    """The valid body of a row with changes at a path such as `threads[0].posts[0]`."""
    body: dict[str, Any] = copy.deepcopy(next(r.body for r in REQUESTS if r.row == row))
    at: Any = body
    for step in where.split("."):
        name, _, index = step.partition("[")
        at = at[name] if name else at
        at = at[int(index[:-1])] if index else at
    at.update(changes)
    return body


@cache
def _cases() -> list[tuple[str, Any, str]]:
    cases: list[tuple[str, Any, str]] = []
    value: Any
    body: Any
    comment: Any
    for row, where in (
        ("POST group/conversations", "threads[0].posts[0]"),
        ("POST conversation/threads", "posts[0]"),
        ("POST group/threads", "posts[0]"),
        ("POST thread/reply", "post"),
        ("POST post/reply", "post"),
    ):
        cases += [(row, _placed(row, where, changes), f"{where}.{path}") for changes, path in _POST]
    for row, where in (
        ("POST group/conversations", "threads[0]"),
        ("POST conversation/threads", ""),
        ("POST group/threads", ""),
    ):
        for name in ("toRecipients", "ccRecipients"):
            for value, path in _RECIPIENTS:
                cases.append((row, _placed(row, where, {name: value}), f"{where}.{name}{path}".lstrip(".")))
        dot = f"{where}." if where else ""
        for value, path in (({}, ""), ("x", ""), ([], ""), (None, ""), ([{}, {}], ""), ([None], "[0]"), ([[]], "[0]")):
            cases.append((row, _placed(row, where, {"posts": value}), f"{dot}posts{path}"))
        cases.append((row, _placed(row, where, {"topic": 1}), f"{dot}topic"))
        cases.append((row, _placed(row, where, {"topic": "x" * 4_097}), f"{dot}topic"))
        cases.append((row, _placed(row, where, {"topic": "a\0"}), f"{dot}topic"))
    for row in ("POST conversation/threads", "POST group/threads"):
        cases.append((row, {"topic": "x"}, "posts"))
        cases.append((row, {}, "posts"))
    row = "POST group/conversations"
    good = CREATE.body["threads"][0]
    for value, path in (
        ({}, ""), ("x", ""), ([], ""), (None, ""), ([good, good], ""), ([None], "[0]"), (["x"], "[0]"),
        ([{}], "[0].posts"),
    ):  # fmt: skip
        cases.append((row, {"topic": "x", "threads": value}, f"threads{path}"))
    cases.append((row, {"topic": "x"}, "threads"))
    cases.append((row, {}, "threads"))
    cases.append((row, {"topic": [], "threads": [good]}, "topic"))
    cases.append((row, {"topic": True, "threads": [good]}, "topic"))
    for row in ("POST thread/reply", "POST post/reply"):
        for body in ({}, {"post": None}, {"post": []}, {"post": "x"}, {"Post": 1}, {"comment": "x"}):
            cases.append((row, body, "post"))
    row = "POST post/forward"
    for value, path in (*_RECIPIENTS, (None, ""), ([], "")):
        cases.append((row, {"comment": "x", "toRecipients": value}, f"toRecipients{path}"))
    cases.append((row, {"comment": "x"}, "toRecipients"))
    for comment in (1, ["x"], {}, "a\0b"):
        cases.append((row, {"comment": comment, "toRecipients": [recipient("AlexW")]}, "comment"))
    row = "PATCH thread"
    for value in ("true", 1, 0, "", [], {}):
        cases.append((row, {"isLocked": value}, "isLocked"))
    cases.append((row, {"topic": 1}, "topic"))
    cases.append((row, {"topic": "x" * 4_097}, "topic"))
    cases.append((row, {"topic": "\0"}, "topic"))
    cases.append(("PATCH post", {"categories": ["x" * 65_537]}, "categories"))
    cases += _directory_cases()
    return cases


def _directory_cases() -> list[tuple[str, Any, str]]:
    cases: list[tuple[str, Any, str]] = []
    value: Any
    for name in ("displayName", "mailNickname", "mailEnabled", "securityEnabled"):
        cases.append(("POST groups", _without(NEW_GROUP, name), name))
        for value in (None, [], {}, 1):
            cases.append(("POST groups", NEW_GROUP | {name: value}, name))
    for nickname in ("", "a b", "a@b", "é", "x" * 65, "a\tb", "a,b", 'a"b', "a\\b", "(a)", "a;b", "a:b", "<a>", "[a]"):
        cases.append(("POST groups", NEW_GROUP | {"mailNickname": nickname}, "mailNickname"))
    for name, value, path in (
        ("groupTypes", "Unified", ""), ("groupTypes", ["Other"], "[0]"), ("groupTypes", [1], "[0]"),
        ("groupTypes", {}, ""), ("visibility", "Secret", ""), ("visibility", 1, ""), ("theme", "Black", ""),
        ("description", 1, ""), ("description", "\0", ""), ("owners@odata.bind", "x", ""),
        ("owners@odata.bind", ["x"], ""), ("members@odata.bind", [1], "[0]"), ("members@odata.bind", {}, ""),
        ("resourceBehaviorOptions", "x", ""), ("isAssignableToRole", "yes", ""), ("membershipRule", 1, ""),
    ):  # fmt: skip
        cases.append(("POST groups", NEW_GROUP | {name: value}, f"{name}{path}"))
    cases.append(("POST groups", NEW_GROUP | {"mailEnabled": False}, "mailEnabled"))
    cases.append(
        ("POST groups", NEW_GROUP | {"members@odata.bind": [REFERENCE["@odata.id"]] * 21}, "members@odata.bind")
    )
    for name in ("displayName", "mailNickname", "visibility"):
        for value in (None, 1, []):
            cases.append(("PATCH group", {name: value}, name))
    cases += [
        ("PATCH group", {"visibility": "HiddenMembership"}, "visibility"),
        ("PATCH group", {"mailNickname": "a b"}, "mailNickname"),
        ("PATCH group", {"theme": "Black"}, "theme"),
        ("PATCH group", {"description": ["x"]}, "description"),
        ("PATCH group", {"members@odata.bind": None}, "members@odata.bind"),
    ]
    for name in ("accountEnabled", "displayName", "mailNickname", "userPrincipalName", "passwordProfile"):
        cases.append(("POST users", _without(NEW_USER, name), name))
        for value in (None, [], 1):
            cases.append(("POST users", NEW_USER | {name: value}, name))
    for name, value, path in (
        ("passwordProfile", {}, ".password"), ("passwordProfile", {"password": ""}, ".password"),
        ("passwordProfile", {"password": 1}, ".password"), ("passwordProfile", {"password": "p" * 1025}, ".password"),
        ("userPrincipalName", "nobody", ""),
        ("userPrincipalName", "a b@c", ""), ("mail", "nobody", ""), ("mail", 1, ""), ("userType", "Boss", ""),
        ("businessPhones", "1", ""), ("businessPhones", [1], "[0]"), ("otherMails", {}, ""),
        ("mailNickname", "a b", ""), ("jobTitle", 1, ""), ("jobTitle", "\0", ""), ("usageLocation", [], ""),
    ):  # fmt: skip
        cases.append(("POST users", NEW_USER | {name: value}, f"{name}{path}"))
    for name, value in (
        ("displayName", None), ("accountEnabled", None), ("accountEnabled", "yes"), ("businessPhones", None),
        ("userPrincipalName", None), ("userType", "Boss"), ("userType", None), ("mobilePhone", 1),
        ("passwordProfile", "x"), ("userPrincipalName", "nobody"), ("userPrincipalName", ""), ("mail", ""),
        ("mail", "x"), ("mailNickname", ""), ("mailNickname", "a b@c"), ("mailNickname", "x" * 65),
    ):  # fmt: skip
        cases.append(("PATCH user", {name: value}, name))
    for password in ("", "p" * 1025, 1):
        cases.append(("PATCH user", {"passwordProfile": {"password": password}}, "passwordProfile.password"))
    for row in ("POST group/members/$ref", "POST group/owners/$ref"):
        for body in (
            {}, {"@odata.id": None}, {"@odata.id": 1}, {"@odata.id": ""}, {"@odata.id": "x"}, {"@odata.id": "http://[x"},
            {"@odata.id": PERSON["AlexW"]}, {"@odata.id": "https://x/v1.0/devices/1"}, {"@odata.id": "/users/"},
            {"id": PERSON["AlexW"]},
        ):  # fmt: skip
            cases.append((row, body, "@odata.id"))
    return cases


@pytest.mark.parametrize("row", list(dict.fromkeys(row for row, _, _ in _cases())))
def test_the_property_at_fault_is_named(any_library: Library, row: str) -> None:
    for request in [request for request in WITH_BODY if request.row == row]:
        for _, body, target in [found for found in _cases() if found[0] == row]:
            with case(f"{request.name} {msgspec.json.encode(body).decode()[:200]}"):
                message = refused(send(any_library, request, body), 400, code(request), target)
                assert "msgspec" not in message


def test_the_path_is_spelt_as_published_however_it_came(library: Library) -> None:
    body = {"TOPIC": "x", "Threads": [{"POSTS": [{"Body": {"CONTENT": 1}}]}]}
    refused(send(library, CREATE, body), 400, "BadRequest", "threads[0].posts[0].body.content")


# ── names given twice ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("twice", [b'"topic": "a", "topic": "b"', b'"topic": "a", "Topic": "b"'])
def test_of_a_name_given_twice_the_last_value_counts(graph: Graph, twice: bytes) -> None:
    adele, path = graph.as_("AdeleV"), f"/groups/{GROUP['SalesAndMarketing']}/conversations"
    assert adele.post(path, b"{" + twice + b', "threads": [{"posts": [{}]}]}').status == 201
    assert adele.get(path).value[0]["topic"] == "b"
