"""DELETE attachment, and what goes with posts, threads and conversations."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from folkmoot.store import schema
from folkmoot.store.db import Statement
from tests.harness import ROADS, Graph, file_attachment
from tests.protocol.shapes import refused, well_formed
from tests.protocol.test_attachment_add import told
from tests.protocol.test_attachment_list import LARGE

ROW = "DELETE attachment"


def stored(graph: Graph) -> list[int]:
    """How many attachments, parts of content and uploads there are."""
    tables = (schema.attachments, schema.blobs, schema.uploads)
    counts = [Statement(select(func.count()).select_from(table)) for table in tables]
    rows = graph.store.read_here(lambda snapshot: [snapshot.one(count) for count in counts])
    return [row[0] for row in rows if row]


@pytest.mark.parametrize("road", ROADS)
def test_it_works(graph: Graph, road: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start(attachments=[file_attachment(LARGE)])
    keeping = adele.attach(place)
    assert stored(graph) == [2, 3, 0]
    large, small = adele.get(f"{place.post_path()}/attachments").ids
    before = adele.get(place.post_path()).json["changeKey"]
    graph.changes()
    answer = adele.delete(f"{place.post_path(road)}/attachments/{large}")
    well_formed(answer)
    assert (answer.status, answer.content) == (204, b"")
    assert graph.changes() == ["updated post", "deleted attachment"]
    assert stored(graph) == [1, 1, 0]
    assert adele.get(place.post_path()).json["changeKey"] != before
    assert told(graph, place) == [True, True, True]
    refused(adele.get(f"{place.post_path()}/attachments/{large}"), 404, "ErrorItemNotFound")
    assert adele.delete(keeping.attachment_path(road)).status == 204
    assert graph.changes() == ["updated post", "deleted attachment", "updated thread", "updated conversation"]
    assert told(graph, place) == [False, False, False]
    assert stored(graph) == [0, 0, 0]
    refused(adele.delete(f"{place.post_path()}/attachments/{small}"), 404, "ErrorItemNotFound")


def test_others_that_have_some_go_on_telling(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    first = adele.attach(adele.start())
    second = adele.attach(adele.reply(first))
    assert adele.delete(first.attachment_path()).status == 204
    assert told(graph, first) == [False, True, True]
    adele.attach(first, isInline=True)
    assert adele.delete(second.attachment_path()).status == 204
    assert told(graph, first) == [False, False, False]


def test_who_may(graph: Graph) -> None:
    alex = graph.as_("AlexW")
    place = alex.attach(alex.start())
    graph.changes()
    for nick in ("IsaiahL", "LeeG", "guest", "admin"):
        refused(graph.as_(nick).delete(place.attachment_path()), 403, "ErrorAccessDenied")
    refused(graph.as_app("daemon").delete(place.attachment_path()), 403, "ErrorAccessDenied")
    assert graph.changes() == []
    for client in (alex, graph.as_("MeganB"), graph.as_app("extended")):
        assert client.delete(alex.attach(place).attachment_path()).status == 204


def test_a_lock_keeps_nobody_from_it(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.attach(adele.start())
    adele.patch(place.thread_path(), {"isLocked": True})
    assert adele.delete(place.attachment_path()).status == 204


@pytest.mark.parametrize("what", ["thread", "conversation"])
def test_nothing_stays_of_what_is_deleted(graph: Graph, what: str) -> None:
    adele = graph.as_("AdeleV")
    kept = adele.attach(adele.start())
    place = adele.start(attachments=[file_attachment(LARGE)])
    adele.post(
        f"{place.post_path()}/attachments/createUploadSession",
        {"AttachmentItem": {"attachmentType": "file", "name": "x", "size": 4_000_000}},
    )
    assert stored(graph) == [2, 3, 1]
    path = place.thread_path() if what == "thread" else place.conversation_path
    assert adele.delete(path).status == 204
    assert stored(graph) == [1, 1, 0]
    assert adele.get(kept.attachment_path()).status == 200
