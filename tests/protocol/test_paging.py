"""$top, $skip, $count and next links: every item once, whatever happens between two pages."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import msgspec
import pytest

from folkmoot.ops import directory
from folkmoot.store.db import Tx
from tests.harness import DOMAIN, GROUP, ORIGIN, PERSON, ROOT, Client, Graph, Place
from tests.protocol.library import Library, made, person
from tests.protocol.rows import EVERYTHING
from tests.protocol.shapes import refused


def collections(library: Library) -> list[str]:
    """A path to every kind of collection."""
    place = library.launch
    return [
        f"{place.group_path}/conversations",
        f"{place.group_path}/threads",
        f"{library.parts.conversation_path}/threads",
        f"{library.talk.thread_path('direct')}/posts",
        f"{library.talk.thread_path('through')}/posts",
        "/groups",
        "/users",
        f"/groups/{made('Platform')}/members",
        f"/groups/{made('Platform')}/transitiveMembers",
        f"/groups/{made('Platform')}/transitiveMembers/microsoft.graph.user",
        f"/groups/{made('Frontend')}/transitiveMemberOf",
        f"{place.group_path}/members/microsoft.graph.user",
        f"{place.group_path}/owners",
        f"/users/{PERSON['LeeG']}/memberOf",
        f"/users/{PERSON['LeeG']}/transitiveMemberOf/microsoft.graph.group",
        "/me/ownedObjects",
    ]


@pytest.mark.parametrize("top", [3, 7])
def test_every_item_comes_once(library: Library, top: int) -> None:
    comes_once(library, top)


@pytest.mark.parametrize("top", [1, 2])
def test_every_item_comes_once_on_small_pages(any_library: Library, top: int) -> None:
    comes_once(any_library, top)


def comes_once(library: Library, top: int) -> None:
    """Check that the pages of each collection hold what it holds, each item once."""
    adele = library.as_("AdeleV", scopes=EVERYTHING)
    for path in collections(library):
        whole = adele.get(path)
        assert "@odata.nextLink" not in whole.json
        pages = list(adele.pages(f"{path}?$top={top}"))
        assert [item for page in pages for item in page] == whole.value, path
        assert all(len(page) == top for page in pages[:-1])
        assert 0 < len(pages[-1]) <= top


def test_a_page_that_holds_all_has_no_link(library: Library) -> None:
    adele = library.as_("AdeleV", scopes=EVERYTHING)
    for path in collections(library):
        count = len(adele.get(path).value)
        assert "@odata.nextLink" not in adele.get(f"{path}?$top={count}").json
        assert "@odata.nextLink" in adele.get(f"{path}?$top={count - 1}").json or count == 1


def test_skip(library: Library) -> None:
    adele = library.as_("AdeleV", scopes=EVERYTHING)
    for path in collections(library):
        if path.partition("?")[0] in ("/groups", "/users"):  # not for strict applications; see test_consistency_level
            continue
        whole = adele.get(path).value
        for skip in (0, 1, len(whole) - 1, len(whole), 10_000):
            assert adele.get(f"{path}?$skip={skip}").value == whole[skip:]
        # What was skipped at the beginning is not skipped again behind a link.
        assert adele.everything(f"{path}?$skip=1&$top=4") == whole[1:]


def test_a_link_is_whole_and_keeps_what_was_asked(library: Library) -> None:
    adele = library.as_("AdeleV")
    path = f"{library.talk.thread_path('through')}/posts"
    asked = {
        "$select": ["body,from"],
        "$filter": ["contains(body/content,'post') and from/emailAddress/name ne 'O''Nym & Co'"],
        "$orderby": ["from/emailAddress/name desc,receivedDateTime"],
        "$expand": ["inReplyTo($select=body;$expand=inReplyTo)"],
        "$top": ["4"],
        "$count": ["true"],
    }
    query = "&".join(f"{name}={quote(values[0])}" for name, values in asked.items())
    answer = adele.get(f"{path}?{query}")
    link = answer.json["@odata.nextLink"]
    parts = urlsplit(link)
    assert f"{parts.scheme}://{parts.netloc}" == ORIGIN
    assert parts.path == f"/v1.0{path}"
    kept = parse_qs(parts.query, strict_parsing=True)
    assert list(kept.pop("$skiptoken")[0])
    assert kept == asked
    following = adele.get(link).value
    assert [list(item) for item in following] == [list(item) for item in answer.value]


def test_a_link_leads_where_the_request_went(library: Library) -> None:
    token = (library.as_("AdeleV").token or "").encode()
    path = f"/v1.0{library.launch.group_path}/conversations".encode()
    for host, origin in (
        (b"localhost:8443", ORIGIN),
        (b"127.0.0.1:8443", "https://127.0.0.1:8443"),
        (b"[::1]:8443", "https://[::1]:8443"),
        (b"evil.example", ORIGIN),  # a Host header is the client's word
        (b"localhost", ORIGIN),
    ):
        headers = [(b"authorization", b"Bearer " + token), (b"host", host)]
        answer = library.graph.send_raw("GET", path, b"$top=1", headers=headers)
        for link in (answer.json["@odata.nextLink"], answer.json["@odata.context"]):
            assert link.startswith(f"{origin}/v1.0/"), host


def test_count_is_on_the_first_page(library: Library) -> None:
    adele = library.as_("AdeleV")
    path = f"{library.talk.thread_path()}/posts"
    first = adele.get(f"{path}?$count=true&$top=20").json
    assert list(first) == ["@odata.context", "@odata.count", "@odata.nextLink", "value"]
    assert first["@odata.count"] == 30
    assert "@odata.count" not in adele.get(first["@odata.nextLink"]).json
    assert adele.get(f"{path}?$count=true&$filter=hasAttachments").json["@odata.count"] == 1
    assert adele.get(f"{path}?$count=true&$skip=29").json["@odata.count"] == 30
    assert "@odata.count" not in adele.get(f"{path}?$count=false").json


def test_directory_objects_are_counted_for_those_who_can_wait(library: Library) -> None:
    adele = library.as_("AdeleV", scopes=EVERYTHING)
    for path in ("/groups", "/users", f"{library.launch.group_path}/members", "/me/memberOf"):
        eventual = adele.get(f"{path}?$count=true&$top=1", ConsistencyLevel="eventual").json
        assert eventual["@odata.count"] == len(adele.everything(path))


def test_without_consistency_level_the_count_is_left_out(library: Library) -> None:
    adele = library.as_("AdeleV")
    assert adele.get("/groups?$count=true").json == adele.get("/groups").json


def test_counting_directory_objects_alone_needs_the_header(library: Library) -> None:
    adele = library.as_("AdeleV", scopes=EVERYTHING)
    for path in ("/groups", "/users", f"{library.launch.group_path}/members", "/me/memberOf/microsoft.graph.group"):
        message = refused(adele.get(f"{path}/$count"), 400, "Request_BadRequest")
        assert message.startswith("$count is not currently supported.")
        for level in ("eventual", "Eventual", " eventual "):
            answer = adele.get(f"{path}/$count", ConsistencyLevel=level)
            assert answer.text == str(len(adele.everything(path)))
        refused(adele.get(f"{path}/$count", ConsistencyLevel="strong"), 400, "Request_BadRequest")


def test_pages_have_a_size_of_their_own(graph: Graph) -> None:
    """100 items unless $top says otherwise; 999 at most."""

    def crowd(tx: Tx) -> None:
        for number in range(1005):
            directory.create_user(tx, person(made(f"p{number}"), f"Person {number}", f"p{number}@{DOMAIN}"))

    graph.loop.run(graph.store.write(crowd))
    admin = graph.as_("admin")
    total = 1005 + len(PERSON)
    assert [len(page) for page in admin.pages("/users?$select=id")] == [100] * 10 + [total - 1000]
    for top in (999, 1000, 100_000):
        assert [len(page) for page in admin.pages(f"/users?$select=id&$top={top}")] == [999, total - 999]


# ── what happens between pages ───────────────────────────────────────────────────────────────────────────────────────


def told(client: Client, path: str, between: Callable[[], object]) -> list[str]:
    """The ids of all items, page by page."""
    return [item["id"] for page in client.pages(path, between) for item in page]


def test_conversations_and_threads_while_others_write(graph: Graph) -> None:
    while_others_write(graph, 2)


@pytest.mark.parametrize("top", [1, 3])
def test_conversations_and_threads_by_ones_and_threes_while_others_write(any_graph: Graph, top: int) -> None:
    while_others_write(any_graph, top)


def while_others_write(graph: Graph, top: int) -> None:
    """Check that what was there is listed once, in its order, whatever comes between two pages."""
    adele, alex = graph.as_("AdeleV"), graph.as_("AlexW")
    for what in ("conversations", "threads"):
        places = []
        for _ in range(9):
            places.append(adele.start())
            graph.clock.advance(1)

        def between(places: list[Place] = places) -> None:
            graph.clock.advance(1)
            alex.start("in between")
            for place in places[::3]:
                alex.reply(place)

        path = f"{places[0].group_path}/{what}?$select=id"
        wanted = [item["id"] for item in adele.everything(path)]
        assert told(adele, f"{path}&$top={top}", between) == wanted


@pytest.mark.parametrize(
    "order", ["", "&$orderby=receivedDateTime desc", "&$orderby=from/emailAddress/name,createdDateTime"]
)
@pytest.mark.parametrize("top", [1, 2, 4])
def test_posts_while_others_reply(graph: Graph, top: int, order: str) -> None:
    adele, alex = graph.as_("AdeleV"), graph.as_("AlexW")
    place = adele.start(content="0")
    for number in range(1, 8):
        graph.clock.advance(number % 2)
        adele.reply(place, str(number))
    path = f"{place.thread_path()}/posts?$select=id{order}"
    before = [item["id"] for item in adele.everything(path)]

    def between() -> None:
        if len(new) < 5:
            new.append(alex.reply(place).post)

    new: list[str] = []
    seen = told(adele, f"{path}&$top={top}", between)
    assert len(seen) == len(set(seen)), "an item came twice"
    assert [id for id in seen if id in before] == before
    assert set(seen) - set(before) <= set(new)
    if not order:
        # The oldest first: what arrives meanwhile comes at the end, and comes.
        assert seen == before + new


@pytest.mark.parametrize("gone", ["seen", "last seen", "next", "later"])
def test_conversations_while_some_are_deleted(graph: Graph, gone: str) -> None:
    adele = graph.as_("AdeleV")
    places = [adele.start(f"number {number}") for number in range(8)][::-1]  # as they are listed
    shown = 0

    def between() -> None:
        nonlocal shown
        shown += 2
        if shown == 4:
            index = {"seen": 0, "last seen": 3, "next": 4, "later": 6}[gone]
            assert adele.delete(places[index].conversation_path).status == 204
            deleted.append(places[index].conversation)

    deleted: list[str] = []
    seen = told(adele, f"{places[0].group_path}/conversations?$top=2", between)
    unseen = [] if "seen" in gone else deleted
    assert seen == [place.conversation for place in places if place.conversation not in unseen]


def test_threads_of_a_conversation_while_some_come_and_go(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()

    def another() -> str:
        id: str = adele.post(f"{place.conversation_path}/threads", {"posts": [{}]}).json["id"]
        return id

    threads = [place.thread, *(another() for _ in range(5))]
    changes = iter([lambda: adele.delete(f"{place.group_path}/threads/{threads[1]}"), another])
    seen = told(adele, f"{place.conversation_path}/threads?$top=2", lambda: next(changes, lambda: None)())
    assert seen[:6] == threads
    assert len(seen) == 7


def test_members_while_some_come_and_go(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    path = f"/groups/{GROUP['SalesAndMarketing']}/members"
    before = adele.get(path).ids

    def between() -> None:
        adele.delete(f"{path}/{before[0]}/$ref")
        adele.post(f"{path}/$ref", {"@odata.id": f"{ROOT}/users/{PERSON['PattiF']}"})

    seen = told(adele, f"{path}?$top=2", between)
    assert len(seen) == len(set(seen))
    assert [id for id in seen if id in before] == before


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def token_of(client: Client, path: str) -> str:
    link: str = client.get(path).json["@odata.nextLink"]
    return parse_qs(urlsplit(link).query)["$skiptoken"][0]


QUERIES = ["", "$orderby=topic", "$orderby=topic desc", "$orderby=hasAttachments,topic", "$filter=topic ne 'x'"]


@pytest.mark.parametrize("own", QUERIES)
def test_a_token_of_another_query_is_refused(library: Library, own: str) -> None:
    adele, place = library.as_("AdeleV"), library.launch
    token = token_of(adele, f"{place.group_path}/conversations?$top=2&{own}")
    assert adele.get(f"{place.group_path}/conversations?{own}&$skiptoken={token}").status == 200
    for query in QUERIES:
        for path in ("conversations", "threads"):
            if (query, path) != (own, "conversations"):
                answer = adele.get(f"{place.group_path}/{path}?{query}&$skiptoken={token}")
                refused(answer, 400, "ErrorInvalidUrlQuery", "$skiptoken")


def test_a_token_of_another_collection_is_refused(library: Library) -> None:
    adele = library.as_("AdeleV", scopes=EVERYTHING)
    tokens: dict[str, str] = {}
    for path in collections(library):
        if len(adele.get(path).value) > 1:
            tokens[path.rpartition("/")[2]] = token_of(adele, f"{path}?$top=1")
    for path in (
        "/groups",
        "/users",
        f"{library.launch.group_path}/members",
        f"{library.launch.group_path}/conversations",
    ):
        for name, token in tokens.items():
            answer = adele.get(f"{path}?$skiptoken={token}")
            assert (answer.status == 200) == (name == path.rpartition("/")[2]), (path, name)


def test_a_damaged_token_is_refused(library: Library) -> None:
    """A token is no secret: a changed one may only begin elsewhere within what the caller may see."""
    adele, path = library.as_("AdeleV"), f"{library.launch.group_path}/conversations?$orderby=topic"
    everything = {item["id"] for item in adele.everything(path)}
    token = token_of(adele, f"{path}&$top=2")
    outcomes = set()
    for at in range(len(token)):
        for other in ("A", "_", "=", "!", ""):
            damaged = token[:at] + other + token[at + 1 :]
            if damaged != token:
                answer = adele.get(f"{path}&$skiptoken={quote(damaged)}")
                outcomes.add(answer.status)
                if answer.status == 200:
                    assert set(answer.ids) <= everything
                else:
                    refused(answer, 400, "ErrorInvalidUrlQuery", "$skiptoken")
    assert 400 in outcomes


@pytest.mark.parametrize(
    "values",
    [[], ["x"], ["Launch plan"], ["Launch plan", "x"], ["Launch plan", None], [5, None], [True, True], [None, None],
     ["a", "00000000-0000-0000-0000-000000000000", "b"], [["x"], "y"], [{"x": 1}, "y"], ["\0", "z"], [2**70, "x"]],
    ids=str,
)  # fmt: skip
def test_a_forged_token_is_refused(library: Library, values: list[Any]) -> None:
    adele, path = library.as_("AdeleV"), f"{library.launch.group_path}/conversations?$orderby=topic"
    forged = forged_token(token_of(adele, f"{path}&$top=2"), values)
    refused(adele.get(f"{path}&$skiptoken={forged}"), 400, "ErrorInvalidUrlQuery", "$skiptoken")


@pytest.mark.parametrize("value", [-1, 1e300, True, ["x"]], ids=str)
def test_a_forged_token_of_an_order_without_regard_to_case_is_refused(library: Library, value: Any) -> None:
    adele, path = library.as_("AdeleV"), "/users?$orderby=displayName"
    forged = forged_token(token_of(adele, f"{path}&$top=2"), [value, PERSON["AdeleV"]])
    refused(adele.get(f"{path}&$skiptoken={forged}"), 400, "Request_BadRequest", "$skiptoken")


def forged_token(token: str, values: list[Any]) -> str:
    """A token with other values."""
    shape = msgspec.json.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))[0]
    return base64.urlsafe_b64encode(msgspec.json.encode([shape, *values])).decode().rstrip("=")


def test_a_token_goes_with_another_select_and_page_size(library: Library) -> None:
    adele, path = library.as_("AdeleV"), f"{library.launch.group_path}/conversations"
    whole = adele.get(path).ids
    token = token_of(adele, f"{path}?$top=2&$select=topic")
    assert adele.get(f"{path}?$skiptoken={token}").ids == whole[2:]
    assert adele.get(f"{path}?$skiptoken={token}&$top=1&$expand=threads").ids == whole[2:3]


def test_a_token_opens_no_door(library: Library) -> None:
    """Diego's place in the list of his group is of no use to Adele."""
    diego, adele = library.as_("DiegoS"), library.as_("AdeleV")
    token = token_of(diego, "/groups?$top=1")
    answer = adele.get(f"{library.private.group_path}/conversations?$skiptoken={token}")
    refused(answer, 403, "ErrorAccessDenied")
    assert set(adele.get(f"/groups?$skiptoken={token}").ids) <= set(adele.get("/groups").ids)
