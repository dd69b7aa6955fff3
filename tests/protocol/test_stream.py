"""Streams of changes: what happens in a group, or in all of one's groups, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from sqlalchemy import bindparam, delete, select, update

from folkmoot import app
from folkmoot.graph.streaming import RING_EVENTS, Streams
from folkmoot.store import schema as s
from folkmoot.store.db import Statement
from tests.harness import APPLICATIONS, GROUP, PERSON, ROOT, Answer, Client, Graph
from tests.protocol.following import Connection, Event
from tests.protocol.rows import EVERYTHING, EXTENDED

ROWS = {"GET group/changes", "GET user/changes"}
SALES, HR, MARK8, LEADERSHIP = (f"/groups/{GROUP[nick]}" for nick in ("SalesAndMarketing", "HR", "Mark8", "Leadership"))
IN_SALES, IN_HR, MINE = f"{SALES}/changes", f"{HR}/changes", "/me/changes"
POST = {"body": {"contentType": "text", "content": "Hello"}}
LIDIA = {"@odata.id": f"{ROOT}/directoryObjects/{PERSON['LidiaH']}"}
STARTED = [("created", "post"), ("created", "conversationthread"), ("created", "conversation")]
HEADS = Statement(select(s.sequences.c.group_id, s.sequences.c.seq))
FORGET = Statement(delete(s.changes).where(s.changes.c.group_id == bindparam("g"), s.changes.c.seq < bindparam("upto")))


class Scene:
    """A server whose streams can be looked at. Nothing beats and nobody loses patience but when a test says so."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.adele = graph.as_("AdeleV", scopes=EVERYTHING)
        self.admin = graph.as_("admin", scopes=EVERYTHING)
        self.serve()

    def serve(self, patience: float = 10_000) -> None:
        self.streams = Streams(self.graph.store, heartbeat=10_000, patience=patience)
        self.application = app.build(self.graph.settings, self.graph.store, self.graph.clock, streams=self.streams)

    def run(self, test: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.graph.loop.run(test())

    def open(self, client: Client, path: str, last: str = "", **headers: str) -> Connection:
        """A connection that follows, under the extended profile."""
        given = {"Accept": "text/event-stream", **EXTENDED, **({"Last-Event-ID": last} if last else {}), **headers}
        return Connection(client, path, given.items(), self.application)

    @asynccontextmanager
    async def following(self, client: Client, path: str, last: str = "") -> AsyncIterator[Connection]:
        async with self.open(client, path, last) as connection:
            assert connection.status == 200, connection.body
            await connection.until(lambda: connection.retry > 0)
            yield connection

    async def asked(self, client: Client, method: str, path: str, body: Any = None) -> Answer:
        headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json", **EXTENDED}
        content = None if body is None else msgspec.json.encode(body)
        return await self.graph.asking(method, f"{ROOT}{path}", content, headers)

    async def did(self, client: Client, method: str, path: str, body: Any = None) -> Any:
        answer = await self.asked(client, method, path, body)
        assert answer.status < 300, answer
        return msgspec.json.decode(answer.content) if answer.content else None

    async def start(self, group: str = SALES, client: Client | None = None) -> Any:
        """Start a conversation; what was answered."""
        body = {"topic": "Launch", "threads": [{"posts": [POST]}]}
        return await self.did(client or self.adele, "POST", f"{group}/conversations", body)

    async def reply(self, made: Any, times: int = 1) -> None:
        for _ in range(times):
            thread = made["threads"][0]["id"]
            await self.did(self.adele, "POST", f"{SALES}/threads/{thread}/reply", {"post": POST})

    async def change(self, statement: Statement, **parameters: Any) -> None:
        await self.graph.store.write(lambda tx: tx.run(statement, **parameters))


@pytest.fixture
def scene(graph: Graph) -> Iterator[Scene]:
    found = Scene(graph)
    yield found
    assert found.streams.count == 0, "a stream outlives its client"
    assert not found.streams.tails


def told(events: list[Event]) -> list[tuple[str, str]]:
    """(event, type of what it is about) of each."""
    return [(event.name, event.data["resourceData"]["@odata.type"].rpartition(".")[2].lower()) for event in events]


def created(connection: Connection) -> list[str]:
    """The ids of what was told to be created."""
    return [event.data["resourceData"]["id"] for event in connection.events if event.name == "created"]


# ── what is told ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_happens_in_a_group_is_told_as_it_happens(scene: Scene) -> None:
    async def test() -> None:
        async with scene.following(scene.adele, IN_SALES) as stream:
            assert stream.headers["content-type"] == "text/event-stream"
            assert stream.headers["cache-control"] == "no-store"
            assert 1_000 <= stream.retry <= 5_000
            begun = int(stream.last_id)
            made = await scene.start()
            events = await stream.got(3)
            assert told(events) == STARTED
            numbers = [int(event.id) for event in events]
            assert [begun, *numbers] == sorted({begun, *numbers})
            assert len({event.data["id"] for event in events}) == 3
            assert [event.data["changeType"] for event in events] == ["created"] * 3
            assert events[2].data["resourceData"]["id"] == made["id"]
            # What it names can be asked for.
            for event in events:
                found = await scene.did(scene.adele, "GET", f"/{event.data['resource']}")
                assert found["id"] == event.data["resourceData"]["id"]
            await scene.did(scene.adele, "DELETE", f"{SALES}/conversations/{made['id']}")
            await stream.until(lambda: ("deleted", "conversation") in told(stream.events))

    scene.run(test)


def test_a_stream_goes_on_where_it_was_left(scene: Scene) -> None:
    async def test() -> None:
        async with scene.following(scene.adele, IN_SALES) as stream:
            nothing = stream.last_id
            made = await scene.start()
            events = await stream.got(3)
            before = created(stream)
        await scene.reply(made)
        for last, missed in ((events[1].id, 1), (events[2].id, 0), (nothing, 3)):
            for path, given in ((IN_SALES, last), (f"{IN_SALES}?lastEventId={last}", "")):
                async with scene.following(scene.adele, path, given) as again:
                    await again.until(lambda: len(created(again)) == missed + 1)  # noqa: B023
                    assert created(again)[:missed] == before[3 - missed :]

    scene.run(test)


def test_a_slow_reader_is_told_everything_from_the_log(scene: Scene) -> None:
    """Nothing waits for it in memory: it goes on where it was, though the ring has gone on meanwhile."""
    posts = RING_EVENTS // 2

    async def test() -> None:
        async with (
            scene.following(scene.adele, IN_SALES) as quick,
            scene.following(scene.graph.as_("AlexW"), IN_SALES) as slow,
        ):
            slow.take.clear()
            made = await scene.start()
            await scene.reply(made, posts)
            await quick.until(lambda: len(created(quick)) == posts + 3)
            tail = scene.streams.tails[GROUP["SalesAndMarketing"]]
            assert len(tail.ring) <= RING_EVENTS < len(quick.events)
            slow.take.set()
            await slow.until(lambda: len(created(slow)) == posts + 3)
            await quick.until(lambda: len(quick.events) == len(slow.events))
            assert [event.id for event in slow.events] == [event.id for event in quick.events]

    scene.run(test)


def test_who_takes_nothing_is_cut_off(scene: Scene) -> None:
    async def test() -> None:
        async with scene.following(scene.adele, IN_SALES) as stream:
            stream.take.clear()
            await scene.start()
            await stream.end()
            assert stream.aborted

    scene.serve(patience=0.01)
    scene.run(test)


def test_the_heart_beats_and_says_how_far_one_is(scene: Scene) -> None:
    async def test() -> None:
        async with scene.following(scene.adele, IN_SALES) as stream:
            first = stream.last_id
            await scene.streams.beat()
            await stream.until(lambda: stream.comments == 1)
            assert stream.last_id == first
            # Nothing is told of this, and yet it is passed.
            await scene.did(scene.adele, "POST", f"{SALES}/addFavorite")
            for beats in range(2, 200):
                await scene.streams.beat()
                await stream.until(lambda: stream.comments == beats)  # noqa: B023
                if int(stream.last_id) > int(first):
                    break
            assert int(stream.last_id) > int(first)
            assert stream.events == []

    scene.run(test)


# ── all groups of a person ───────────────────────────────────────────────────────────────────────────────────────────


def groups_of(connection: Connection) -> list[str]:
    """The group of each thing that was told to be created."""
    resources = [event.data["resource"] for event in connection.events if event.name == "created"]
    return [resource.split("'")[1] for resource in resources]


def test_all_groups_of_a_person_come_in_one_stream(scene: Scene) -> None:
    """Lee is in Mark 8 and Leadership; Adele in neither."""
    lee = scene.graph.as_("LeeG", scopes=EVERYTHING)

    async def test() -> None:
        async with scene.following(lee, MINE) as stream, scene.following(scene.adele, MINE) as other:
            await scene.start(MARK8, lee)
            await scene.start(LEADERSHIP, lee)
            await stream.until(lambda: len(created(stream)) == 6)
            assert sorted(groups_of(stream)) == sorted([GROUP["Mark8"]] * 3 + [GROUP["Leadership"]] * 3)
            await scene.start(SALES)
            await other.until(lambda: len(created(other)) == 3)
            assert set(groups_of(other)) == {GROUP["SalesAndMarketing"]}
            last, before = stream.last_id, set(created(stream))
            # With many groups, too, it is short.
            assert len(last) < 600
        # Left, and gone on with: nothing is missing, and of what was told last nothing comes again.
        made = [await scene.start(group, lee) for group in (MARK8, LEADERSHIP)]
        async with scene.following(lee, MINE, last) as again:
            await again.until(lambda: len(created(again)) == 6)
            assert not before & set(created(again))
            assert {each["id"] for each in made} <= set(created(again))

    scene.run(test)


def test_nothing_is_missing_in_groups_that_were_quiet_for_long(scene: Scene) -> None:
    """A position does not name them: what followed the time that it holds is told, and a little before it again."""
    lee = scene.graph.as_("LeeG", scopes=EVERYTHING)

    async def test() -> None:
        old = await scene.start(LEADERSHIP, lee)
        scene.graph.clock.advance(3600)
        async with scene.following(lee, MINE) as stream:
            made = await scene.start(MARK8, lee)
            await stream.until(lambda: len(created(stream)) == 3)
            last = stream.last_id
        scene.graph.clock.advance(3600)
        new = await scene.start(LEADERSHIP, lee)
        async with scene.following(lee, MINE, last) as again:
            await again.until(lambda: len(created(again)) == 3)
            assert new["id"] in created(again)
            assert not {old["id"], made["id"]} & set(created(again))

    scene.run(test)


def test_who_joins_a_group_follows_it_and_who_leaves_does_not(scene: Scene) -> None:
    lidia = scene.graph.as_("LidiaH", scopes=EVERYTHING)

    async def test() -> None:
        async with scene.following(lidia, MINE) as stream:
            await scene.did(scene.admin, "POST", f"{LEADERSHIP}/members/$ref", LIDIA)
            made = await scene.start(LEADERSHIP, lidia)
            await stream.until(lambda: made["id"] in created(stream))
            await scene.did(scene.admin, "DELETE", f"{LEADERSHIP}/members/{PERSON['LidiaH']}/$ref")
            unheard = await scene.start(LEADERSHIP, scene.graph.as_("LeeG", scopes=EVERYTHING))
            heard = await scene.start(MARK8, lidia)
            await stream.until(lambda: heard["id"] in created(stream))
            assert unheard["id"] not in created(stream)

    scene.run(test)


# ── who may follow, and for how long ─────────────────────────────────────────────────────────────────────────────────


def test_who_may_not_read_does_not_follow(scene: Scene) -> None:
    app_only = scene.graph.as_app("extended", roles=["Group.Read.All"])
    cases: list[tuple[Client, str, dict[str, str], tuple[int, str, str | None]]] = [
        (scene.graph.nobody(), IN_SALES, {}, (401, "InvalidAuthenticationToken", None)),
        (scene.graph.as_("AdeleV", scopes=["User.Read"]), IN_SALES, {}, (403, "ErrorAccessDenied", None)),
        (scene.adele, IN_HR, {}, (403, "ErrorAccessDenied", None)),
        (scene.adele, f"/groups/{PERSON['AdeleV']}/changes", {}, (404, "Request_ResourceNotFound", None)),
        (scene.adele, "/groups/x/changes", {}, (400, "Request_BadRequest", None)),
        (scene.adele, f"/users/{PERSON['LeeG']}/changes", {}, (403, "ErrorAccessDenied", None)),
        (app_only, MINE, {}, (400, "BadRequest", None)),
        (scene.adele, IN_SALES, {"Prefer": "folkmoot.profile=strict"}, (400, "BadRequest", None)),
        (scene.adele, IN_SALES, {"Accept": "application/json"}, (406, "NotAcceptable", "Accept")),
        (
            scene.adele,
            f"{IN_SALES}?$filter=id eq 'x'".replace(" ", "%20"),
            {},
            (400, "ErrorInvalidUrlQueryFilter", "$filter"),
        ),
        (scene.adele, f"{MINE}?$top=1", {}, (400, "ErrorInvalidUrlQuery", "$top")),
        (scene.adele, IN_SALES, {"Last-Event-ID": "-1"}, (400, "BadRequest", "Last-Event-ID")),
        (scene.adele, MINE, {"Last-Event-ID": "12"}, (400, "BadRequest", "Last-Event-ID")),
        (scene.adele, f"{IN_SALES}?lastEventId=x", {}, (400, "BadRequest", "lastEventId")),
    ]

    async def test() -> None:
        for client, path, headers, (status, code, target) in cases:
            async with scene.open(client, path, **headers) as answered:
                await answered.end()
                error = msgspec.json.decode(answered.body)["error"]
                found = (answered.status, error["code"], error.get("target"))
                assert found == (status, code, target), (path, headers, error)
        for client in (app_only, scene.graph.as_("JoniS")):
            async with scene.following(client, IN_SALES):
                pass
        async with scene.following(scene.graph.as_("JoniS"), f"/users/{PERSON['JoniS']}/changes"):
            pass

    scene.run(test)


@pytest.mark.parametrize("path", [IN_SALES, MINE])
def test_a_stream_is_asked_for_by_get_alone(scene: Scene, path: str) -> None:
    for method in ("HEAD", "POST", "DELETE"):
        answer = scene.adele.send(method, path, headers=EXTENDED)
        assert (answer.status, answer.headers["allow"]) == (405, "GET")
    asked = {"id": "1", "method": "GET", "url": path, "headers": EXTENDED}
    (answered,) = scene.adele.post("/$batch", {"requests": [asked]}).json["responses"]
    assert (answered["status"], answered["body"]["error"]["target"]) == (400, "requests[0].url")
    assert "does not end" in answered["body"]["error"]["message"]


async def removed(scene: Scene) -> None:
    await scene.did(scene.admin, "DELETE", f"{HR}/members/{PERSON['JoniS']}/$ref")


async def disabled(scene: Scene) -> None:
    await scene.did(scene.admin, "PATCH", f"/users/{PERSON['JoniS']}", {"accountEnabled": False})


async def without_a_hint(scene: Scene) -> None:
    off = update(s.users).where(s.users.c.id == bindparam("who")).values(account_enabled=False)
    await scene.change(Statement(off), who=PERSON["JoniS"])
    await scene.streams.beat()


async def expired(scene: Scene) -> None:
    scene.graph.clock.advance(700)
    await scene.streams.beat()


async def deleted(scene: Scene) -> None:
    await scene.did(scene.admin, "DELETE", HR)


@pytest.mark.parametrize(
    ("path", "happens", "code"),
    [
        (IN_HR, removed, "ErrorAccessDenied"),
        (IN_HR, disabled, "ErrorAccessDenied"),
        (IN_HR, without_a_hint, "ErrorAccessDenied"),
        (IN_HR, expired, "InvalidAuthenticationToken"),
        (IN_HR, deleted, "Request_ResourceNotFound"),
        (MINE, disabled, "ErrorAccessDenied"),
        (MINE, expired, "InvalidAuthenticationToken"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_stream_ends_with_the_right_to_it(scene: Scene, path: str, happens: Any, code: str) -> None:
    joni = scene.graph.as_("JoniS", lifetime=600)

    async def test() -> None:
        async with scene.following(joni, path) as stream:
            await happens(scene)
            await stream.end()
            assert stream.ended
            last = stream.events[-1]
            assert (last.name, last.data["error"]["code"]) == ("end", code)
            assert created(stream) == []

    scene.run(test)


def test_a_token_that_expires_is_not_told_one_more_thing(scene: Scene) -> None:
    async def test() -> None:
        async with scene.following(scene.graph.as_("AlexW", lifetime=600), IN_SALES) as stream:
            scene.graph.clock.advance(700)
            await scene.start(SALES)
            await stream.end()
            assert [event.name for event in stream.events] == ["end"]

    scene.run(test)


def test_an_application_follows_as_long_as_it_has_a_grant(scene: Scene) -> None:
    program = scene.graph.as_app("extendedWithoutRoles", roles=[])
    lidia = scene.graph.as_("LidiaH", scopes=EVERYTHING)

    async def test() -> None:
        given = {"clientAppId": APPLICATIONS["extendedWithoutRoles"].id, "permission": "Group-Conversation.Read.Group"}
        grant = await scene.did(lidia, "POST", f"{MARK8}/permissionGrants", given)
        async with scene.following(program, f"{MARK8}/changes") as stream:
            await scene.start(MARK8, lidia)
            await stream.until(lambda: len(created(stream)) == 3)
            await scene.did(lidia, "DELETE", f"{MARK8}/permissionGrants/{grant['id']}")
            await stream.end()
            assert stream.events[-1].data["error"]["code"] == "ErrorAccessDenied"
        async with scene.open(program, f"{MARK8}/changes") as refused:
            assert refused.status == 403

    scene.run(test)


# ── the log does not go back for ever; servers stop ──────────────────────────────────────────────────────────────────


def test_a_place_that_is_not_kept_is_said_to_be_lost(scene: Scene) -> None:
    async def test() -> None:
        async with scene.following(scene.adele, IN_SALES) as one, scene.following(scene.adele, MINE) as mine:
            old, all_old = one.last_id, mine.last_id
            await scene.start()
            await one.until(lambda: len(created(one)) == 3)
        scene.graph.clock.advance(3600)
        await scene.start()
        (head,) = [each for each in (await heads(scene)) if each[0] == GROUP["SalesAndMarketing"]]
        await scene.change(FORGET, g=head[0], upto=head[1] - 1)
        for path, last in ((IN_SALES, old), (MINE, all_old), (IN_SALES, "999999")):
            async with scene.following(scene.adele, path, last) as again:
                (event,) = await again.got(1)
                assert (event.name, event.data["error"]["code"]) == ("resync", "resyncRequired")
                assert event.data["resource"] == f"groups('{GROUP['SalesAndMarketing']}')"
                made = await scene.start()
                await again.until(lambda: len(created(again)) == 3)
                assert made["id"] in created(again)
        # What is kept is enough for who had all but the last.
        async with scene.following(scene.adele, IN_SALES, str(head[1] - 2)) as again:
            await again.until(lambda: len(created(again)) >= 9)
            assert "resync" not in {event.name for event in again.events}

    async def heads(scene: Scene) -> Any:
        return await scene.graph.store.read(lambda snapshot: snapshot.all(HEADS))

    scene.run(test)


def test_streams_end_when_the_server_stops(scene: Scene) -> None:
    async def test() -> None:
        async with (
            scene.following(scene.adele, IN_SALES) as reading,
            scene.following(scene.adele, MINE) as stuck,
        ):
            stuck.take.clear()
            await scene.start()
            await reading.until(lambda: len(created(reading)) == 3)
            scene.streams.close()
            await reading.end()
            await stuck.end()
            assert reading.ended
            assert not reading.aborted
            assert stuck.aborted
            async with scene.open(scene.adele, IN_SALES) as late:
                assert (late.status, late.headers["retry-after"]) == (503, "1")

    scene.run(test)
