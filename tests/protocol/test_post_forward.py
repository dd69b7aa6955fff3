"""POST post/forward, on both roads: mail a post on. 200 without a body, unlike reply."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from folkmoot.store import schema
from folkmoot.store.db import Statement
from tests.harness import PERSON, ROADS, Graph, recipient
from tests.protocol.shapes import refused, well_formed

ROW = "POST post/forward"
_f = schema.forwards.c
_KEPT = Statement(select(_f.comment, _f.to_recipients, _f.forwarded_by).order_by(_f.id))


def kept(graph: Graph) -> list[Any]:
    """What waits to be mailed: the comment, to whom, and who asked. No request shows it."""
    rows = graph.store.read_here(lambda snapshot: snapshot.all(_KEPT))
    return [(comment, msgspec.json.decode(to), by) for comment, to, by in rows]


@pytest.mark.parametrize("road", ROADS)
def test_it_works(graph: Graph, road: str) -> None:
    place = graph.as_("AdeleV").start()
    before = graph.as_("AdeleV").get(place.thread_path()).json
    graph.changes()
    body = {"comment": "See below", "toRecipients": [recipient("LeeG"), {"emailAddress": {"address": "x@y.example"}}]}
    answer = graph.as_("AlexW").post(f"{place.post_path(road)}/forward", body)
    well_formed(answer)
    assert (answer.status, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "text/plain"  # as with reply; a client parses JSON where the type says so
    assert graph.changes() == ["forwarded post"]
    assert graph.as_("AdeleV").get(place.thread_path()).json == before
    outside = {"emailAddress": {"name": None, "address": "x@y.example"}}
    assert kept(graph) == [("See below", [recipient("LeeG"), outside], PERSON["AlexW"])]


@pytest.mark.parametrize(
    ("body", "comment"),
    [
        ({"Comment": "c", "ToRecipients": [recipient("LeeG")]}, "c"),
        ({"ToRecipients": [recipient("LeeG")]}, ""),
        ({"comment": None, "toRecipients": [recipient("LeeG")]}, ""),
        (
            {
                "COMMENT": "日本",
                "TORECIPIENTS": [{"EMAILADDRESS": {"NAME": "Lee Gu", "ADDRESS": "LeeG@contoso.onmicrosoft.com"}}],
            },
            "日本",
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("action", ["forward", "microsoft.graph.forward", "Forward"])
def test_what_clients_send_is_taken(graph: Graph, body: Any, comment: str, action: str) -> None:
    place = graph.as_("AdeleV").start()
    assert graph.as_("AdeleV").post(f"{place.post_path()}/{action}", body).status == 200
    assert kept(graph) == [(comment, [recipient("LeeG")], PERSON["AdeleV"])]


@pytest.mark.parametrize("road", ROADS)
def test_one_may_go_by_way_of_what_was_answered(graph: Graph, road: str) -> None:
    adele = graph.as_("AdeleV")
    first = adele.start()
    second = adele.reply(first, to_post=True)
    body = {"toRecipients": [recipient("LeeG")]}
    assert adele.post(f"{second.post_path(road)}/inReplyTo/forward", body).status == 200
    refused(adele.post(f"{first.post_path(road)}/inReplyTo/forward", body), 404, "ErrorItemNotFound")
    assert len(kept(graph)) == 1


def test_an_application_may(graph: Graph) -> None:
    place = graph.as_("AdeleV").start()
    body = {"toRecipients": [recipient("LeeG")]}
    assert graph.as_app("daemon").post(f"{place.post_path()}/forward", body).status == 200


def test_a_refused_one_leaves_nothing_behind(graph: Graph) -> None:
    place = graph.as_("AdeleV").start()
    graph.changes()
    assert graph.as_("AdeleV").post(f"{place.post_path()}/forward", {"toRecipients": []}).status == 400
    assert kept(graph) == []
    assert graph.changes() == []
