"""`POST /$batch`: many requests in one, each answered as it would be alone."""

from __future__ import annotations

import asyncio
import base64
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.graph import batch as served
from folkmoot.graph.app import GraphDoor
from folkmoot.graph.envelope import Answer as Sent
from folkmoot.graph.limits import Throttle
from folkmoot.store import attachments
from tests.harness import GROUP, JSON, ORIGIN, PERSON, ROADS, ROOT, Answer, Client, Graph, Place
from tests.protocol.library import Library
from tests.protocol.rows import EVERYTHING, EXTENDED, POSTING, REQUESTS, Request, case, each
from tests.protocol.shapes import refused, well_formed
from tests.protocol.test_every_row import FOR_ADMINISTRATORS
from tests.protocol.test_fuzz import bounded, strange

ROW = "POST $batch"

TYPE = {"Content-Type": "application/json"}
SALES = f"/groups/{GROUP['SalesAndMarketing']}"


def item(id: str, url: str = "/me", method: str = "GET", body: Any = None, **more: Any) -> dict[str, Any]:
    """A request of a batch; `dependsOn` and the like in `more`."""
    given = {"id": id, "method": method, "url": url, **more}
    return given if body is None else given | {"body": body, "headers": TYPE | more.get("headers", {})}


def ask(client: Client, *items: Any) -> dict[str, dict[str, Any]]:
    """The answers of a batch by id. Checks what every one of them is like."""
    answer = client.post("/$batch", {"requests": list(items)})
    well_formed(answer)
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == JSON
    assert list(answer.json) == ["responses"]
    assert [got["id"] for got in answer.json["responses"]] == [sent["id"] for sent in items]
    for got in answer.json["responses"]:
        assert list(got) == ["id", "status", "headers", "body"]
        headers = got["headers"]
        assert str(UUID(headers["request-id"])) == headers["request-id"] != answer.headers["request-id"]
        assert (got["body"] is None) is ("Content-Type" not in headers)
        if got["status"] >= 400:
            error = got["body"]["error"]
            assert headers["Content-Type"] == JSON
            assert error["innerError"]["request-id"] == headers["request-id"]
            assert error["innerError"]["client-request-id"] == headers["client-request-id"]
    return {got["id"]: got for got in answer.json["responses"]}


def conversation(topic: str) -> dict[str, Any]:
    return {"topic": topic, "threads": [{"posts": [{"body": {"contentType": "text", "content": topic}}]}]}


def reply(content: str) -> dict[str, Any]:
    return {"post": {"body": {"contentType": "text", "content": content}}}


# ── each item is the request that it would be alone ──────────────────────────────────────────────────────────────────


def test_a_read_is_answered_as_it_is_alone(library: Library) -> None:
    for request_ in [request for request in REQUESTS if request.method == "GET" and request.answers == 200]:
        with case(request_.name):
            client = library.as_("AdeleV", scopes=EVERYTHING)
            alone = request_.send(client, library.launch)
            path = request_.spelt(client, library.launch)
            got = ask(client, item("1", path, headers=dict(request_.headers or {})))["1"]
            assert got["status"] == alone.status == 200
            assert got["headers"]["Content-Type"] == alone.headers["content-type"]
            if alone.headers["content-type"] == JSON:
                assert got["body"] == alone.json
            elif "/$count" in path:
                assert got["body"] == int(alone.content)
            else:
                assert base64.b64decode(got["body"]) == alone.content


@each([request for request in REQUESTS if request.method != "GET"])
def test_a_write_is_answered_as_it_is_alone(any_graph: Graph, request_: Request) -> None:
    adele = any_graph.as_("AdeleV")
    place = request_.furnish(adele, adele.start())
    client = any_graph.as_("admin" if request_.row in FOR_ADMINISTRATORS else "AdeleV", scopes=EVERYTHING)
    request_.prepare(client, place)
    any_graph.changes()
    path, headers = request_.spelt(client, place), dict(request_.headers or {})
    got = ask(client, item("1", path, request_.method, request_.body, headers=headers))["1"]
    assert got["status"] == request_.answers, got
    if request_ in POSTING:
        assert "created post" in any_graph.changes()


