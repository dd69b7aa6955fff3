"""GET groups/delta and users/delta: what is there, then what changed, and never a miss."""

from __future__ import annotations

import asyncio
import random
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from folkmoot.store.directory_log import TOKEN_SECONDS
from tests.harness import GROUP, PERSON, ROOT, Client, Graph, address
from tests.protocol.rows import EVERYTHING, NEW_GROUP, NEW_USER, REQUESTS, Request
from tests.protocol.rows import each as for_each
from tests.protocol.shapes import refused, well_formed

ROWS = ("GET groups/delta", "GET users/delta")
SALES = GROUP["SalesAndMarketing"]
SECURITY = {"displayName": "S", "mailEnabled": False, "securityEnabled": True, "visibility": "Public"}


class Follower:
    """A client that keeps what delta tells it, as the documentation says."""

    def __init__(self, client: Client, path: str = "/groups/delta", **headers: str) -> None:
        self.client = client
        self.link = path
        self.headers = headers
        self.items: dict[str, dict[str, Any]] = {}
        self.roles: dict[str, dict[str, set[str]]] = {}

    def round(self) -> list[dict[str, Any]]:
        """One round: every page up to the next delta link. The items as they came."""
        came: list[dict[str, Any]] = []
        while True:
            answer = self.client.get(self.link, **self.headers)
            well_formed(answer)
            assert answer.status == 200, answer
            came += answer.value
            for item in answer.value:
                self.take(item)
            if "@odata.deltaLink" in answer.json:
                assert "@odata.nextLink" not in answer.json
                self.link = answer.json["@odata.deltaLink"]
                return came
            self.link = answer.json["@odata.nextLink"]

    def take(self, item: dict[str, Any]) -> None:
        id = item["id"]
        if "@removed" in item:
            self.items.pop(id, None)
            self.roles.pop(id, None)
            return
        self.items.setdefault(id, {}).update({k: v for k, v in item.items() if not k.endswith("@delta")})
        roles = self.roles.setdefault(id, {"members": set(), "owners": set()})
        for role in roles:
            for each in item.get(f"{role}@delta", ()):
                assert each["@odata.type"] in ("#microsoft.graph.user", "#microsoft.graph.group")
                if "@removed" in each:
                    roles[role].discard(each["id"])
                else:
                    roles[role].add(each["id"])

    def agrees(self) -> None:
        """Check that what was told is what can be listed."""
        listed = {item["id"]: item for item in self.client.everything("/groups")}
        assert self.items == listed
        for id in listed:
            for role in ("members", "owners"):
                ids = {item["id"] for item in self.client.everything(f"/groups/{id}/{role}?$select=id")}
                assert self.roles[id][role] == ids, (id, role)


@pytest.mark.parametrize("spelling", ["delta", "delta()", "microsoft.graph.delta", "microsoft.graph.delta()", "Delta"])
def test_a_first_round(graph: Graph, spelling: str) -> None:
    adele = graph.as_("AdeleV")
    answer = adele.get(f"/groups/{spelling}")
    well_formed(answer)
    assert list(answer.json) == ["@odata.context", "@odata.deltaLink", "value"]
    assert answer.json["@odata.context"] == f"{ROOT}/$metadata#groups"
    assert answer.json["@odata.deltaLink"].startswith(f"{ROOT}/groups/delta?$deltatoken=")
    item = next(each for each in answer.value if each["id"] == SALES)
    assert item["displayName"] == "Sales and Marketing"
    assert {"@odata.type": "#microsoft.graph.user", "id": PERSON["AlexW"]} in item["members@delta"]
    assert GROUP["HR"] not in answer.ids
    again = adele.get(answer.json["@odata.deltaLink"])
    assert again.value == []
    assert "@odata.deltaLink" in again.json


