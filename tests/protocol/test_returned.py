"""Prefer: return=…: an extended application may ask for what it made, in the answer of what made it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from tests.harness import ROADS, ROOT, Graph
from tests.protocol.rows import CONVERSATION, POST, REPLY, THREAD
from tests.protocol.shapes import well_formed

WHOLE = {"Prefer": "folkmoot.profile=extended, return=representation"}
LESS = {"Prefer": "folkmoot.profile=extended, return=minimal"}


def bare(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != "@odata.context"}


@pytest.mark.parametrize("to", ["thread", "post", "answered"])
@pytest.mark.parametrize("road", ROADS)
def test_a_reply(graph: Graph, road: str, to: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    path = place.thread_path(road) if to == "thread" else place.post_path(road)
    if to == "answered":
        path = f"{adele.reply(place, to_post=True).post_path(road)}/inReplyTo"
    answer = adele.post(f"{path}/reply", REPLY, **WHOLE)
    well_formed(answer)
    assert answer.status == 201
    assert answer.headers["preference-applied"] == "return=representation, folkmoot.profile=extended"
    assert answer.headers["location"] == f"{ROOT}{place.thread_path(road)}/posts/{quote(answer.json['id'])}"
    found = adele.get(answer.headers["location"])
    assert found.json == answer.json
    assert found.json["body"]["content"] == POST["body"]["content"]
    assert (adele.get(f"{found_path(answer)}/inReplyTo").status == 200) is (to != "thread")


def found_path(answer: Any) -> str:
    location: str = answer.headers["location"]
    return location


@pytest.mark.parametrize("prefer", ["folkmoot.profile=extended", LESS["Prefer"]])
def test_a_reply_without_it_says_where_the_post_is(graph: Graph, prefer: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    answer = adele.post(f"{place.thread_path()}/reply", REPLY, Prefer=prefer)
    well_formed(answer)
    assert (answer.status, answer.content) == (202, b"")
    assert adele.get(answer.headers["location"]).json["id"] == adele.newest(place).post


def test_a_strict_application_is_answered_as_in_the_cloud(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    for path, body, status in (
        (f"{place.thread_path()}/reply", REPLY, 202),
        (f"{place.post_path()}/reply", REPLY, 202),
        (f"{place.group_path}/conversations", CONVERSATION, 201),
        (f"{place.group_path}/threads", THREAD, 201),
        (f"{place.conversation_path}/threads", THREAD, 201),
    ):
        plain, asked = adele.post(path, body), adele.post(path, body, Prefer="return=representation")
        assert plain.status == asked.status == status
        assert "location" not in asked.headers
        assert "preference-applied" not in asked.headers
        if status == 201:
            assert asked.json.keys() == plain.json.keys()
    answer = adele.patch(place.thread_path(), {"topic": "x"}, Prefer="return=minimal")
    assert answer.status == 200
    assert answer.json["topic"] == "x"


def test_a_conversation(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    group = adele.start().group_path
    answer = adele.post(f"{group}/conversations", CONVERSATION, **WHOLE)
    well_formed(answer)
    assert answer.status == 201
    found = adele.get(f"{answer.headers['location']}?$expand=threads($expand=posts)")
    assert found.json == answer.json
    [thread] = answer.json["threads"]
    [post] = thread["posts"]
    assert post["body"]["content"] == "Hello"
    assert answer.json["topic"] == "New"


@pytest.mark.parametrize("above", ["group", "conversation"])
def test_a_thread(graph: Graph, above: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    path = place.group_path if above == "group" else place.conversation_path
    answer = adele.post(f"{path}/threads", THREAD, **WHOLE)
    well_formed(answer)
    assert answer.status == 201
    assert adele.get(f"{answer.headers['location']}?$expand=posts").json == answer.json
    assert [post["body"]["content"] for post in answer.json["posts"]] == ["Hello"]
    assert bare(adele.get(answer.headers["location"]).json).items() <= answer.json.items()


def test_of_a_changed_thread_nothing(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    answer = adele.patch(place.thread_path(), {"topic": "x"}, **LESS)
    assert (answer.status, answer.content) == (204, b"")
    assert answer.headers["preference-applied"] == "return=minimal, folkmoot.profile=extended"
    assert adele.get(place.thread_path()).json["topic"] == "x"


def test_what_was_heard_stands_in_one_line(graph: Graph) -> None:
    """In a batch, too, where a name has one value."""
    adele = graph.as_("AdeleV")
    place = adele.start()
    headers = {"Prefer": "folkmoot.profile=extended, return=minimal", "Content-Type": "application/json"}
    lock = {"isLocked": False}
    answer = adele.with_body("PATCH", place.thread_path(), lock, headers)
    assert answer.headers.get_list("preference-applied") == ["return=minimal, folkmoot.profile=extended"]
    item = {"id": "1", "method": "PATCH", "url": place.thread_path(), "headers": headers, "body": lock}
    (found,) = adele.post("/$batch", {"requests": [item]}).json["responses"]
    assert found["headers"]["Preference-Applied"] == "return=minimal, folkmoot.profile=extended"


@pytest.mark.parametrize("first", [b"return=representation", b"folkmoot.profile=extended"])
def test_preferences_may_come_in_lines_of_their_own(graph: Graph, first: bytes) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    lines = sorted([b"return=representation", b"folkmoot.profile=extended"], key=lambda each: each != first)
    headers = [(b"authorization", f"Bearer {adele.token}".encode()), (b"content-type", b"application/json")]
    headers += [(b"prefer", line) for line in lines]
    path = f"/v1.0{place.thread_path()}/reply".encode()
    answer = graph.send_raw("POST", path, headers=headers, parts=[msgspec.json.encode(REPLY)])
    assert answer.status == 201, answer
    assert answer.headers["preference-applied"] == "return=representation, folkmoot.profile=extended"
    # So may the etags of which one will do.
    etags = [answer.json["@odata.etag"].encode(), b'W/"another"']
    headers += [(b"if-match", etag) for etag in etags]
    changed = b'{"body": {"contentType": "text", "content": "changed"}}'
    path = f"/v1.0{found_path(answer).removeprefix(ROOT)}".encode()
    assert graph.send_raw("PATCH", path, headers=headers, parts=[changed]).status == 200
