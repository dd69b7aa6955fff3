"""How much may be asked for: 429 with whole seconds in Retry-After, before anything is done; 503 where all is full."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from folkmoot import app
from folkmoot.graph import limits
from tests.harness import GROUP, Client, Graph
from tests.protocol.test_attachment_upload import SIZE, opened

SALES = GROUP["SalesAndMarketing"]
Limited = Callable[..., Graph]
THREADS = f"/groups/{SALES}/threads"
CONVERSATION = {"topic": "One", "threads": [{"posts": [{"body": {"contentType": "text", "content": "Hello"}}]}]}


@pytest.fixture
def limited(any_graph: Graph) -> Iterator[Limited]:
    """The server with settings of one's own: `limited(strict_limits="mailbox=3/60")`."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(_limited(any_graph, **settings))


@contextmanager
def _limited(graph: Graph, **settings: Any) -> Iterator[Graph]:
    given = msgspec.structs.replace(graph.settings, **settings)
    application = app.build(given, graph.store, graph.clock, outgoing=graph.endpoints)
    yield replace(graph, application=application, settings=given)


def threads(client: Client, count: int) -> list[int]:
    """The statuses of as many lists of threads."""
    return [client.get(THREADS).status for _ in range(count)]


# ── rates ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_requests_of_an_application_to_one_mailbox(limited: Limited) -> None:
    graph = limited(strict_limits="mailbox=3/60")
    adele, megan = graph.as_("AdeleV"), graph.as_("MeganB")
    assert threads(adele, 2) == [200, 200]
    graph.clock.advance(50)
    assert threads(megan, 2) == [200, 429]  # the same application
    refused = adele.get(THREADS)
    assert refused.refusal == (429, "TooManyRequests")
    assert refused.error["message"] == "Please retry again later."
    assert refused.headers["retry-after"] == "10"
    # Neither another group, nor the directory, nor another application.
    assert adele.get(f"/groups/{GROUP['Mark8']}/threads").status == 200
    assert adele.get(f"/groups/{SALES}").status == 200
    assert graph.as_app("daemon").get(THREADS).status == 200
    graph.clock.advance(10)
    assert threads(adele, 4) == [200, 200, 200, 429]


def test_a_write_that_is_throttled_is_not_done(limited: Limited) -> None:
    graph = limited(strict_limits="mailbox=2/60")
    adele = graph.as_("AdeleV")
    assert [adele.post(f"/groups/{SALES}/conversations", CONVERSATION).status for _ in range(3)] == [201, 201, 429]
    graph.clock.advance(60)
    assert len(adele.get(THREADS).value) == 2


def test_each_of_the_other_rates(limited: Limited) -> None:
    graph = limited(strict_limits="application=6/60, caller=3/60 group=5/60")
    adele, megan = graph.as_("AdeleV"), graph.as_("MeganB")
    assert [adele.get("/me").status for _ in range(4)] == [200, 200, 200, 429]
    # The fourth had been counted for the application before the caller's own limit refused it.
    assert threads(megan, 3) == [200, 200, 429]
    assert graph.as_app("daemon").get(f"/groups/{SALES}").status == 200
    assert graph.as_app("daemonWithoutRoles").get(f"/groups/{SALES.upper()}").status == 403
    assert threads(graph.as_app("daemon"), 2) == [200, 429]


def test_a_body_too_many(limited: Limited) -> None:
    graph = limited(strict_limits="upload=1000/60")
    adele = graph.as_("AdeleV")
    large = {"body": {"contentType": "text", "content": "x" * 2000}}
    small = {"body": {"contentType": "text", "content": "x"}}
    path = f"/groups/{SALES}/conversations"
    body = {"topic": "One", "threads": [{"posts": [large]}]}
    # More than the limit in one body is let through once.
    assert [adele.post(path, body).status, adele.post(path, body).status] == [201, 429]
    assert adele.post(path, {"topic": "Two", "threads": [{"posts": [small]}]}).headers["retry-after"] == "60"
    assert adele.get(THREADS).status == 200
    graph.clock.advance(60)
    assert adele.post(path, body).status == 201


