"""Bodies that come as gzip are read; what is unpacked has the limits of every body."""

from __future__ import annotations

import base64
import gzip
from typing import Any

import msgspec
import pytest

from tests.harness import Answer, Client, Graph, Place
from tests.protocol.library import Library
from tests.protocol.shapes import refused

MAX_BODY = 4 * 1024 * 1024
REPLY = {"post": {"body": {"contentType": "text", "content": "as the Go SDK sends it"}}}


def send(client: Client, path: str, content: bytes, coding: str = "gzip") -> Answer:
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    return client.send("POST", path, content=content, headers=headers)


def packed(body: Any) -> bytes:
    return gzip.compress(msgspec.json.encode(body))


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip"])
def test_a_body_may_come_as_gzip(graph: Graph, coding: str) -> None:
    client = graph.as_("AdeleV")
    place = client.start()
    assert send(client, f"{place.thread_path()}/reply", packed(REPLY), coding).status == 202
    assert said(client, place)[-1] == "as the Go SDK sends it"


def test_a_batch_may_come_as_gzip_and_so_may_its_items(graph: Graph) -> None:
    client = graph.as_("AdeleV")
    place = client.start()
    path = f"{place.thread_path()}/reply"
    headers = {"Content-Type": "application/json"}
    packed_item = base64.b64encode(packed(REPLY)).decode()
    requests = [
        {"id": "1", "method": "POST", "url": path, "headers": headers, "body": REPLY},
        {
            "id": "2",
            "method": "POST",
            "url": path,
            "headers": headers | {"Content-Encoding": "gzip"},
            "body": packed_item,
        },
    ]
    answer = send(client, "/$batch", packed({"requests": requests}))
    assert [each["status"] for each in answer.json["responses"]] == [202, 202]
    assert said(client, place)[1:] == ["as the Go SDK sends it"] * 2


def said(client: Client, place: Place) -> list[str]:
    return [post["body"]["content"] for post in client.get(f"{place.thread_path()}/posts").json["value"]]


@pytest.mark.parametrize("coding", ["", "identity"])
def test_a_body_as_it_is_may_say_so(any_library: Library, coding: str) -> None:
    answer = send(any_library.as_("AdeleV"), "/$batch", b'{"requests": []}', coding)
    assert answer.target == "requests"


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "compress"])
def test_another_coding_is_refused_with_the_one_that_is_read(any_library: Library, coding: str) -> None:
    client = any_library.as_("AdeleV")
    for path, code in (("/$batch", "UnsupportedMediaType"), ("/groups", "Request_UnsupportedMediaType")):
        answer = send(client, path, packed({}), coding)
        assert f"or as gzip, not as '{coding}'" in refused(answer, 415, code)


@pytest.mark.parametrize(
    "content",
    [b"{}", b"\x1f\x8b", packed({})[:-1], packed({}) + b"more", packed({}) * 2],
    ids=["as it is", "the beginning", "cut short", "and more", "twice"],
)
def test_what_is_not_gzip_is_refused(any_library: Library, content: bytes) -> None:
    answer = send(any_library.as_("AdeleV"), "/$batch", content)
    assert "gzip" in refused(answer, 400, "BadRequest", "Content-Encoding")


def test_what_would_be_too_large_is_not_unpacked(any_library: Library) -> None:
    much = gzip.compress(b'{"x":"' + b"y" * (64 * MAX_BODY) + b'"}')
    assert len(much) < MAX_BODY
    message = refused(send(any_library.as_("AdeleV"), "/$batch", much), 413, "RequestEntityTooLarge")
    assert str(MAX_BODY) in message