def test_an_item_needs_the_permission_that_it_needs_alone(any_library: Library) -> None:
    for request_ in REQUESTS:
        with case(request_.name):
            client = any_library.as_("AdeleV", scopes=())
            alone = request_.send(client, any_library.launch)
            path, headers = request_.path(any_library.launch), dict(request_.headers or {})
            got = ask(client, item("1", path, request_.method, request_.body, headers=headers))["1"]
            assert (got["status"], got["body"]["error"]["code"]) == alone.refusal
            assert alone.status == 403


def test_what_an_application_may_not_it_may_not_in_a_batch(library: Library) -> None:
    start = item("1", f"{SALES}/conversations", "POST", conversation("x"))
    assert ask(library.graph.as_app("daemon"), start, item("2"))["1"]["status"] == 403


def test_an_extended_application_may_more_in_a_batch_too(graph: Graph) -> None:
    start = item("1", f"{SALES}/conversations", "POST", conversation("x"))
    assert ask(graph.as_app("extended"), start)["1"]["status"] == 201


def test_the_batch_itself_needs_no_permission_but_a_token(library: Library) -> None:
    for client in (library.as_("AdeleV", scopes=()), library.graph.as_app("daemonWithoutRoles")):
        assert ask(client, item("1"))["1"]["status"] >= 400
    answer = library.graph.nobody().post("/$batch", {"requests": [item("1")]})
    refused(answer, 401, "InvalidAuthenticationToken")


def test_one_refusal_leaves_the_others_alone(graph: Graph) -> None:
    got = ask(
        graph.as_("AdeleV"),
        item("1", f"{SALES}/conversations", "POST", conversation("One")),
        item("2", f"{SALES}/threads/nonsense"),
        item("3", "/nowhere"),
        item("4", f"{SALES}/conversations", "PUT", {}),
        item("5", f"{SALES}/conversations", "POST", {"topic": 5}),
        item("6", f"{SALES}/conversations?$filter=topic eq"),
        item("7", f"{SALES}/conversations?$filter=topic eq 'One'"),
    )
    assert [each["status"] for each in got.values()][:-1] == [201, 400, 400, 405, 400, 400]
    assert got["4"]["headers"]["Allow"] == "GET, POST"
    assert got["5"]["body"]["error"]["target"] == "topic"
    assert sorted(graph.changes()) == ["created conversation", "created post", "created thread"]


# ── URLs, headers, bodies ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "url",
    ["/me", "me", "/v1.0/me", "v1.0/me", f"{ROOT}/me", "https://graph.microsoft.com/v1.0/me", "/me?$select=id", "/me#x",
     "/users/me-token-to-replace", f"{ORIGIN.upper()}/v1.0/me", "//me", "/%6De"],
)  # fmt: skip
def test_ways_to_write_a_url(any_library: Library, url: str) -> None:
    got = ask(any_library.as_("AdeleV"), item("1", url))["1"]
    assert (got["status"], got["body"]["id"]) == (200, PERSON["AdeleV"])


def test_query_options_are_written_plainly_or_escaped(library: Library) -> None:
    plain = f"{SALES}/conversations?$filter=topic eq 'Grüße aus Köln — 日本語 🙂'&$select=topic"
    escaped = "https://graph.microsoft.com/v1.0" + plain.replace(" ", "%20").replace("ü", "%C3%BC")
    got = ask(library.as_("AdeleV"), item("1", plain), item("2", escaped))
    assert len(got["1"]["body"]["value"]) == 1
    assert got["1"]["body"] == got["2"]["body"]


