"""Idempotency-Key: a create or a reply that is sent again is answered as before, and done once."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from folkmoot.store import schema
from folkmoot.store.db import Statement
from tests.harness import PERSON, ROADS, Client, Graph, Place
from tests.protocol.rows import CONVERSATION, EXTENDED, POST, REPLY, THREAD
from tests.protocol.shapes import refused, well_formed

KEY = {"Idempotency-Key": '"8e03978e-40d5-43e8-bc93-6894a57f9324"'}
CREATES = [
    ("{group}/conversations", CONVERSATION),
    ("{conversation}/threads", THREAD),
    ("{group}/threads", THREAD),
    *[(f"{{{road}}}/{end}", body) for road in ROADS for end, body in (("reply", REPLY), ("posts", POST))],
    ("{post}/reply", REPLY),
]
each = pytest.mark.parametrize(("template", "body"), CREATES, ids=[template for template, _ in CREATES])


def path(place: Place, template: str) -> str:
    return template.format(
        group=place.group_path,
        conversation=place.conversation_path,
        direct=place.thread_path("direct"),
        through=place.thread_path("through"),
        post=place.post_path(),
    )


def replies(client: Client, place: Place) -> int:
    return int(client.get(f"{place.thread_path()}/posts/$count").text) - 1


@each
@pytest.mark.parametrize("prefer", ["", ", return=representation"])
def test_what_is_sent_again_is_done_once(graph: Graph, template: str, body: Any, prefer: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    graph.changes()
    headers = KEY | {"Prefer": EXTENDED["Prefer"] + prefer}
    first = adele.post(path(place, template), body, **headers)
    well_formed(first)
    assert "idempotency-replayed" not in first.headers
    done = graph.changes()
    graph.clock.advance(60)
    again = adele.post(path(place, template), body, **headers)
    well_formed(again)
    assert graph.changes() == [] != done
    assert (again.status, again.content) == (first.status, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    for name in ("location", "content-type", "preference-applied"):
        assert again.headers.get(name) == first.headers.get(name)


@each
def test_the_cloud_does_it_twice(graph: Graph, template: str, body: Any) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    if template.endswith("posts"):
        return
    for _ in range(2):
        graph.changes()
        assert adele.post(path(place, template), body, **KEY).status in (201, 202)
        assert graph.changes() != []
    assert adele.post(path(place, template), body, **{"Idempotency-Key": '"'}).status in (201, 202)


def test_another_body_or_place_is_refused(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place, other = adele.start(), adele.start()
    headers = KEY | EXTENDED
    assert adele.post(f"{place.thread_path()}/reply", REPLY, **headers).status == 202
    graph.changes()
    for where, body in (
        (place.thread_path(), {"post": {"body": {"contentType": "text", "content": "Other"}}}),
        (other.thread_path(), REPLY),
        (place.post_path(), REPLY),
    ):
        answer = adele.post(f"{where}/reply", body, **headers)
        message = refused(answer, 422, "Request_UnprocessableEntity", "Idempotency-Key")
        assert "Idempotency-Key" in message
    assert graph.changes() == []


def test_the_same_said_in_another_order_is_the_same(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    for raw in (
        b'{"post":{"body":{"contentType":"text","content":"x"}}}',
        b'{ "post": {"body": {"content": "\\u0078", "contentType": "text"}} }',
    ):
        assert adele.post(f"{place.thread_path()}/reply", raw, **KEY, **EXTENDED).status == 202
    assert replies(adele, place) == 1


def test_a_key_is_its_callers_its_applications_and_its_groups(graph: Graph) -> None:
    place = graph.as_("AdeleV").start()
    extended = graph.as_app("extended")
    for client in (graph.as_("AdeleV"), graph.as_("AlexW"), extended):
        assert client.post(f"{place.thread_path()}/reply", REPLY, **KEY, **EXTENDED).status == 202
    assert replies(graph.as_("AdeleV"), place) == 3
    for group in ("SalesAndMarketing", "Mark8"):
        elsewhere = f"/groups/{graph.as_('LidiaH').start(group=group).group}/conversations"
        answer = extended.post(elsewhere, CONVERSATION, **{"Idempotency-Key": "one"})
        assert answer.status == 201
        assert "idempotency-replayed" not in answer.headers


def test_what_was_refused_may_be_tried_again(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    adele.patch(place.thread_path(), {"isLocked": True})
    refused(adele.post(f"{place.thread_path()}/reply", REPLY, **KEY, **EXTENDED), 403, "ErrorAccessDenied")
    adele.patch(place.thread_path(), {"isLocked": False})
    assert adele.post(f"{place.thread_path()}/reply", REPLY, **KEY, **EXTENDED).status == 202


def test_a_key_is_known_for_a_day(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    for wait, replayed in ((0, None), (86_399, "true"), (1, None), (1, "true")):
        graph.clock.advance(wait)
        answer = adele.post(f"{place.thread_path()}/reply", REPLY, **KEY, **EXTENDED)
        assert answer.headers.get("idempotency-replayed") == replayed
    assert replies(adele, place) == 2


def test_old_keys_do_not_pile_up(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    path = f"{place.thread_path()}/reply"
    for number in range(5):
        assert adele.post(path, REPLY, **{"Idempotency-Key": f"k{number}"}, **EXTENDED).status == 202
    graph.clock.advance(86_401)
    assert adele.post(path, REPLY, **KEY, **EXTENDED).status == 202
    assert kept(graph) == 1


def kept(graph: Graph) -> int:
    row = graph.store.read_here(lambda s: s.one(Statement(select(func.count()).select_from(schema.idempotency_keys))))
    assert row is not None
    return int(row[0])


def test_those_that_come_together_are_one(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    headers = {"Authorization": f"Bearer {adele.token}", "Content-Type": "application/json", **KEY}
    url = f"https://localhost:8443/v1.0{place.thread_path()}/reply"
    headers["Prefer"] = "folkmoot.profile=extended, return=representation"

    async def all_of_them() -> list[Any]:
        asked = [graph.asking("POST", url, msgspec.json.encode(REPLY), headers) for _ in range(20)]
        return list(await asyncio.gather(*asked))

    answers = graph.loop.run(all_of_them())
    assert {answer.status for answer in answers} == {201}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 19
    assert replies(adele, place) == 1


def test_who_may_no_longer_read_is_not_told_again(graph: Graph) -> None:
    diego, joni = graph.as_("DiegoS"), graph.as_("JoniS")
    place = diego.start(group="HR")
    assert joni.post(f"{place.thread_path()}/reply", REPLY, **KEY, **EXTENDED).status == 202
    assert diego.delete(f"{place.group_path}/members/{PERSON['JoniS']}/$ref").status == 204
    refused(joni.post(f"{place.thread_path()}/reply", REPLY, **KEY, **EXTENDED), 403, "ErrorAccessDenied")


@pytest.mark.parametrize("key", ["", '""', '"', 'a"b', '"a', "a b", "ä", "x" * 256, '"\\x"'])
def test_a_key_that_is_none(graph: Graph, key: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    raw = {"Idempotency-Key": key} | EXTENDED
    headers = [(name.encode(), value.encode("latin-1")) for name, value in raw.items()]
    headers += [(b"authorization", f"Bearer {adele.token}".encode()), (b"content-type", b"application/json")]
    answer = graph.send_raw(
        "POST", f"/v1.0{place.thread_path()}/reply".encode(), headers=headers, parts=[msgspec.json.encode(REPLY)]
    )
    refused(answer, 400, "BadRequest", "Idempotency-Key")


@pytest.mark.parametrize("key", ["x", '"a b"', '"a\\"b\\\\"', "x" * 255])
def test_a_key_that_is_one(graph: Graph, key: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    for _ in range(2):
        assert adele.post(f"{place.thread_path()}/reply", REPLY, **{"Idempotency-Key": key}, **EXTENDED).status == 202
    assert replies(adele, place) == 1