def test_requests_about_extensions(limited: Limited) -> None:
    graph = limited(strict_limits="extensions=1/10")
    adele = graph.as_("AdeleV")
    place = adele.start()
    path = f"{place.post_path()}/extensions"
    assert [adele.get(path).status, adele.get(path).status, adele.get(THREADS).status] == [200, 429, 200]


def test_the_clock_set_back_holds_nobody_up_for_longer(limited: Limited) -> None:
    graph = limited(strict_limits="mailbox=1/60")
    adele = graph.as_("AdeleV")
    assert threads(adele, 2) == [200, 429]
    graph.clock.advance(-3600)
    assert graph.as_("AdeleV").get(THREADS).status == 200


# ── at the same time ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_cloud_answers_four_at_a_time(limited: Limited) -> None:
    graph = limited(strict_limits="cloud")
    adele = graph.as_("AdeleV")
    answers = adele.together([("POST", f"/groups/{SALES}/conversations", CONVERSATION)] * 6)
    assert sorted(answer.status for answer in answers) == [201, 201, 201, 201, 429, 429]
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.refusal == (429, "ApplicationThrottled")
    assert refused.error["message"] == "Application is over its MailboxConcurrency limit."
    assert refused.headers["retry-after"] == "1"
    assert len(adele.get(THREADS).value) == 4


def test_a_batch_is_within_that_and_its_items_are_counted(limited: Limited) -> None:
    graph = limited(strict_limits="mailbox=18/600 concurrent=4")
    items = [{"id": str(n), "method": "GET", "url": THREADS} for n in range(20)]
    answer = graph.as_("AdeleV").post("/$batch", {"requests": items})
    found = [(each["status"], each["headers"].get("Retry-After")) for each in answer.json["responses"]]
    assert found == [(200, None)] * 18 + [(429, "600")] * 2


def test_what_all_ask_for_at_the_same_time(limited: Limited) -> None:
    graph = limited(max_requests=3)
    adele = graph.as_("AdeleV")
    answers = adele.together([("POST", f"/groups/{SALES}/conversations", CONVERSATION)] * 5)
    assert sorted(answer.status for answer in answers) == [201, 201, 201, 503, 503]
    refused = next(answer for answer in answers if answer.status == 503)
    assert refused.refusal == (503, "serviceNotAvailable")
    assert refused.headers["retry-after"] == "1"
    assert len(adele.get(THREADS).value) == 3


def test_the_bodies_of_all(limited: Limited) -> None:
    graph = limited(max_bodies_bytes=4 * 1024 * 1024)
    adele = graph.as_("AdeleV")
    post = {"body": {"contentType": "text", "content": "x" * 1_500_000}}
    body = msgspec.json.encode({"topic": "Large", "threads": [{"posts": [post]}]})
    headers = {"Authorization": f"Bearer {adele.token}", "Content-Type": "application/json"}
    url = f"https://localhost:8443/v1.0/groups/{SALES}/conversations"

    async def all_of_them() -> list[int]:
        sized = headers | {"Content-Length": str(len(body))}
        return [each.status for each in await asyncio.gather(*(graph.asking("POST", url, body, sized) for _ in "123"))]

    assert sorted(graph.loop.run(all_of_them())) == [201, 201, 503]
    assert graph.loop.run(all_of_them()).count(201) == 2  # what they took was given back


def test_compressed_bodies_count_as_what_they_may_become(limited: Limited) -> None:
    graph = limited(max_bodies_bytes=4 * 1024 * 1024)
    adele = graph.as_("AdeleV")
    headers = {"Authorization": f"Bearer {adele.token}", "Content-Type": "application/json"}
    headers |= {"Content-Encoding": "gzip"}
    url = f"https://localhost:8443/v1.0/groups/{SALES}/conversations"
    small = gzip.compress(msgspec.json.encode(CONVERSATION))
    post = {"body": {"contentType": "text", "content": "x" * 3_000_000}}
    large = gzip.compress(msgspec.json.encode({"topic": "Large", "threads": [{"posts": [post]}]}))

    async def all_of_them(body: bytes, many: int) -> list[int]:
        asked = (graph.asking("POST", url, body, headers) for _ in range(many))
        return [each.status for each in await asyncio.gather(*asked)]

    assert graph.loop.run(all_of_them(small, 10)) == [201] * 10
    assert sorted(graph.loop.run(all_of_them(large, 2))) == [201, 503]