def test_links_in_an_item_are_those_of_the_outer_request(library: Library) -> None:
    got = ask(library.as_("AdeleV"), item("1", f"https://graph.microsoft.com/v1.0{SALES}/conversations?$top=1"))["1"]
    link = got["body"]["@odata.nextLink"]
    assert link.startswith(f"{ROOT}/groups/")
    assert ask(library.as_("AdeleV"), item("2", unquote(link)))["2"]["status"] == 200


def test_headers_of_an_item_are_its_own(library: Library) -> None:
    client = library.as_("AdeleV", scopes=EVERYTHING)
    given = "0d9c5a3e-0000-4000-8000-0123456789ab"
    got = ask(
        client,
        item("1", "/users/$count", headers={"CONSISTENCYLEVEL": "eventual", "Client-Request-Id": given}),
        item("2", "/users/$count"),
    )
    assert got["1"]["status"] == 200
    assert got["1"]["headers"]["client-request-id"] == given
    assert got["2"]["status"] == 400
    ids = [each["headers"]["request-id"] for each in got.values()]
    assert len(set(ids)) == 2


def test_the_token_is_always_the_outer_one(library: Library) -> None:
    other = {"Authorization": f"Bearer {library.as_('AlexW').token}", "authorization": "nonsense", "HOST": "x"}
    got = ask(library.as_("AdeleV"), item("1", headers=other))["1"]
    assert got["body"]["id"] == PERSON["AdeleV"]


def test_bodies_come_as_json_with_and_without_their_type_and_as_base64(graph: Graph) -> None:
    url, body = f"{SALES}/conversations", conversation("x")
    packed = base64.b64encode(msgspec.json.encode(body)).decode()
    got = ask(
        graph.as_("AdeleV"),
        {"id": "1", "method": "POST", "url": url, "body": body},
        item("2", url, "POST", packed),
        {"id": "3", "method": "post", "url": url, "body": packed, "headers": {"content-type": "application/json"}},
        {"id": "4", "method": "POST", "url": url, "body": body, "headers": {"content-type": "text/xml"}},
        item("5", url, "POST", "a JSON string"),
        item("6", url, "POST"),
    )
    assert [each["status"] for each in got.values()] == [201, 201, 201, 415, 400, 400]


def test_an_answer_without_a_body_has_null(graph: Graph) -> None:
    place = graph.as_("AdeleV").start()
    got = ask(
        graph.as_("AdeleV"),
        item("1", f"{place.thread_path()}/reply", "POST", reply("Yes")),
        item("2", place.conversation_path, "DELETE", dependsOn=["1"]),
    )
    assert [(each["status"], each["body"]) for each in got.values()] == [(202, None), (204, None)]


@pytest.mark.parametrize(
    ("sent", "content_type", "body"),
    [
        (Sent(200, b"\x00\xff", content_type="image/png"), "image/png", "AP8="),
        (Sent(200, b"\x00\xff"), "application/octet-stream", "AP8="),
        (Sent(200, b'{"a":[1]}', content_type="application/json"), "application/json", {"a": [1]}),
        (Sent(200, "17"), "text/plain", 17),
        (Sent(200, {"a": "é"}), JSON, {"a": "é"}),
        (Sent(202), None, None),
    ],
)
def test_whatever_the_door_answers_has_its_form(sent: Sent, content_type: str | None, body: Any) -> None:
    found, raw = served._body(sent)
    assert (found, msgspec.json.decode(raw)) == (content_type, body)


