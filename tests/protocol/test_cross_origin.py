"""Pages of other origins: a browser is told that they may ask, and what of the answer they may read."""

from __future__ import annotations

import pytest

from tests.harness import PERSON, Answer, Graph, Place
from tests.protocol.library import Library
from tests.protocol.shapes import refused

PAGE = "https://spa.example"
ANSWERED = {
    "a read": ("GET", "/me", None, 200),
    "a refusal": ("GET", "/groups/x", None, 400),
    "an unknown segment": ("GET", "/nothing", None, 400),
    "a method that is not served": ("PUT", "/me", None, 405),
    "the metadata": ("GET", "/$metadata", None, 200),
    "a batch": ("POST", "/$batch", {"requests": [{"id": "1", "method": "GET", "url": "/me"}]}, 200),
}


def readable(answer: Answer) -> set[str]:
    """The headers that a page may read of an answer that it may read."""
    assert answer.headers.get("Access-Control-Allow-Origin") == "*", answer
    # With it a browser would send cookies along.
    assert "Access-Control-Allow-Credentials" not in answer.headers
    return set(answer.headers["Access-Control-Expose-Headers"].lower().split(", "))


def asked(graph: Graph, path: str, method: str) -> Answer:
    """What a browser hears that asks whether a page may send such a request; it sends no token."""
    headers = {
        "Origin": PAGE,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,client-request-id,consistencylevel,content-type,prefer",
    }
    return graph.nobody().send("OPTIONS", path, headers=headers)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_page_may_ask_whatever_it_is(any_library: Library, method: str) -> None:
    for path in ("/me", "/$batch", "/$metadata", "/nothing", f"/users/{PERSON['AdeleV']}"):
        answer = asked(any_library.graph, path, method)
        assert answer.status == 204, answer
        readable(answer)
        assert method in answer.headers["Access-Control-Allow-Methods"].split(", ")
        assert answer.headers["Access-Control-Allow-Headers"] == "*, Authorization"


@pytest.mark.parametrize(("method", "path", "body", "status"), ANSWERED.values(), ids=ANSWERED)
def test_a_page_may_read_every_answer(any_library: Library, method: str, path: str, body: object, status: int) -> None:
    client = any_library.as_("AdeleV")
    answer = client.with_body(method, path, body, {"Origin": PAGE})
    assert answer.status == status, answer
    assert {"request-id", "retry-after", "location", "preference-applied"} <= readable(answer)
    # Who is no browser is not told.
    plain = client.with_body(method, path, body, {})
    assert [name for name in plain.headers if name.lower().startswith("access-control")] == []


def test_a_page_may_read_that_its_token_is_missing(any_library: Library) -> None:
    answer = any_library.graph.nobody().get("/me", Origin=PAGE)
    refused(answer, 401, "InvalidAuthenticationToken")
    assert "www-authenticate" in readable(answer)


def test_a_page_may_upload(graph: Graph) -> None:
    client = graph.as_("AdeleV")
    place: Place = client.start()
    item = {"AttachmentItem": {"attachmentType": "file", "name": "large.bin", "size": 3_200_000}}
    url = client.post(f"{place.post_path()}/attachments/createUploadSession", item).json["uploadUrl"]
    answer = asked(graph, url, "PUT")
    assert answer.status == 204, answer
    readable(answer)
    headers = {"Origin": PAGE, "Content-Range": "bytes 0-9/3200000"}
    answer = graph.nobody().send("PUT", url, content=b"0123456789", headers=headers)
    assert (answer.status, answer.json["nextExpectedRanges"]) == (200, ["10-3199999"])
    assert "location" in readable(answer)


def test_options_of_who_is_no_browser_need_a_token(any_library: Library) -> None:
    nobody = any_library.graph.nobody()
    for headers in ({}, {"Origin": PAGE}, {"Access-Control-Request-Method": "GET"}):
        refused(nobody.send("OPTIONS", "/me", headers=headers), 401, "InvalidAuthenticationToken")
    assert refused(any_library.as_("AdeleV").send("OPTIONS", "/me"), 405, "Request_BadRequest")
