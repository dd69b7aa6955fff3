"""Extended properties: set with a new post, shown where their ids are asked for, and posts found by them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import func, select

from folkmoot.store import schema
from folkmoot.store.db import Statement
from tests.harness import GROUP, ROADS, Client, Graph, Place, open_extension
from tests.protocol.shapes import refused

SET = "{66f5a359-4659-4830-9070-00047ec6ac6e}"
COLOR = f"String {SET} Name Color"
SIZE = f"Integer {SET} Id 0x8012"
SHORT = "String 0x4001001E"
COLORS = f"StringArray {SET} Name Colors"
SINGLE: dict[str, Any] = {
    "singleValueExtendedProperties": [
        {"id": COLOR, "value": "Green"},
        {"id": SIZE, "value": "12"},
        {"id": SHORT, "value": ""},
    ]
}
MULTI: dict[str, Any] = {"multiValueExtendedProperties": [{"id": COLORS, "value": ["Green", "Red"]}]}
NAVS = ("singleValueExtendedProperties", "multiValueExtendedProperties")


def expanded(client: Client, path: str, name: str, *ids: str) -> Any:
    """What `$expand` shows of the properties with these ids."""
    condition = " or ".join(f"id eq '{id}'" for id in ids)
    answer = client.get(f"{path}?$expand={name}($filter={quote(condition)})")
    assert answer.status == 200, answer
    return answer.json[name]


@pytest.mark.parametrize("road", ROADS)
def test_they_are_set_and_shown(graph: Graph, road: str) -> None:
    adele = graph.as_("AdeleV")
    graph.changes()
    place = adele.start(**SINGLE, **MULTI)
    assert graph.changes() == ["created post", "created thread", "created conversation"]
    path = place.post_path(road)
    assert expanded(adele, path, NAVS[0], COLOR) == [{"id": COLOR, "value": "Green"}]
    assert expanded(adele, path, NAVS[0], SIZE, COLOR) == [
        {"id": SIZE, "value": "12"},
        {"id": COLOR, "value": "Green"},
    ]
    assert expanded(adele, path, NAVS[0], SHORT) == [{"id": SHORT, "value": ""}]
    assert expanded(adele, path, NAVS[1], COLORS) == [{"id": COLORS, "value": ["Green", "Red"]}]
    assert expanded(adele, path, NAVS[0], f"String {SET} Name Other") == []
    item = adele.get(f"{path}?$expand={NAVS[0]}($filter=id eq '{SHORT}')").json
    context = place.context(road, "threads", "posts", "singleValueExtendedProperties")
    assert item[f"{NAVS[0]}@odata.context"] == context
    plain = adele.get(path).json
    assert not set(NAVS) & set(plain)


@pytest.mark.parametrize(
    ("id", "found"),
    [
        (f"string {SET.upper()} NAME Color", True),
        (f"String  {SET}  Name  Color", True),
        (f"String {SET} Name color", False),
        ("Integer {66F5A359-4659-4830-9070-00047EC6AC6E} id 32786", True),
        ("string 0x4001", True),
        (f"Integer {SET} Name Color", False),
    ],
)
def test_an_id_has_several_spellings(graph: Graph, id: str, found: bool) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start(**SINGLE)
    assert len(expanded(adele, place.post_path(), NAVS[0], id)) == found
    query = quote(f"{NAVS[0]}/any(ep: ep/id eq '{id}' and ep/value ne null)")
    assert len(adele.get(f"{place.thread_path()}/posts?$filter={query}").value) == found


def test_every_road_for_a_post_takes_them(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    for to_post in (False, True):
        reply = adele.reply(place, to_post=to_post, **SINGLE, **MULTI)
        assert expanded(adele, reply.post_path(), NAVS[0], COLOR) == [{"id": COLOR, "value": "Green"}]
    for above in (place.group_path, place.conversation_path):
        thread = adele.post(f"{above}/threads", {"topic": "T", "posts": [{**SINGLE, **MULTI}]}).json["id"]
        [post] = adele.get(f"{place.group_path}/threads/{quote(thread)}/posts").ids
        made = Place(place.group, place.conversation, thread, post)
        assert expanded(adele, made.post_path(), NAVS[1], COLORS) == [{"id": COLORS, "value": ["Green", "Red"]}]


@pytest.mark.parametrize("name", NAVS)
@pytest.mark.parametrize(
    "inside",
    [
        "",
        "($select=id)",
        "($filter=value eq 'x')",
        "($filter=id ne '{id}')",
        "($filter=id eq '{id}' and id eq '{id}')",
        "($filter=not (id eq '{id}'))",
    ],
)
def test_all_of_them_at_once_are_not_to_be_had(graph: Graph, name: str, inside: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    for path in (place.post_path(), f"{place.thread_path()}/posts"):
        answer = adele.get(f"{path}?$expand={name}{inside.replace('{id}', COLOR)}")
        message = refused(answer, 400, "ExpandNotSupported", "$expand")
        assert f"$expand={name}($filter=id eq '…')" in message


def test_an_id_that_is_none(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    for id in ("Color", f"Text {SET} Name Color", "String {x} Name Color"):
        answer = adele.get(f"{place.post_path()}?$expand={NAVS[0]}($filter=id eq '{id}')")
        assert "is no id of an extended property" in refused(answer, 400, "ErrorInvalidUrlQueryFilter", "$filter")
    for name in NAVS:
        refused(adele.get(f"{place.post_path()}/{name}"), 400, "BadRequest")


# ── finding posts ────────────────────────────────────────────────────────────────────────────────────────────────────


def numbered(graph: Graph) -> tuple[Client, str]:
    """A thread whose posts have numbers from 9 to 13, one a long one, and one nothing."""
    adele = graph.as_("AdeleV")
    place = adele.start(content="none")
    for value in ("9", "10", "11", "12", "13", "x" * 300 + "A"):
        kind = SIZE if value.isdigit() else COLOR
        adele.reply(place, value[:5], singleValueExtendedProperties=[{"id": kind, "value": value}])
    return adele, f"{place.thread_path()}/posts"


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        (f"ep/id eq '{SIZE}' and ep/value eq '12'", ["12"]),
        (f"ep/id eq '{SIZE}' and ep/value ne '12'", ["9", "10", "11", "13"]),
        (f"ep/id eq '{SIZE}' and ep/value ge '12'", ["9", "12", "13"]),  # as text
        (f"ep/id eq '{SIZE}' and cast(ep/value, Edm.Int32) eq 12", ["12"]),
        (f"ep/id eq '{SIZE}' and cast(ep/value,Edm.Int64) ne 12", ["9", "10", "11", "13"]),
        (f"ep/id eq '{SIZE}' and cast(ep/value, Edm.Int32) ge 12", ["12", "13"]),
        (f"ep/id eq '{SIZE}' and cast(ep/value, Edm.Int32) gt 12", ["13"]),
        (f"ep/id eq '{SIZE}' and cast(ep/value, Edm.Int32) le 10", ["9", "10"]),
        (f"ep/id eq '{SIZE}' and cast(ep/value, Edm.Int32) lt 10", ["9"]),
        (f"ep/id eq '{SIZE}' and cast(ep/value, Edm.Double) lt 9.5", ["9"]),
        (f"ep/id eq '{COLOR}' and cast(ep/value, Edm.Int32) lt 10", []),
        (f"ep/id eq '{COLOR}' and ep/value eq '{'X' * 300}a'", ["xxxxx"]),
        (f"ep/id eq '{COLOR}' and ep/value eq '{'x' * 300}b'", []),
        (f"ep/id eq '{COLOR}' and ep/value ne null", ["xxxxx"]),
        ("ep/value eq '12'", ["12"]),
        ("ep/value eq '12' or ep/value eq '9'", ["9", "12"]),
        (f"ep/id eq '{SIZE}'", ["9", "10", "11", "12", "13"]),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_posts_by_their_properties(graph: Graph, condition: str, wanted: list[str]) -> None:
    client, path = numbered(graph)
    for spelt in (f"{NAVS[0]}/Any(ep: {condition})", f"SingleValueExtendedProperties/any(ep:{condition})"):
        found = client.get(f"{path}?$filter={quote(spelt)}&$top=2")
        assert [
            post["body"]["content"] for post in client.everything(f"{path}?$filter={quote(spelt)}&$top=2")
        ] == wanted
        assert NAVS[0] not in found.json["value"][0] if found.value else True
        assert client.get(f"{path}/$count?$filter={quote(spelt)}").text == str(len(wanted))


def test_a_single_post_has_no_others_to_be_found_among(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    question = adele.start(singleValueExtendedProperties=[{"id": SIZE, "value": "12"}])
    answer = adele.reply(question, to_post=True).post_path()
    for value, found in (("12", question.post), ("13", None)):
        condition = quote(f"{NAVS[0]}/any(ep:ep/value eq '{value}')")
        shown = adele.get(f"{answer}?$expand=inReplyTo($filter={condition})").json["inReplyTo"]
        assert (shown and shown["id"]) == found
        refused(adele.get(f"{answer}?$filter={condition}"), 400, "ErrorInvalidUrlQueryFilter", "$filter")


def test_values_are_compared_without_regard_to_case(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start(**SINGLE)
    path = f"{place.thread_path()}/posts"
    for value, found in (("Green", 1), ("GREEN", 1), ("green", 1), ("Greene", 0), ("Gree", 0)):
        query = quote(f"{NAVS[0]}/any(ep: ep/id eq '{COLOR}' and ep/value eq '{value}')")
        assert len(adele.get(f"{path}?$filter={query}").value) == found, value


def test_a_whole_number_too_long_for_a_double_is_compared_as_one(graph: Graph) -> None:
    adele, long = graph.as_("AdeleV"), f"Long {SET} Name Long"
    place = adele.start(singleValueExtendedProperties=[{"id": long, "value": "9007199254740993"}])
    for condition, found in (
        ("cast(e/value,Edm.Double) eq 9007199254740993", 1),
        ("9007199254740993 eq cast(e/value,Edm.Double)", 1),
        ("cast(e/value,Edm.Double) in (9007199254740993)", 1),
        ("cast(e/value,Edm.Double) ge 9007199254740993", 1),
        ("cast(e/value,Edm.Double) eq 9007199254740990", 0),
        ("cast(e/value,Edm.Int64) eq 9007199254740993", 1),
        ("cast(e/value,Edm.Int64) eq 9007199254740992", 0),
    ):
        query = quote(f"{NAVS[0]}/any(e:e/id eq '{long}' and {condition})")
        assert len(adele.get(f"{place.thread_path()}/posts?$filter={query}").value) == found, condition


def test_what_holds_for_a_post_holds_beside_other_conditions(graph: Graph) -> None:
    client, path = numbered(graph)
    one = f"{NAVS[0]}/any(ep: ep/id eq '{SIZE}' and ep/value eq '12')"
    for condition, wanted in (
        (f"not {one}", 6),
        (f"{one} or body/content eq '9'", 2),
        (f"{one} and body/content eq '9'", 0),
        (f"not ({one} or body/content eq '9')", 5),
    ):
        assert len(client.get(f"{path}?$filter={quote(condition)}").value) == wanted, condition


def test_in_another_thread_is_not_in_this_one(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    first, second = adele.start(**SINGLE), adele.start()
    query = quote(f"{NAVS[0]}/any(ep: ep/id eq '{COLOR}' and ep/value eq 'Green')")
    assert len(adele.get(f"{first.thread_path()}/posts?$filter={query}").value) == 1
    assert adele.get(f"{second.thread_path()}/posts?$filter={query}").value == []
    item = adele.get(f"{first.conversation_path}/threads?$expand=posts($filter={query})").value[0]
    assert len(item["posts"]) == 1


def test_posts_by_one_of_several_values(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start(**MULTI)
    for value, found in (("Red", 1), ("Blue", 0)):
        query = quote(f"{NAVS[1]}/any(ep: ep/id eq '{COLORS}' and ep/value/any(v: v eq '{value}'))")
        assert len(adele.get(f"{place.thread_path()}/posts?$filter={query}").value) == found


@pytest.mark.parametrize("function", ["contains(ep/value,'REE')", "startswith(ep/value,'gr')", "length(ep/value) eq 5"])
def test_functions_are_for_extended_applications(graph: Graph, function: str) -> None:
    place = graph.as_("AdeleV").start(**SINGLE)
    condition = quote(f"{NAVS[0]}/any(ep: ep/id eq '{COLOR}' and {function})")
    path = f"{place.thread_path()}/posts?$filter={condition}"
    assert len(graph.as_app("extended").get(path).value) == 1
    for strict in (graph.as_("AdeleV"), graph.as_app("daemon")):
        refused(strict.get(path), 400, "ErrorInvalidUrlQueryFilter", "$filter")
        nested = f"{place.conversation_path}/threads?$expand=posts($filter={condition})"
        refused(strict.get(nested), 400, "ErrorInvalidUrlQueryFilter", "$filter")


@pytest.mark.parametrize(
    "condition",
    [
        f"startswith(ep/id,'{COLOR}')",
        f"ep/id gt '{COLOR}'",
        "ep/id eq 'Color'",
        f"ep/id eq '{COLOR}' and cast(ep/value,Edm.Guid) eq null",
        f"ep/id eq '{COLOR}' and ep/value eq 12",
        f"ep/id eq '{COLOR}' and ep/nope eq 'x'",
    ],
)
def test_a_condition_that_cannot_be_evaluated(graph: Graph, condition: str) -> None:
    place = graph.as_("AdeleV").start()
    query = quote(f"{NAVS[0]}/any(ep: {condition})")
    for client in (graph.as_("AdeleV"), graph.as_app("extended")):
        answer = client.get(f"{place.thread_path()}/posts?$filter={query}")
        refused(answer, 400, "ErrorInvalidUrlQueryFilter", "$filter")


# ── what cannot be set ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ({NAVS[0]: {}}, NAVS[0]),
        ({NAVS[0]: [{}]}, f"{NAVS[0]}[0].id"),
        ({NAVS[0]: [{"id": COLOR}]}, f"{NAVS[0]}[0].value"),
        ({NAVS[0]: [{"id": COLOR, "value": None}]}, f"{NAVS[0]}[0].value"),
        ({NAVS[0]: [{"id": COLOR, "value": 12}]}, f"{NAVS[0]}[0].value"),
        ({NAVS[0]: [{"id": "Color", "value": "x"}]}, f"{NAVS[0]}[0].id"),
        ({NAVS[0]: [{"id": COLORS, "value": "x"}]}, f"{NAVS[0]}[0].id"),
        ({NAVS[0]: [{"id": SIZE, "value": "x"}]}, f"{NAVS[0]}[0].value"),
        ({NAVS[0]: [{"id": SIZE, "value": "2147483648"}]}, f"{NAVS[0]}[0].value"),
        ({NAVS[0]: [{"id": COLOR, "value": "x" * 32_769}]}, f"{NAVS[0]}[0].value"),
        (
            {NAVS[0]: [{"id": COLOR, "value": "x"}, {"id": COLOR.lower()[:7] + COLOR[7:], "value": "y"}]},
            f"{NAVS[0]}[1].id",
        ),
        ({NAVS[0]: [{"id": f"String {SET} Name N{n}", "value": "x"} for n in range(101)]}, NAVS[0]),
        ({NAVS[1]: [{"id": COLOR, "value": ["x"]}]}, f"{NAVS[1]}[0].id"),
        ({NAVS[1]: [{"id": COLORS, "value": "x"}]}, f"{NAVS[1]}[0].value"),
        ({NAVS[1]: [{"id": COLORS, "value": ["x", None]}]}, f"{NAVS[1]}[0].value[1]"),
        ({NAVS[1]: [{"id": f"IntegerArray {SET} Name N", "value": ["1", "x"]}]}, f"{NAVS[1]}[0].value[1]"),
        ({NAVS[1]: [{"id": COLORS, "value": ["x"] * 101}]}, f"{NAVS[1]}[0].value"),
    ],
    ids=lambda value: str(value)[:70],
)
def test_the_property_at_fault_is_named(graph: Graph, given: Any, target: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    graph.changes()
    answer = adele.post(f"{place.thread_path()}/reply", {"post": given})
    refused(answer, 400, "BadRequest", f"post.{target}")
    body = {"topic": "T", "threads": [{"posts": [given]}]}
    answer = adele.post(f"/groups/{GROUP['SalesAndMarketing']}/conversations", body)
    refused(answer, 400, "BadRequest", f"threads[0].posts[0].{target}")
    assert graph.changes() == []


@pytest.mark.parametrize("given", [SINGLE, MULTI], ids=["single", "multi"])
def test_an_application_sets_none_unless_it_is_extended(graph: Graph, given: Any) -> None:
    place = graph.as_("AdeleV").start()
    graph.changes()
    body = {"post": given}
    refused(graph.as_app("daemon").post(f"{place.post_path()}/reply", body), 403, "ErrorAccessDenied")
    assert graph.changes() == []
    assert graph.as_app("extended").post(f"{place.post_path()}/reply", body).status == 202


def test_they_go_with_the_post(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start(**SINGLE, **MULTI, extensions=[open_extension()])
    assert all(kept(graph))
    assert adele.delete(place.thread_path()).status == 204
    refused(adele.get(place.post_path()), 404, "ErrorItemNotFound")
    assert not any(kept(graph))


def kept(graph: Graph) -> list[int]:
    """How many rows there are of each kind. No request shows those of a post that is gone."""
    tables = (schema.extensions, schema.single_values, schema.multi_values)
    counts = [Statement(select(func.count()).select_from(table)) for table in tables]
    return graph.store.read_here(lambda snapshot: [int(snapshot.all(each)[0][0]) for each in counts])
