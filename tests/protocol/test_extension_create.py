"""POST post/extensions, and extensions that a new post brings along."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness import GROUP, ROADS, Graph, open_extension
from tests.protocol.shapes import refused, well_formed

ROW = "POST post/extensions"
DEAL = open_extension("Com.Contoso.Deal", company="Wingtip", value=10000, rate=1.5, open=True, tags=["a", "b"], none=[])
SENT = {
    "@odata.type": "#microsoft.graph.openTypeExtension",
    "id": "microsoft.graph.openTypeExtension.Com.Contoso.Deal",
    "extensionName": "Com.Contoso.Deal",
    "company": "Wingtip",
    "value": 10000,
    "rate": 1.5,
    "open": True,
    "tags": ["a", "b"],
    "none": [],
}


@pytest.mark.parametrize("road", ROADS)
def test_it_works(graph: Graph, road: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    graph.changes()
    answer = adele.post(f"{place.post_path(road)}/extensions", DEAL)
    well_formed(answer)
    assert answer.status == 201
    context = place.context(road, "threads", "posts", "extensions")
    assert answer.json == {"@odata.context": f"{context}/$entity", **SENT}
    assert list(answer.json)[1:] == list(SENT)
    assert graph.changes() == ["updated post", "created extension"]
    assert adele.get(f"{place.post_path(road)}/extensions").value == [SENT]


def test_the_post_changes_with_it(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    before = adele.get(place.post_path()).json
    graph.clock.advance(5)
    adele.extend(place)
    after = adele.get(place.post_path()).json
    assert before["changeKey"] != after["changeKey"]
    assert before["lastModifiedDateTime"] < after["lastModifiedDateTime"]
    assert before["receivedDateTime"] == after["receivedDateTime"]
    assert adele.get(place.thread_path()).json["lastDeliveredDateTime"] == before["receivedDateTime"]


@pytest.mark.parametrize(
    "more",
    [
        {"@odata.type": "microsoft.graph.openTypeExtension"},
        {"@odata.type": "#Microsoft.OutlookServices.OpenTypeExtension"},
        {"@ODATA.TYPE": "#microsoft.graph.opentypeextension"},
        {"extensionName": "microsoft.graph.openTypeExtension.Com.X"},
        {"ExtensionName": "Microsoft.OutlookServices.OpenTypeExtension.Com.X"},
        {"id": "microsoft.graph.openTypeExtension.Com.X", "extensionName": "Com.X"},
        {"id": "com.x"},
        {"@odata.context": "x", "color@odata.context": "y", "tags@odata.type": "#Collection(String)"},
        {"nothing": None},
    ],
    ids=str,
)
def test_what_clients_send_is_taken(graph: Graph, more: dict[str, Any]) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    name = {} if any(key.lower() == "extensionname" for key in more) else {"extensionName": "Com.X"}
    answer = adele.post(f"{place.post_path()}/extensions", {"color": "red", **name, **more})
    assert answer.status == 201
    sent = {
        "@odata.type": "#microsoft.graph.openTypeExtension",
        "id": "microsoft.graph.openTypeExtension.Com.X",
        "extensionName": "Com.X",
        "color": "red",
    }
    assert {name: value for name, value in answer.json.items() if name != "@odata.context"} == sent


def test_values_are_kept_to_the_letter(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    data: dict[str, Any] = {
        "z": "2015-07-03T13:04:00.000Z",
        "a": 9223372036854775807,
        "ünï": "日本 🙂",
        "Strings@odata.type": "#Collection(String)",
        "Strings": ["b", "a"],
        "small": 1e-7,
        "_x": "",
        "m": False,
    }
    adele.extend(place, **data)
    found = adele.get(f"{place.post_path()}/extensions").value[0]
    assert {name: found[name] for name in list(found)[3:]} == data
    assert list(found)[3:] == list(data)


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({}, "extensionName"),
        ({"color": "red"}, "extensionName"),
        ({"extensionName": None}, "extensionName"),
        ({"extensionName": ""}, "extensionName"),
        ({"extensionName": 5}, "extensionName"),
        ({"extensionName": "a/b"}, "extensionName"),
        ({"extensionName": " a"}, "extensionName"),
        ({"extensionName": "a\nb"}, "extensionName"),
        ({"extensionName": "$count"}, "extensionName"),
        ({"extensionName": "."}, "extensionName"),
        ({"extensionName": ".."}, "extensionName"),
        ({"extensionName": "microsoft.graph.openTypeExtension..."}, "extensionName"),
        ({"extensionName": "a" * 129}, "extensionName"),
        ({"extensionName": "microsoft.graph.openTypeExtension."}, "extensionName"),
        ({"extensionName": "Com.Microsoft"}, "extensionName"),
        ({"extensionName": "com.microsoft.deal"}, "extensionName"),
        ({"extensionName": "Com.OnMicrosoft.Deal"}, "extensionName"),
        ({"extensionName": "Com.X", "id": "Com.Y"}, "id"),
        ({"extensionName": "Com.X", "id": 5}, "id"),
        ({"extensionName": "Com.X", "@odata.type": "#microsoft.graph.post"}, "@odata.type"),
        ({"extensionName": "Com.X", "@odata.type": 5}, "@odata.type"),
        ({"extensionName": "Com.X", "a": {"b": 1}}, "a"),
        ({"extensionName": "Com.X", "a": [{"b": 1}]}, "a[0]"),
        ({"extensionName": "Com.X", "a": [1, [2]]}, "a[1]"),
        ({"extensionName": "Com.X", "a": ["x", None]}, "a[1]"),
        ({"extensionName": "Com.X", "a": 2**63}, "a"),
        ({"extensionName": "Com.X", "a": "x\0"}, "a"),
        ({"extensionName": "Com.X", "a": 1, "A": 2}, "A"),
        ({"extensionName": "Com.X", "1a": 1}, "1a"),
        ({"extensionName": "Com.X", "a b": 1}, "a b"),
        ({"extensionName": "Com.X", "": 1}, None),
        ({"extensionName": "Com.X", "a@odata.type": 5, "a": 1}, "a@odata.type"),
        ({"extensionName": "Com.X", "a": "x" * 33_000}, "extensions"),
    ],
    ids=lambda value: str(value)[:60],
)
@pytest.mark.parametrize("application", ["daemon", "extended"])
def test_the_property_at_fault_is_named(graph: Graph, application: str, body: Any, target: str | None) -> None:
    place = graph.as_("AdeleV").start()
    graph.changes()
    refused(graph.as_app(application).post(f"{place.post_path()}/extensions", body), 400, "BadRequest", target)
    assert graph.changes() == []


@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b"{", b"null"])
def test_a_body_that_is_no_object(graph: Graph, body: bytes) -> None:
    place = graph.as_("AdeleV").start()
    refused(
        graph.as_("AdeleV").post(f"{place.post_path()}/extensions", body),
        400,
        "BadRequest",
        None if body else "extensionName",
    )


@pytest.mark.parametrize(
    "name", ["Com.Contoso.Kept", "COM.contoso.KEPT", "microsoft.graph.openTypeExtension.com.contoso.kept"]
)
def test_a_name_is_taken_in_every_case(graph: Graph, name: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.extend(adele.start())
    graph.changes()
    answer = adele.post(f"{place.post_path()}/extensions", open_extension(name))
    refused(answer, 409, "nameAlreadyExists", "extensionName")
    assert graph.changes() == []


def test_there_are_twenty_at_most(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    for number in range(20):
        adele.extend(place, f"Com.X{number}")
    answer = adele.post(f"{place.post_path()}/extensions", open_extension("Com.X20"))
    refused(answer, 400, "BadRequest", "extensionName")
    assert len(adele.get(f"{place.post_path()}?$expand=extensions").json["extensions"]) == 20


def test_who_may(graph: Graph) -> None:
    """The author, owners of the group, and applications."""
    place = graph.as_("AlexW").start()
    path = f"{place.post_path()}/extensions"
    refused(graph.as_("LeeG").post(path, open_extension("Com.L")), 403, "ErrorAccessDenied")
    assert graph.as_("AlexW").post(path, open_extension("Com.A")).status == 201
    assert graph.as_("MeganB").post(path, open_extension("Com.M")).status == 201  # an owner
    assert graph.as_app("daemon").post(path, open_extension("Com.D")).status == 201


def test_a_locked_thread_takes_extensions(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    adele.patch(place.thread_path(), {"isLocked": True})
    adele.extend(place)


# ── with a new post ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_conversation_brings_some_along(graph: Graph) -> None:
    """The published example, in its own spelling."""
    adele = graph.as_("AdeleV")
    post = {
        "Body": {"ContentType": "HTML", "Content": "When and where?"},
        "Extensions": [{**DEAL, "@odata.type": "Microsoft.OutlookServices.OpenTypeExtension"}],
    }
    body = {"Topic": "Does anyone have a second?", "Threads": [{"Posts": [post]}]}
    graph.changes()
    answer = adele.post(f"/groups/{GROUP['SalesAndMarketing']}/conversations", body)
    assert answer.status == 201
    assert graph.changes() == ["created post", "created thread", "created conversation"]
    thread = f"/groups/{GROUP['SalesAndMarketing']}/threads/{answer.json['threads'][0]['id']}"
    [found] = adele.get(f"{thread}/posts?$expand=extensions").value
    assert found["extensions"] == [SENT]


@pytest.mark.parametrize("to", ["thread", "post"])
def test_a_reply_brings_some_along(graph: Graph, to: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.reply(adele.start(), to_post=to == "post", extensions=[DEAL, open_extension("Com.Y")])
    assert [each["extensionName"] for each in adele.get(f"{place.post_path()}/extensions").value] == [
        "Com.Contoso.Deal",
        "Com.Y",
    ]


def test_a_thread_brings_some_along(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    for above in (place.group_path, place.conversation_path):
        answer = adele.post(f"{above}/threads", {"topic": "T", "posts": [{"extensions": [DEAL]}]})
        [post] = adele.get(f"{place.group_path}/threads/{answer.json['id']}/posts?$expand=extensions").value
        assert post["extensions"] == [SENT]


@pytest.mark.parametrize(
    ("extensions", "target"),
    [
        ([5], "post.extensions[0]"),
        ([DEAL, {}], "post.extensions[1].extensionName"),
        ([DEAL, open_extension("com.contoso.DEAL")], "post.extensions[1].extensionName"),
        ([open_extension("Com.X", a={"b": 1})], "post.extensions[0].a"),
        ([open_extension(f"Com.X{number}") for number in range(21)], "extensions"),
        ([open_extension("Com.X", a="x" * 33_000)], "extensions"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_a_post_cannot_bring_along(graph: Graph, extensions: Any, target: str) -> None:
    place = graph.as_("AdeleV").start()
    graph.changes()
    answer = graph.as_("AdeleV").post(f"{place.thread_path()}/reply", {"post": {"extensions": extensions}})
    refused(answer, 400, "BadRequest", target)
    assert graph.changes() == []


def test_they_go_with_the_post(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.extend(adele.start())
    assert adele.delete(place.conversation_path).status == 204
    refused(adele.get(place.extension_path()), 404, "ErrorItemNotFound")
