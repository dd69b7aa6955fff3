"""DELETE conversation: with its threads and posts."""

from __future__ import annotations

from tests.harness import Graph
from tests.protocol.shapes import refused, well_formed

ROW = "DELETE conversation"


def test_it_works(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    kept, place = adele.start("kept"), adele.start("deleted")
    adele.post(f"{place.conversation_path}/threads", {"posts": [{"body": {"content": "second"}}]})
    place = graph.as_("AlexW").reply(place)
    adele.post(f"{place.post_path()}/forward", {"toRecipients": [{"emailAddress": {"address": "x@y.example"}}]})
    graph.changes()
    answer = adele.delete(place.conversation_path)
    well_formed(answer)
    assert (answer.status, answer.content) == (204, b"")
    assert "content-type" not in answer.headers
    assert graph.changes() == ["deleted post"] * 3 + ["deleted thread"] * 2 + ["deleted conversation"]
    for gone in (
        place.conversation_path,
        f"{place.conversation_path}/threads",
        place.thread_path("direct"),
        place.thread_path("through"),
        f"{place.thread_path()}/posts",
        place.post_path("direct"),
        place.post_path("through"),
    ):
        refused(adele.get(gone), 404, "ErrorItemNotFound")
    assert adele.get(f"{place.group_path}/conversations").ids == [kept.conversation]
    assert adele.get(f"{place.group_path}/threads").ids == [kept.thread]
    assert adele.get(kept.post_path()).status == 200


def test_it_is_gone_once(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    assert adele.delete(place.conversation_path).status == 204
    graph.changes()
    refused(adele.delete(place.conversation_path), 404, "ErrorItemNotFound")
    refused(adele.post(f"{place.thread_path()}/reply", {"post": {}}), 404, "ErrorItemNotFound")
    refused(adele.post(f"{place.conversation_path}/threads", {"posts": [{}]}), 404, "ErrorItemNotFound")
    refused(adele.patch(place.thread_path(), {"isLocked": True}), 404, "ErrorItemNotFound")
    assert graph.changes() == []


def test_who_may(graph: Graph) -> None:
    """Who began it, the group's owners, and applications; not the others, however long they have been in it."""
    alex, megan, isaiah = (graph.as_(nick) for nick in ("AlexW", "MeganB", "IsaiahL"))
    place = alex.start()
    isaiah.reply(place)
    graph.changes()
    for other in (isaiah, graph.as_("guest"), graph.as_("JoniS"), graph.as_("admin")):
        refused(other.delete(place.conversation_path), 403, "ErrorAccessDenied")
    assert graph.changes() == []
    assert alex.delete(place.conversation_path).status == 204
    assert megan.delete(alex.start().conversation_path).status == 204
    assert graph.as_app("daemon").delete(alex.start().conversation_path).status == 204
    assert graph.as_app("extended").delete(alex.start().conversation_path).status == 204


def test_who_began_it_is_who_began_its_first_thread(graph: Graph) -> None:
    alex, isaiah = graph.as_("AlexW"), graph.as_("IsaiahL")
    place = alex.start()
    isaiah.post(f"{place.conversation_path}/threads", {"posts": [{}]})
    refused(isaiah.delete(place.conversation_path), 403, "ErrorAccessDenied")
    assert alex.delete(place.conversation_path).status == 204
