"""GET attachment, and GET attachment/$value: the content as it is."""

from __future__ import annotations

import pytest

from tests.harness import ROADS, Graph, Place, file_attachment
from tests.protocol.shapes import refused, well_formed
from tests.protocol.test_attachment_add import EVENT, LINK
from tests.protocol.test_attachment_list import LARGE

ROWS = ("GET attachment", "GET attachment/$value")


def attached(graph: Graph, body: object) -> Place:
    adele = graph.as_("AdeleV")
    place = adele.start(attachments=[body])
    (id,) = adele.get(f"{place.post_path()}/attachments").ids
    return Place(place.group, place.conversation, place.thread, place.post, attachment=id)


@pytest.mark.parametrize("road", ROADS)
def test_it_works(graph: Graph, road: str) -> None:
    place = attached(graph, file_attachment(LARGE, name="large.bin"))
    alex = graph.as_("AlexW")
    answer = alex.get(place.attachment_path(road))
    well_formed(answer)
    assert answer.json["@odata.context"] == f"{place.context(road, 'threads', 'posts', 'attachments')}/$entity"
    (listed,) = alex.get(f"{place.post_path(road)}/attachments").value
    assert {name: value for name, value in answer.json.items() if name != "@odata.context"} == listed
    assert alex.get(f"{place.attachment_path(road)}/?$select=name").json["name"] == "large.bin"


def test_the_item_is_expanded(graph: Graph) -> None:
    place = attached(graph, EVENT)
    adele = graph.as_("AdeleV")
    assert "item" not in adele.get(place.attachment_path()).json
    for spelt in ("microsoft.graph.itemattachment/item", "Microsoft.Graph.ItemAttachment/Item"):
        found = adele.get(f"{place.attachment_path()}/?$expand={spelt}").json
        assert found["item"] == {"@odata.type": "#microsoft.graph.event", "subject": "Meeting"}
    refused(adele.get(f"{place.attachment_path()}?$expand=nope"), 400, "ExpandNotSupported", "$expand")


@pytest.mark.parametrize("road", ROADS)
def test_a_file_as_it_is(graph: Graph, road: str) -> None:
    place = attached(graph, file_attachment(LARGE, name='Grüße "1".html', contentType="text/html"))
    answer = graph.as_("AlexW").get(f"{place.attachment_path(road)}/$value")
    assert (answer.status, answer.content) == (200, LARGE)
    headers = answer.headers
    assert headers["content-type"] == "text/html"
    assert headers["content-length"] == str(len(LARGE))
    assert headers["x-content-type-options"] == "nosniff"
    expected = "attachment; filename=\"Gr__e _1_.html\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%221%22.html"
    assert headers["content-disposition"] == expected
    assert "sandbox" in headers["content-security-policy"]


@pytest.mark.parametrize(
    ("item", "kind", "within"),
    [
        (
            {"@odata.type": "#microsoft.graph.event", "subject": "A; b"},
            "text/calendar; charset=utf-8",
            b"SUMMARY:A\\; b",
        ),
        (
            {"@odata.type": "#microsoft.graph.event", "lastModifiedDateTime": "2026-11-23T01:30:00+02:00"},
            "text/calendar; charset=utf-8",
            b"DTSTAMP:20261122T233000Z",
        ),
        ({"@odata.type": "#microsoft.graph.contact", "displayName": "Ann"}, "text/vcard; charset=utf-8", b"FN:Ann"),
        ({"@odata.type": "microsoft.graph.message", "subject": "Hi"}, "message/rfc822", b"Subject: Hi"),
    ],
)
def test_an_item_in_its_internet_form(graph: Graph, item: dict[str, object], kind: str, within: bytes) -> None:
    place = attached(graph, {**EVENT, "item": item})
    answer = graph.as_("AdeleV").get(f"{place.attachment_path()}/$value")
    assert (answer.status, answer.headers["content-type"]) == (200, kind)
    assert within in answer.content
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("identity", ["<é@x.example>", "<", "<a@x.example>"])
def test_a_message_whatever_is_called_its_id(graph: Graph, identity: str) -> None:
    message = {"@odata.type": "microsoft.graph.message", "subject": "Hi", "internetMessageId": identity}
    place = attached(graph, {"@odata.type": "#microsoft.graph.itemAttachment", "name": "x", "item": message})
    got = graph.as_("AdeleV").get(f"{place.attachment_path()}/$value")
    assert got.status == 200, got
    assert b"Subject: Hi" in got.content
    assert (b"Message-ID: <a@x.example>" in got.content) is (identity == "<a@x.example>")


@pytest.mark.parametrize("option", ["$select=name", "$expand=item", "$top=1"])
def test_content_takes_no_options(graph: Graph, option: str) -> None:
    place = attached(graph, file_attachment())
    answer = graph.as_("AdeleV").get(f"{place.attachment_path()}/$value?{option}")
    refused(answer, 400, "ErrorInvalidUrlQuery", option.partition("=")[0])


def test_a_reference_has_no_content(graph: Graph) -> None:
    place = attached(graph, LINK)
    refused(graph.as_("AdeleV").get(f"{place.attachment_path()}/$value"), 405, "Request_BadRequest")


def test_who_may(graph: Graph) -> None:
    place = attached(graph, file_attachment())
    for path in (place.attachment_path(), f"{place.attachment_path()}/$value", f"{place.post_path()}/attachments"):
        refused(graph.as_app("daemon").get(path), 403, "ErrorAccessDenied")
        assert graph.as_app("extended").get(path).status == 200
        assert graph.as_("LeeG").get(path).status == 200


def test_an_attachment_of_another_post(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    first = adele.attach(adele.start())
    second = adele.reply(first)
    for tail in ("", "/$value"):
        path = f"{second.post_path()}/attachments/{first.attachment}{tail}"
        refused(adele.get(path), 404, "ErrorItemNotFound")