class Slow:
    """A body of which `came` is sent at once, and the rest when somebody says `go_on`."""

    def __init__(self, body: bytes, came: int) -> None:
        self.there = asyncio.Event()
        self.go_on = asyncio.Event()
        self._parts = body[:came], body[came:]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._parts[0]
        self.there.set()  # it was taken, for more is asked for
        await self.go_on.wait()
        yield self._parts[1]


@pytest.mark.parametrize(("came", "expected"), [(10, 201), (3_000_000, 503)])
def test_of_a_body_what_has_come_is_held(limited: Limited, came: int, expected: int) -> None:
    """Who says that much will come, and sends nothing, keeps nobody out: not by the bodies, and not by the requests."""
    graph = limited(max_bodies_bytes=4 * 1024 * 1024, max_requests=1)
    post = {"body": {"contentType": "text", "content": "x" * 3_000_000}}
    body = msgspec.json.encode({"topic": "Large", "threads": [{"posts": [post]}]})
    headers = {"Authorization": f"Bearer {graph.as_('AdeleV').token}", "Content-Type": "application/json"}
    headers |= {"Content-Length": str(len(body))}
    url = f"https://localhost:8443/v1.0/groups/{SALES}/conversations"

    async def beside_a_slow_one() -> tuple[int, int]:
        slow = Slow(body, came)
        first = asyncio.create_task(graph.asking("POST", url, slow, headers))
        await slow.there.wait()
        second = await graph.asking("POST", url, body, headers)
        slow.go_on.set()
        return second.status, (await first).status

    assert graph.loop.run(beside_a_slow_one()) == (expected, 201)


def test_what_waits_of_uploads_is_held_too(limited: Limited) -> None:
    graph = limited(max_bodies_bytes=4 * 1024 * 1024)
    adele = graph.as_("AdeleV")
    url = opened(adele, adele.start())
    headers = {"Content-Range": f"bytes 0-{SIZE - 1}/{SIZE}"}

    async def one_too_many() -> int:
        slow = [Slow(bytes(SIZE), 1_000_000) for _ in range(4)]
        asked = [asyncio.create_task(graph.asking("PUT", url, each, headers)) for each in slow]
        for each in slow:
            await each.there.wait()
        refused = await graph.asking("PUT", url, bytes(SIZE), headers)
        for each in slow:
            each.go_on.set()
        await asyncio.gather(*asked)
        return refused.status

    assert graph.loop.run(one_too_many()) == 503
    assert graph.loop.run(graph.asking("PUT", url, bytes(SIZE), headers)).status == 201  # what they took was given back


# ── who is told, and who is not held to it ───────────────────────────────────────────────────────────────────────────


def test_extended_applications_hear_which_limit_it_is(limited: Limited) -> None:
    graph = limited(extended_limits="mailbox=1/60")
    extended = graph.as_app("extended")
    assert threads(extended, 2) == [200, 429]
    assert extended.get(THREADS).error["message"] == (
        "Please retry again later. The limit is 1 requests of one application to the conversations of one group "
        "within 60 seconds."
    )
    assert threads(graph.as_app("daemon"), 3) == [200, 200, 200]


def test_invented_ids_do_not_fill_the_memory(limited: Limited, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_COUNTERS", 10)
    graph = limited(strict_limits="mailbox=1/60 application=41/60")
    adele = graph.as_("AdeleV")
    assert [adele.get(f"/groups/{n:08}-0000-4000-8000-000000000000/threads").status for n in range(40)] == [404] * 40
    # The counters that counted most are not those that are forgotten.
    assert threads(adele, 2) == [200, 429]