def test_what_changed_comes_next(graph: Graph) -> None:
    adele, admin = graph.as_("AdeleV"), graph.as_("admin")
    follower = Follower(adele)
    follower.round()
    adele.patch(f"/groups/{SALES}", {"description": "New"})
    adele.delete(f"/groups/{SALES}/members/{PERSON['AlexW']}/$ref")
    adele.post(f"/groups/{SALES}/owners/$ref", {"@odata.id": f"{ROOT}/users/{PERSON['PattiF']}"})
    (item,) = follower.round()
    assert item["description"] == "New"
    assert item["members@delta"] == [
        {"@odata.type": "#microsoft.graph.user", "id": PERSON["AlexW"], "@removed": {"reason": "deleted"}}
    ]
    assert item["owners@delta"] == [{"@odata.type": "#microsoft.graph.user", "id": PERSON["PattiF"]}]
    follower.agrees()
    made = adele.post("/groups", NEW_GROUP).json["id"]
    assert [each["id"] for each in follower.round()] == [made]
    adele.delete(f"/groups/{made}")
    assert follower.round() == [{"id": made, "@removed": {"reason": "changed"}}]
    adele.post(f"/groups/{made}/restore")
    assert [each["id"] for each in follower.round()] == [made]
    adele.delete(f"/groups/{made}")
    admin.delete(f"/directory/deletedItems/{made}")
    assert follower.round() == [{"id": made, "@removed": {"reason": "deleted"}}]
    follower.agrees()


