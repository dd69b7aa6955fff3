"""The service document, `$metadata` and `openapi.json` on the wire: for anybody, as JSON, XML and JSON."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.protocol.library import Library
from tests.protocol.shapes import refused


@pytest.mark.parametrize("path", ["/$metadata", "/%24metadata", "/$METADATA", "/$metadata/", "/$metadata?$format=xml"])
def test_the_metadata_needs_no_token(library: Library, path: str) -> None:
    answer = library.graph.nobody().get(path)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/xml;charset=utf-8"
    assert answer.headers["odata-version"] == "4.0"
    assert ElementTree.fromstring(answer.content).get("Version") == "4.0"  # noqa: S314  (our own)
    assert library.as_("AdeleV").get(path).content == answer.content


def test_the_context_of_an_answer_leads_there(library: Library) -> None:
    context = library.as_("AdeleV").get("/groups").json["@odata.context"]
    assert library.graph.nobody().get(context.partition("#")[0]).status == 200


def test_the_openapi_document_needs_no_token(library: Library) -> None:
    answer = library.graph.nobody().get("/openapi.json")
    assert answer.json["openapi"].startswith("3.0")
    assert answer.json["servers"] == [{"url": "/v1.0"}]
    assert "get" in answer.json["paths"]["/groups/{group-id}/conversations"]


@pytest.mark.parametrize("path", ["/$metadata", "/openapi.json"])
def test_what_extended_applications_have_is_in_theirs(library: Library, path: str) -> None:
    nobody = library.graph.nobody()
    plain, extended = nobody.get(path), nobody.get(f"{path}?profile=extended")
    assert nobody.get(f"{path}?profile=strict").content == plain.content
    assert extended.status == 200
    assert extended.content != plain.content
    refused(nobody.get(f"{path}?profile=other"), 400, "ErrorInvalidUrlQuery", "profile")


@pytest.mark.parametrize("path", ["", "/", "/?profile=extended"])
def test_the_service_document_names_where_to_begin(library: Library, path: str) -> None:
    answer = library.graph.nobody().get(path)
    assert answer.status == 200
    context = answer.json["@odata.context"]
    assert library.graph.nobody().get(context).status == 200
    told = {each["name"]: each["kind"] for each in answer.json["value"]}
    assert told == {
        **dict.fromkeys(("groups", "users", "directoryObjects", "subscriptions"), "EntitySet"),
        "me": "Singleton",
    }
    assert library.as_("AdeleV").get(f"/{answer.json['value'][0]['url']}").status == 200


@pytest.mark.parametrize("path", ["/", "/$metadata", "/openapi.json"])
def test_they_are_only_read(library: Library, path: str) -> None:
    answer = library.graph.nobody().post(path, {})
    refused(answer, 405, "Request_BadRequest", None)
    assert answer.headers["allow"] == "GET, HEAD"
    head = library.graph.nobody().send("HEAD", path)
    assert (head.status, head.content) == (200, b"")


def test_they_are_not_below_anything(library: Library) -> None:
    for path in ("/groups/$metadata", "/me/openapi.json", "/$metadata/x"):
        assert library.as_("AdeleV").get(path).status in (400, 404)
        refused(library.graph.nobody().get(path), 401, "InvalidAuthenticationToken", None)
