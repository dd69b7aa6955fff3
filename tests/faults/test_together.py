"""Requests whose writes are committed together do what they do one after another.

A batch shares one transaction, and what one function has read or changed the next need not read again; none of that may
show. So random requests are sent twice, once all at once to a writer that is held back, once each after the other's
answer, and everything that is then stored is compared.
"""

from __future__ import annotations

import asyncio
import random
import threading
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import Table, select

from folkmoot.store import schema as s
from folkmoot.store.db import Statement, Tx
from tests.faults.clients import PATIENCE, ROUNDS
from tests.harness import DATABASES, GROUP, PERSON, ROOT, Database, Graph, Workshop

OF = f"/groups/{GROUP['SalesAndMarketing']}"
WHO = ("AdeleV", "MeganB", "AlexW", "IsaiahL", "LidiaH")  # two owners, two members, one from outside
LENGTH = 24
TURNS = 50  # of the event loop, enough for every request to come to the writer's queue


@dataclass(frozen=True)
class Request:
    """A request by somebody, with `{c0}`, `{t0}`, `{p0}` for what was there before."""

    who: str
    method: str
    path: str
    body: Any = None


def some_requests(chance: random.Random) -> list[Request]:
    """A day in a group, in a random order."""
    requests = [Request("AdeleV", "PATCH", OF, {"visibility": chance.choice(("Public", "Private"))})]
    for number in range(LENGTH):
        text = {"body": {"contentType": "text", "content": f"Text {number}"}}
        joining = [{"emailAddress": {"name": "New", "address": f"new{number}@example.org"}}]
        n, who, member = chance.randrange(4), chance.choice(WHO), PERSON[chance.choice(WHO)]
        c, t = f"{OF}/conversations/{{c{n // 2}}}", f"{OF}/threads/{{t{n}}}"
        reference = {"@odata.id": f"{ROOT}/directoryObjects/{member}"}
        made: list[tuple[int, Request]] = [
            (10, Request(who, "POST", f"{t}/reply", {"post": text})),
            (3, Request(who, "POST", f"{t}/reply", {"post": {**text, "newParticipants": joining}})),
            (3, Request(who, "POST", f"{t}/posts/{{p{n}}}/reply", {"post": text})),
            (3, Request(who, "POST", f"{OF}/conversations", {"topic": "New", "threads": [{"posts": [text]}]})),
            (3, Request(who, "POST", f"{c}/threads", {"topic": "New", "posts": [text]})),
            (2, Request(who, "PATCH", t, {"isLocked": chance.random() < 0.5})),
            (1, Request(who, "PATCH", t, {"topic": f"Topic {number}"})),
            (1, Request(who, "DELETE", t)),
            (1, Request(who, "DELETE", c)),
            (1, Request(who, "POST", f"{OF}/members/$ref", reference)),
            (3, Request(who, "DELETE", f"{OF}/members/{member}/$ref")),
            (1, Request(who, "POST", f"{OF}/owners/$ref", reference)),
            (1, Request(who, "DELETE", f"{OF}/owners/{member}/$ref")),
            (1, Request(who, "PATCH", OF, {"visibility": chance.choice(("Public", "Private"))})),
        ]
        if number > LENGTH // 2:
            made.append((1, Request(who, "DELETE", OF)))
        weights = [weight for weight, _ in made]
        requests.append(chance.choices([request for _, request in made], weights)[0])
    return requests


def prepared(graph: Graph) -> dict[str, str]:
    """Two conversations of two threads each: their ids by the names that requests have for them."""
    adele, names = graph.as_("AdeleV"), {}
    for number in range(2):
        first = adele.start(f"Conversation {number}", f"First {number}")
        body = {"posts": [{"body": {"contentType": "text", "content": f"Second {number}"}}]}
        second = adele.post(f"{first.group_path}/conversations/{first.conversation}/threads", body).json["id"]
        names[f"c{number}"] = first.conversation
        for place, thread in enumerate((first.thread, second)):
            names[f"t{2 * number + place}"] = thread
            names[f"p{2 * number + place}"] = adele.get(f"{OF}/threads/{thread}/posts").ids[0]
    return names


def told(graph: Graph, requests: list[Request], names: dict[str, str], *, together: bool) -> list[Any]:
    """Status and code of each answer."""

    async def send(client: httpx.AsyncClient, request: Request) -> Any:
        answer = await client.request(
            request.method,
            ROOT + request.path.format(**names),
            content=None if request.body is None else msgspec.json.encode(request.body),
            headers={
                "Authorization": f"Bearer {graph.as_(request.who).token}",
                "Content-Type": "application/json",
            },
        )
        error = answer.status_code >= 400
        return answer.status_code, answer.json()["error"]["code"] if error else ""

    async def one_after_another() -> list[Any]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(graph.application)) as client:
            return [await send(client, request) for request in requests]

    async def all_at_once() -> list[Any]:
        entered, go = threading.Event(), threading.Event()

        def hold(tx: Tx) -> None:
            entered.set()
            assert go.wait(PATIENCE)

        async with httpx.AsyncClient(transport=httpx.ASGITransport(graph.application)) as client:
            held = asyncio.create_task(graph.store.write(hold, key=GROUP["SalesAndMarketing"]))
            assert await asyncio.to_thread(entered.wait, PATIENCE)
            answers = [asyncio.create_task(send(client, request)) for request in requests]
            for _ in range(TURNS):
                await asyncio.sleep(0)
            assert not any(answer.done() for answer in answers)
            go.set()
            await held
            return [*await asyncio.gather(*answers)]

    return graph.loop.run(all_at_once() if together else one_after_another())


_TABLES = (s.groups, s.sequences, s.memberships, s.object_groups, s.conversations, s.threads, s.posts, s.changes)


def stored(graph: Graph) -> dict[str, Any]:
    """Everything that is stored, with ids replaced by the order in which they were made."""

    def everything(table: Table) -> list[Any]:
        query = Statement(select(table).order_by(*table.primary_key.columns))
        return graph.store.read_here(lambda snapshot: snapshot.all(query))

    found = {table.name: everything(table) for table in _TABLES}
    fixed = {*PERSON.values(), *GROUP.values()}
    made = sorted(
        {row[1] for name in ("conversations", "threads", "posts") for row in found[name]}
        | {row[5] for row in found["changes"] if row[5] not in fixed}
    )
    short = {id: f"#{number}" for number, id in enumerate(made)}
    return {
        name: [[short.get(value, value) if isinstance(value, str) else value for value in row] for row in rows]
        for name, rows in found.items()
    }


@pytest.mark.parametrize("seed", range(4 * ROUNDS))
@pytest.mark.parametrize("database", DATABASES)
def test_together_as_one_after_another(workshop: Workshop, database: Database, seed: int) -> None:
    requests = some_requests(random.Random(seed))  # noqa: S311
    outcomes = []
    for together in (False, True):
        graph = workshop.graph(database)
        names = prepared(graph)
        graph.clock.advance(1)
        outcomes.append((told(graph, requests, names, together=together), stored(graph)))
    alone, batch = outcomes
    assert max(status for status, _ in alone[0]) < 500
    assert [*zip(requests, batch[0], strict=True)] == [*zip(requests, alone[0], strict=True)]
    assert batch[1] == alone[1]