def test_minimal_is_what_changed(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    follower = Follower(adele, Prefer="return=minimal")
    assert len(follower.round()[0]) > 5  # of what is new, everything
    adele.patch(f"/groups/{SALES}", {"description": "New", "theme": "Teal"})
    assert follower.round() == [{"id": SALES, "description": "New", "theme": "Teal"}]
    follower.agrees()


def test_select_says_which_changes_count(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    follower = Follower(adele, "/groups/delta?$select=displayName,members")
    first = follower.round()
    assert set(first[0]) <= {"id", "displayName", "members@delta"}
    adele.patch(f"/groups/{SALES}", {"description": "New"})
    adele.post(f"/groups/{SALES}/owners/$ref", {"@odata.id": f"{ROOT}/users/{PERSON['PattiF']}"})
    assert follower.round() == []
    adele.patch(f"/groups/{SALES}", {"displayName": "Sales"})
    assert follower.round() == [{"id": SALES, "displayName": "Sales"}]
    adele.delete(f"/groups/{SALES}/members/{PERSON['AlexW']}/$ref")
    assert [list(item) for item in follower.round()] == [["id", "displayName", "members@delta"]]


def test_filter_by_ids(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    wanted = f"id eq '{SALES}' or id eq '{GROUP['Mark8']}' or id eq '{GROUP['HR']}'"
    follower = Follower(adele, f"/groups/delta/?$filter={quote(wanted)}")
    assert {item["id"] for item in follower.round()} == {SALES, GROUP["Mark8"]}
    adele.post("/groups", NEW_GROUP)
    adele.patch(f"/groups/{SALES}", {"description": "New"})
    assert [item["id"] for item in follower.round()] == [SALES]
    many = " or ".join([f"id eq '{SALES[:-4]}{number:04}'" for number in range(51)])
    for bad in (many, "displayName eq 'x'", "id ne 'x'", "id eq 'x'", f"id eq '{SALES}' and id eq '{SALES}'"):
        refused(adele.get(f"/groups/delta?$filter={quote(bad)}"), 400, "Request_BadRequest", "$filter")


def test_from_now_on(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    answer = adele.get("/groups/delta?$deltatoken=latest&$select=displayName")
    assert list(answer.json) == ["@odata.context", "@odata.deltaLink", "value"]
    assert answer.value == []
    adele.patch(f"/groups/{SALES}", {"displayName": "Sales"})
    assert adele.get(answer.json["@odata.deltaLink"]).value == [{"id": SALES, "displayName": "Sales"}]


@pytest.mark.parametrize("option", ["$top=1", "$orderby=displayName", "$expand=members", "$count=true", "$skip=1",
                                    "$search=x"])  # fmt: skip
def test_options_that_delta_does_not_take(graph: Graph, option: str) -> None:
    for path in ("/groups/delta", "/users/delta"):
        answer = graph.as_("AdeleV").get(f"{path}?{option}")
        refused(answer, 400, "Request_BadRequest", option.partition("=")[0])


def test_options_belong_to_the_first_request(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    link = adele.get("/groups/delta").json["@odata.deltaLink"]
    refused(adele.get(f"{link}&$select=id"), 400, "Request_BadRequest", "$select")
    refused(adele.get(f"{link}&$filter=id eq '{SALES}'"), 400, "Request_BadRequest", "$filter")
    for token in ("nonsense", "W10", link.partition("deltatoken=")[2][:-4]):
        refused(adele.get(f"/groups/delta?$deltatoken={token}"), 400, "Request_BadRequest", "$deltatoken")
        refused(adele.get(f"/groups/delta?$skiptoken={token}"), 400, "Request_BadRequest", "$skiptoken")
    other = link.replace("/groups/", "/users/")
    refused(adele.get(other), 400, "Request_BadRequest", "$deltatoken")


def test_an_old_token_says_where_to_start_over(graph: Graph) -> None:
    adele = graph.as_("AdeleV", lifetime=30 * 86_400)
    wanted = quote(f"id eq '{SALES}'")
    link = adele.get(f"/groups/delta?$select=displayName&$filter={wanted}").json["@odata.deltaLink"]
    graph.clock.advance(TOKEN_SECONDS)
    assert adele.get(link).status == 200
    graph.clock.advance(1)
    answer = adele.get(link)
    refused(answer, 410, "resyncRequired")
    location = answer.headers["location"]
    assert location.startswith(f"{ROOT}/groups/delta?$deltatoken=&$select=displayName&$filter=id")
    assert adele.get(location).value[0]["id"] == SALES


def test_rows_are_kept_as_long_as_tokens(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    link = adele.get("/groups/delta").json["@odata.deltaLink"]
    adele.patch(f"/groups/{SALES}", {"description": "early"})
    graph.clock.advance(TOKEN_SECONDS - 10)
    adele.patch(f"/groups/{GROUP['Mark8']}", {"description": "late"})
    graph.as_("LidiaH").patch(f"/groups/{GROUP['Mark8']}", {"description": "late"})
    assert {item["id"] for item in adele.get(link).value} == {SALES, GROUP["Mark8"]}


def test_what_was_changed_while_the_clock_was_behind_is_told(graph: Graph) -> None:
    """As of a machine that was off for weeks, and begins with the time at which it went."""
    link = graph.as_("AdeleV").get("/groups/delta").json["@odata.deltaLink"]
    graph.clock.advance(-30 * 86_400)
    assert graph.as_("AdeleV").patch(f"/groups/{SALES}", {"description": "behind"}).status == 204
    graph.clock.advance(30 * 86_400)
    assert graph.as_("LidiaH").patch(f"/groups/{GROUP['Mark8']}", {"description": "right"}).status == 204
    assert {item["id"] for item in graph.as_("AdeleV").get(link).value} == {SALES, GROUP["Mark8"]}


def test_a_group_that_comes_into_sight_and_goes(graph: Graph) -> None:
    adele, diego = graph.as_("AdeleV"), graph.as_("DiegoS")
    follower, hr = Follower(adele), GROUP["HR"]
    follower.round()
    diego.patch(f"/groups/{hr}", {"description": "secret"})
    assert follower.round() == []  # nothing is told of what was never seen
    diego.post(f"/groups/{hr}/members/$ref", {"@odata.id": f"{ROOT}/users/{PERSON['AdeleV']}"})
    (item,) = follower.round()
    assert item["id"] == hr
    assert PERSON["DiegoS"] in {each["id"] for each in item["owners@delta"]}
    follower.agrees()
    diego.delete(f"/groups/{hr}/members/{PERSON['AdeleV']}/$ref")
    assert follower.round() == [{"id": hr, "@removed": {"reason": "changed"}}]
    diego.patch(f"/groups/{hr}", {"visibility": "Public"})
    assert [each["id"] for each in follower.round()] == [hr]
    follower.agrees()
    diego.patch(f"/groups/{hr}", {"visibility": "Private"})
    assert follower.round() == [{"id": hr, "@removed": {"reason": "changed"}}]
    diego.delete(f"/groups/{hr}")
    assert follower.round() == []


def test_whose_powers_changed_starts_over(graph: Graph) -> None:
    admin, lynne = graph.as_("admin", scopes=EVERYTHING), graph.as_("LynneR", scopes=EVERYTHING)
    link = lynne.get("/groups/delta").json["@odata.deltaLink"]
    admin.patch(f"/users/{PERSON['LynneR']}", {"userType": "Guest"})
    refused(lynne.get(link), 410, "resyncRequired")
    assert len(lynne.get("/groups/delta").value) == len(lynne.get("/groups").value)


def test_users(graph: Graph) -> None:
    admin = graph.as_("admin", scopes=EVERYTHING)
    path = f"/users/{PERSON['AlexW']}"
    follower = Follower(admin, "/users/delta")
    assert len(follower.round()) == len(admin.get("/users").value)
    admin.patch(path, {"jobTitle": "Chief"})
    assert [item["jobTitle"] for item in follower.round()] == ["Chief"]
    made = admin.post("/users", NEW_USER).json["id"]
    admin.delete(path)
    came = follower.round()
    assert {"id": PERSON["AlexW"], "@removed": {"reason": "changed"}} in came
    assert made in {item["id"] for item in came}
    admin.post(f"/directory/deletedItems/{PERSON['AlexW']}/restore")
    assert [item["userPrincipalName"] for item in follower.round()] == [address("AlexW")]
    admin.delete(path)
    admin.delete(f"/directory/deletedItems/{PERSON['AlexW']}")
    assert follower.round() == [{"id": PERSON["AlexW"], "@removed": {"reason": "deleted"}}]
    refused(graph.as_("AlexW", scopes=EVERYTHING).get("/users/delta"), 403, "Authorization_RequestDenied")


def test_many_members_come_in_parts(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("folkmoot.graph.directory_delta.MEMBERS_IN_PAGE", 2)
    adele = graph.as_("AdeleV")
    follower = Follower(adele)
    assert len(follower.round()) > 5
    follower.agrees()
    hr = GROUP["HR"]
    graph.as_("DiegoS").patch(f"/groups/{hr}", {"visibility": "Public"})
    adele.patch(f"/groups/{SALES}", {"description": "New"})
    follower.round()
    follower.agrees()


class Writers:
    """People who do whatever can be done to groups, at random."""

    def __init__(self, graph: Graph, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311  (a test that can be repeated)
        self.graph = graph
        self.admin = graph.as_("admin", scopes=EVERYTHING)
        self.unified: list[str] = [*GROUP.values()]
        self.security: list[str] = []
        self.made = 0

    def step(self) -> None:
        pick = self.random.choice
        everybody = [PERSON[nick] for nick in ("AdeleV", "AlexW", "PattiF", "guest", "LeeG")]
        everywhere = [*self.unified, *self.security]
        match self.random.randrange(11):
            case 0:
                self.made += 1
                body = (NEW_GROUP | {"visibility": pick(["Public", "Private"])}) if pick([0, 1]) else SECURITY
                answer = self.admin.post("/groups", body | {"mailNickname": f"made{self.made}"})
                (self.unified if "Unified" in answer.json["groupTypes"] else self.security).append(answer.json["id"])
            case 1:
                self.admin.patch(f"/groups/{pick(everywhere)}", {"displayName": f"Name {self.random.random()}"})
            case 2 | 3:
                self.admin.patch(f"/groups/{pick(everywhere)}", {"visibility": pick(["Public", "Private"])})
            case 4 | 5:
                role, id = pick(["members", "owners"]), pick([*everybody, *self.security])
                uri = {"@odata.id": f"{ROOT}/directoryObjects/{id}"}
                self.admin.post(f"/groups/{pick(everywhere)}/{role}/$ref", uri)
            case 6 | 7:
                role, id = pick(["members", "owners"]), pick([*everybody, *self.security])
                self.admin.delete(f"/groups/{pick(everywhere)}/{role}/{id}/$ref")
            case 8:
                self.admin.delete(f"/groups/{pick(everywhere)}")
            case 9:
                id = pick([*self.unified, *everybody])
                self.admin.post(f"/directory/deletedItems/{id}/restore")
            case _:
                if self.random.random() < 0.3:
                    self.admin.delete(f"/directory/deletedItems/{pick(everywhere)}")
                elif self.random.random() < 0.5:
                    self.admin.delete(f"/users/{pick(everybody[1:])}")


@pytest.mark.parametrize("seed", range(4))
def test_what_is_told_is_what_is_there(graph: Graph, seed: int) -> None:
    """Whatever happens, in between the pages too: after a quiet round a follower knows what a list shows."""
    writers = Writers(graph, seed)
    followers = [
        Follower(graph.as_("AdeleV"), Prefer="odata.maxpagesize=2"),
        Follower(graph.as_("AlexW")),
        Follower(graph.as_("guest")),
        Follower(graph.as_app("daemon"), Prefer="odata.maxpagesize=3, return=minimal"),
    ]
    for turn in range(12):
        for _ in range(writers.random.randrange(1, 8)):
            writers.step()
        for follower in followers:
            if writers.random.random() < 0.5:
                follow(follower, writers if turn % 3 else None)
        if turn % 4 == 3:
            for follower in followers:
                follow(follower, None)
                follower.agrees()


def follow(follower: Follower, writers: Writers | None) -> None:
    """A round, with things happening between its pages; where it has to start over, it does."""
    while True:
        answer = follower.client.get(follower.link, **follower.headers)
        if answer.status == 410:
            follower.items.clear()
            follower.roles.clear()
            follower.link = answer.headers["location"]
            continue
        for item in answer.value:
            follower.take(item)
        if writers is not None:
            writers.step()
        follower.link = answer.json.get("@odata.nextLink") or answer.json["@odata.deltaLink"]
        if "@odata.deltaLink" in answer.json:
            return


def test_nothing_is_missed_while_others_write(graph: Graph) -> None:
    """Writers of several groups at once, on PostgreSQL in several transactions, beside a reader in a hurry."""
    admin = graph.as_("admin", scopes=EVERYTHING)
    follower = Follower(admin)
    follower.round()

    async def write(number: int) -> None:
        body = msgspec.json.encode(SECURITY | {"mailNickname": f"made{number}"})
        headers = {"Authorization": f"Bearer {admin.token}", "Content-Type": "application/json"}
        made = await graph.asking("POST", f"{ROOT}/groups", body, headers)
        assert made.status == 201, made
        for title in ("one", "two"):
            url = f"{ROOT}/groups/{made.json['id']}"
            await graph.asking("PATCH", url, msgspec.json.encode({"description": title}), headers)

    async def read() -> None:
        for _ in range(40):
            headers = {"Authorization": f"Bearer {admin.token}"}
            answer = await graph.asking("GET", follower.link, None, headers)
            for item in answer.json["value"]:
                follower.take(item)
            follower.link = answer.json.get("@odata.nextLink") or answer.json["@odata.deltaLink"]

    async def both() -> None:
        await asyncio.gather(read(), *(write(number) for number in range(30)))

    graph.loop.run(both())
    follower.round()
    follower.agrees()


_CHANGES = [r for r in REQUESTS if not r.asks and not r.mail and r.row.partition("/")[0].endswith(("group", "user"))]


@for_each(_CHANGES)
def test_whatever_changes_a_group_or_a_user_is_told(graph: Graph, request_: Request) -> None:
    admin = graph.as_("admin", scopes=EVERYTHING)
    place = graph.as_("AdeleV").start()
    request_.prepare(admin, place)
    followers = [Follower(admin, f"/{collection}/delta") for collection in ("groups", "users")]
    for follower in followers:
        follower.round()
    graph.clock.advance(10)
    answer = request_.send(graph.as_("AdeleV" if request_.personal else "admin", scopes=EVERYTHING), place)
    assert answer.status == request_.answers, answer
    for follower, collection in zip(followers, ("groups", "users"), strict=True):
        follower.round()
        assert follower.items == {item["id"]: item for item in admin.everything(f"/{collection}")}
