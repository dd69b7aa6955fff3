"""Requests that wait at the same time are committed together; each is answered as if it had come alone, in order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.harness import GROUP, PERSON, Client, Graph, Place, recipient

Request = tuple[Client, str, str, Any]


def together(graph: Graph, requests: Sequence[Request], *, group: str = "SalesAndMarketing") -> list[int]:
    """The statuses of requests that the group's writer finds waiting all at once, in this order."""
    at_work, gate = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        at_work.set()
        gate.wait(30)

    async def scenario() -> list[int]:
        store = graph.store
        writer: Any = store.writers[hash(GROUP[group]) % len(store.writers)]

        async def until(true: Callable[[], bool]) -> None:
            while not true():  # noqa: ASYNC110  (a thread's doing, which nothing announces)
                await asyncio.sleep(0)

        held = asyncio.create_task(store.write(hold, key=GROUP[group]))
        await until(at_work.is_set)
        tasks = []
        for number, (client, method, path, body) in enumerate(requests, 1):
            tasks.append(asyncio.create_task(_status(client, method, path, body)))
            await until(lambda number=number: writer._queue.qsize() >= number)  # type: ignore[misc]
        gate.set()
        await held
        return await asyncio.gather(*tasks)

    return graph.loop.run(scenario())


async def _status(client: Client, method: str, path: str, body: Any) -> int:
    answer = await client.graph._http.request(
        method, f"https://localhost:8443/v1.0{path}", json=body, headers={"Authorization": f"Bearer {client.token}"}
    )
    return answer.status_code


def _reply(client: Client, place: Place, text: str, **post: Any) -> Request:
    body = {"post": {"body": {"contentType": "text", "content": text}, **post}}
    return client, "POST", f"{place.thread_path()}/reply", body


def test_replies_to_one_thread_add_up(graph: Graph) -> None:
    adele, alex = graph.as_("AdeleV"), graph.as_("AlexW")
    place = adele.start()
    graph.changes()
    requests = [_reply((adele, alex)[n % 2], place, f"reply {n}") for n in range(19)]
    requests.append(_reply(graph.as_("MeganB"), place, "the last", newParticipants=[recipient("LeeG")]))
    assert together(graph, requests) == [202] * 20

    posts = adele.everything(f"{place.thread_path()}/posts")
    assert [post["body"]["content"] for post in posts[1:]] == [*(f"reply {n}" for n in range(19)), "the last"]
    assert len({post["changeKey"] for post in posts}) == 21
    for path in (place.thread_path(), place.conversation_path):
        item = adele.get(path).json
        assert item["uniqueSenders"] == ["Adele Vance", "Alex Wilber", "Megan Bowen"]
        assert item["preview"] == "the last"
    to = adele.get(f"{place.thread_path()}?$select=toRecipients").json["toRecipients"]
    assert recipient("LeeG") in to
    assert graph.changes() == ["created post", "updated thread", "updated conversation"] * 20


def test_a_lock_holds_for_what_waits_behind_it(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    requests: list[Request] = [
        _reply(adele, place, "before"),
        (adele, "PATCH", place.thread_path(), {"isLocked": True}),
        _reply(adele, place, "after"),
        (adele, "PATCH", place.thread_path(), {"isLocked": False}),
        _reply(adele, place, "again"),
    ]
    assert together(graph, requests) == [202, 200, 403, 200, 202]
    posts = adele.everything(f"{place.thread_path()}/posts")
    assert [post["body"]["content"] for post in posts] == ["Hello", "before", "again"]


def test_what_is_deleted_is_gone_for_what_waits_behind_it(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place, other = adele.start(), adele.start("Other")
    requests: list[Request] = [
        _reply(adele, place, "before"),
        (adele, "DELETE", place.thread_path(), None),
        _reply(adele, place, "after"),
        _reply(adele, other, "elsewhere"),
    ]
    assert together(graph, requests) == [202, 204, 404, 202]
    assert [item["id"] for item in adele.everything(f"/groups/{place.group}/conversations")] == [other.conversation]


def test_a_second_thread_is_part_of_the_conversation_at_once(graph: Graph) -> None:
    adele, alex = graph.as_("AdeleV"), graph.as_("AlexW")
    place = adele.start()
    thread = {"posts": [{"body": {"contentType": "text", "content": "beside"}}]}
    requests: list[Request] = [
        _reply(adele, place, "one"),
        (alex, "POST", f"{place.conversation_path}/threads", thread),
        _reply(adele, place, "two"),
    ]
    assert together(graph, requests) == [202, 201, 202]
    conversation = adele.get(place.conversation_path).json
    assert conversation["uniqueSenders"] == ["Adele Vance", "Alex Wilber"]
    assert conversation["preview"] == "two"
    assert adele.get(place.thread_path()).json["uniqueSenders"] == ["Adele Vance"]


def test_who_is_removed_is_outside_for_what_waits_behind(graph: Graph) -> None:
    diego, joni = graph.as_("DiegoS"), graph.as_("JoniS")
    place = diego.start(group="HR")
    requests: list[Request] = [
        _reply(joni, place, "before"),
        (diego, "DELETE", f"/groups/{place.group}/members/{PERSON['JoniS']}/$ref", None),
        _reply(joni, place, "after"),
        _reply(diego, place, "still"),
    ]
    assert together(graph, requests, group="HR") == [202, 204, 403, 202]


@pytest.mark.parametrize("wrong", [400, 404, 403])
def test_one_that_is_refused_leaves_its_companions_unharmed(graph: Graph, wrong: int) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    malformed = f"/groups/{place.group}/threads/nonsense/reply"
    body = {"post": {"body": {"contentType": "text", "content": "x"}}}
    missing = adele.start("Gone")
    adele.delete(missing.thread_path())
    refused: dict[int, Request] = {
        400: (adele, "POST", malformed, body),
        404: _reply(adele, missing, "x"),
        403: _reply(graph.as_("JoniS"), place, "x", sender=recipient("AdeleV")),
    }
    statuses = together(graph, [_reply(adele, place, "one"), refused[wrong], _reply(adele, place, "two")])
    assert statuses == [202, wrong, 202]