def test_content_that_is_deleted_meanwhile_is_missing_from_its_item_alone(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    adele = graph.as_("AdeleV")
    place = adele.attach(adele.start())
    path = place.attachment_path()
    monkeypatch.setattr(attachments, "part", lambda snapshot, group, blob, at: None)
    reply = {"post": {"body": {"content": "and this is there"}}}
    got = ask(
        adele,
        item("a", f"{path}/$value"),
        item("b", path),
        item("c", f"{place.thread_path()}/reply", method="POST", body=reply),
    )
    assert {id: each["status"] for id, each in got.items()} == {"a": 404, "b": 404, "c": 202}
    assert got["a"]["body"]["error"]["code"] == "ErrorItemNotFound"


def test_answers_are_bounded_together(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{library.talk.thread_path()}/posts"
    size = len(library.as_("AdeleV").get(url).content)
    monkeypatch.setattr(served, "LARGEST", 2 * size + 10)
    got = ask(library.as_("AdeleV"), *(item(str(n), url, dependsOn=[str(n - 1)] if n else []) for n in range(5)))
    assert [each["status"] for each in got.values()] == [200, 200, 413, 424, 424]
    assert got["2"]["body"]["error"]["code"] == "ResponseTooLarge"


def test_what_was_written_is_answered_as_it_went_however_little_room_there_is(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "LARGEST", 0)
    start = item("2", f"{SALES}/conversations", "POST", conversation("x"))
    assert [got["status"] for got in ask(graph.as_("AdeleV"), item("1"), start).values()] == [413, 201]


def test_posts_of_threads_are_read_and_refused_as_they_are_alone(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    there, gone, empty = (adele.start(content=content) for content in ("there", "gone", "empty"))
    assert adele.delete(gone.thread_path()).status == 204
    assert adele.delete(empty.post_path(), **EXTENDED).status == 204
    of_others = Place(GROUP["HR"], there.conversation, there.thread, there.post)
    urls = [
        f"{place.thread_path(road)}/posts{query}"
        for place in (there, gone, empty, of_others)
        for road in ROADS
        for query in ("", "?$top=1", "?$select=nothing", "?$filter=nothing eq 1", "?$skiptoken=x")
    ]
    alone = [adele.get(url) for url in urls]
    assert {answer.status for answer in alone} == {200, 400, 404}
    for at in range(0, len(urls), 20):
        got = ask(adele, *(item(str(n), url) for n, url in enumerate(urls[at : at + 20])))
        for found, answer in zip(got.values(), alone[at : at + 20], strict=True):
            assert found["status"] == answer.status
            if answer.status == 200:
                assert found["body"] == answer.json
            else:
                assert found["body"]["error"]["code"] == answer.json["error"]["code"]


# ── what waits for what ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", ["dependsOn", "depends_on"])
def test_what_depends_on_another_comes_after_it(graph: Graph, key: str) -> None:
    place = graph.as_("AdeleV").start()
    path = f"{place.thread_path()}/reply"
    numbers = range(19)
    replies = [item(str(n), path, "POST", reply(f"post {n}")) | {key: [str(n - 1)] if n else []} for n in numbers]
    last = item("last", f"{place.thread_path()}/posts?$select=body") | {key: ["18"]}
    got = ask(graph.as_("AdeleV"), last, *reversed(replies))  # the order of the list says nothing
    said = [post["body"]["content"] for post in got["last"]["body"]["value"]]
    assert said == ["Hello", *(f"post {n}" for n in numbers)]


def test_all_on_one(graph: Graph) -> None:
    place = graph.as_("AdeleV").start()
    url = f"{place.thread_path()}/posts/$count"
    first = item("First", f"{place.thread_path()}/reply", "POST", reply("Yes"))
    got = ask(graph.as_("AdeleV"), *(item(str(n), url, dependsOn=["FIRST"]) for n in range(19)), first)
    assert {got[str(n)]["body"] for n in range(19)} == {2}


def test_what_depends_on_a_failure_is_not_tried(graph: Graph) -> None:
    url = f"{SALES}/conversations"
    got = ask(
        graph.as_("AdeleV"),
        item("1", "/nowhere"),
        item("2", url, "POST", conversation("2"), dependsOn=["1"], headers={"client-request-id": "mine"}),
        item("3", url, "POST", conversation("3"), dependsOn=["2"]),
        item("4", url, "POST", conversation("4"), dependsOn=["5", "1"]),
        item("5", url, "POST", conversation("5")),
        item("6", url, "POST", conversation("6"), dependsOn=["5"]),
    )
    assert [each["status"] for each in got.values()] == [400, 424, 424, 424, 201, 201]
    assert got["2"]["body"]["error"]["code"] == "FailedDependency"
    assert "'1'" in got["2"]["body"]["error"]["message"]
    assert got["2"]["headers"]["client-request-id"] == "mine"
    assert len(graph.changes()) == 6


def test_any_graph_without_circles(graph: Graph) -> None:
    url = f"{SALES}/conversations"
    diamond = {"1": [], "2": ["1"], "3": ["1"], "4": ["2", "3"], "5": []}
    got = ask(graph.as_("AdeleV"), *(item(n, url, "POST", conversation(n), dependsOn=on) for n, on in diamond.items()))
    assert {each["status"] for each in got.values()} == {201}


@pytest.mark.parametrize(("limit", "most_at_once"), [(None, 20), (4, 4)])
def test_as_many_run_at_a_time_as_may(
    library: Library, monkeypatch: pytest.MonkeyPatch, limit: int | None, most_at_once: int
) -> None:
    running, most = 0, 0

    async def answer(door: Any, *asked: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(30):  # let the others begin
            await asyncio.sleep(0)
        try:
            return await real(door, *asked)
        finally:
            running -= 1

    real = GraphDoor.answer
    monkeypatch.setattr(GraphDoor, "answer", answer)
    monkeypatch.setattr(Throttle, "at_once", lambda *_: limit)
    got = ask(library.as_("AdeleV"), *(item(str(n), f"{SALES}/conversations") for n in range(20)))
    assert {each["status"] for each in got.values()} == {200}
    assert most == most_at_once + 1  # and the batch itself


def test_an_item_that_fails_unexpectedly_fails_alone(
    library: Library, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("folkmoot.graph.app._directory_rules", broken)
    got = ask(library.as_("AdeleV"), item("1"), item("2", dependsOn=["1"]))
    assert [each["status"] for each in got.values()] == [500, 424]
    assert "broken" in caplog.text


# ── what makes a batch unusable ──────────────────────────────────────────────────────────────────────────────────────


def send(client: Client, *items: Any) -> Answer:
    return client.post("/$batch", {"requests": list(items)})


@pytest.mark.parametrize(
    ("items", "target"),
    [
        ([], "requests"),
        ([item(str(n)) for n in range(21)], "requests"),
        ([{"method": "GET", "url": "/me"}], "requests[0].id"),
        *([[item("1") | {"id": id}], "requests[0].id"] for id in (None, True, 1.5, ["1"])),
        ([item("1"), item("1") | {"id": 1}], "requests[1].id"),
        ([item("a"), item("A")], "requests[1].id"),
        ([{"id": "1", "url": "/me"}], "requests[0].method"),
        ([item("1", method="BREW")], "requests[0].method"),
        ([{"id": "1", "method": "GET"}], "requests[0].url"),
        ([item("1", "https://elsewhere.example/v1.0/me")], "requests[0].url"),
        ([item("1"), item("2", dependsOn=["3"])], "requests[1].dependsOn"),
        ([item("1", dependsOn=["2"]), item("2", dependsOn=["1"])], "requests[0].dependsOn"),
        ([item("1"), item("2", headers="x")], "requests[1].headers"),
        *([[item("1"), item("2", url, "POST", {"requests": [item("1")]})], "requests[1].url"] for url in
          ("/$batch", "$batch", "/v1.0/$BATCH", "/%24batch", f"{ROOT}/$batch?x", "//$batch/", "/$batch()")),
    ],
)  # fmt: skip
def test_the_whole_is_refused(graph: Graph, items: list[Any], target: str) -> None:
    write = item("w", f"{SALES}/conversations", "POST", conversation("never"))
    client = graph.as_("AdeleV")
    message = refused(send(client, *items), 400, "BadRequest", target)
    assert target in message
    if 0 < len(items) < 20:
        refused(send(client, *items, write), 400, "BadRequest", target)
    assert graph.changes() == []


def test_bodies_that_are_no_batch(library: Library) -> None:
    client = library.as_("AdeleV")
    for body in (b"", b"{", b"[]", b"null", b"\xff", b'"x"', b'{"requests":[' + b"[" * 100_000):
        refused(client.post("/$batch", body), 400, "BadRequest", client.post("/$batch", body).target)
    headers = {"Content-Type": "multipart/mixed; boundary=x"}
    refused(client.send("POST", "/$batch", content=b"--x", headers=headers), 415, "UnsupportedMediaType")
    large = msgspec.json.encode({"requests": [item("1", body={"x": "x" * 5_000_000})]})
    refused(client.post("/$batch", large), 413, "RequestEntityTooLarge")


def test_other_methods_and_options(library: Library) -> None:
    client = library.as_("AdeleV")
    answer = client.get("/$batch")
    refused(answer, 405, "Request_BadRequest")
    assert answer.headers["allow"] == "POST"
    refused(client.post("/$batch?$top=1", {"requests": [item("1")]}), 400, "ErrorInvalidUrlQuery", "$top")
    refused(client.get("/$batch/x"), 400, "BadRequest")


def test_ids_may_be_numbers(library: Library) -> None:
    first, second = item("1") | {"id": 1}, item("2", dependsOn=[1]) | {"id": -20}
    answer = send(library.as_("AdeleV"), first, second)
    assert [(got["id"], got["status"]) for got in answer.json["responses"]] == [("1", 200), ("-20", 200)]


def test_what_the_cloud_leaves_aside_is_left_aside(library: Library) -> None:
    body = {"requests": [item("1", atomicityGroup="g", x=1)], "more": True}
    answer = library.as_("AdeleV").post("/$batch", body, Prefer="respond-async, return=minimal")
    assert (answer.status, answer.json["responses"][0]["status"]) == (200, 200)


# ── whatever is sent ─────────────────────────────────────────────────────────────────────────────────────────────────

anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | strange,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strange, inner, max_size=3),
    max_leaves=5,
)
ids = st.sampled_from(["1", "2", "a", "A"])
odd = st.fixed_dictionaries(
    {},
    optional={
        "id": ids | anything,
        "method": st.sampled_from(["GET", "get", "POST", "PATCH", "DELETE", "PUT"]) | anything,
        "url": st.sampled_from(["/me", f"{SALES}/conversations", "/$batch", f"{ROOT}/groups"]) | strange,
        "headers": st.dictionaries(strange | st.just("Content-Type"), strange, max_size=2) | anything,
        "body": anything,
        "dependsOn": st.lists(ids, max_size=2) | anything,
        "depends_on": st.lists(ids, max_size=2),
    },
)
sound = st.builds(item, st.uuids().map(str), strange | st.sampled_from(["/me", f"{SALES}/threads?$top=1"]))


@bounded
@given(st.lists(sound, min_size=1, max_size=4) | st.lists(odd, max_size=4) | st.lists(odd | sound, max_size=4))
def test_any_batch(library: Library, items: list[Any]) -> None:
    raw = msgspec.json.encode({"requests": items}) if _writable(items) else b'{"requests":[{"id":"\\ud800"}]}'
    answer = library.as_("AdeleV").post("/$batch", raw)
    well_formed(answer)
    if answer.status == 200:
        assert all(each["status"] < 500 for each in answer.json["responses"]), answer
    else:
        refused(answer, 400, "BadRequest", answer.target)


def _writable(items: list[Any]) -> bool:
    try:
        msgspec.json.encode(items)
    except (UnicodeEncodeError, msgspec.MsgspecError):
        return False
    return True
