"""Properties of a group that are read and changed alone, and the actions that change those of the signed-in person."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness import GROUP, PERSON, Client, Graph, iso
from tests.protocol.shapes import refused, well_formed

ROWS = (
    "POST group/addFavorite",
    "POST group/removeFavorite",
    "POST group/subscribeByMail",
    "POST group/unsubscribeByMail",
    "POST group/resetUnseenCount",
    "POST group/renew",
    "POST group/validateProperties",
)
PATH = f"/groups/{GROUP['SalesAndMarketing']}"
ABOUT_ME = {
    "isFavorite": False,
    "isSubscribedByMail": True,
    "unseenConversationsCount": 0,
    "unseenCount": 0,
    "unseenMessagesCount": 0,
}
SWITCHES = {
    "accessType": "public",
    "allowExternalSenders": False,
    "autoSubscribeNewMembers": False,
    "hideFromAddressLists": False,
    "hideFromOutlookClients": False,
}
ACTIONS = ("addFavorite", "removeFavorite", "subscribeByMail", "unsubscribeByMail", "resetUnseenCount")


def of(client: Client, *names: str, path: str = PATH) -> Any:
    """The values of the named properties."""
    found = client.get(f"{path}?$select={','.join(names)}").json
    return found[names[0]] if len(names) == 1 else [found[name] for name in names]


def test_they_come_when_they_are_selected(graph: Graph) -> None:
    adele, everything = graph.as_("AdeleV"), {**ABOUT_ME, **SWITCHES}
    answer = adele.get(f"{PATH}?$select={','.join(everything)}")
    well_formed(answer)
    assert {name: value for name, value in answer.json.items() if name in everything} == everything
    assert answer.json["id"] == GROUP["SalesAndMarketing"]
    assert answer.json["@odata.context"].endswith(f"#groups({','.join(everything)})/$entity")
    assert not set(adele.get(PATH).json) & set(everything)


def test_for_an_application_there_is_no_me(graph: Graph) -> None:
    for name in ("daemon", "extended"):
        found = graph.as_app(name).get(f"{PATH}?$select={','.join({**ABOUT_ME, **SWITCHES})}").json
        assert {name: found[name] for name in ABOUT_ME} == dict.fromkeys(ABOUT_ME)
        assert {name: found[name] for name in SWITCHES} == SWITCHES


@pytest.mark.parametrize("name", [*ABOUT_ME, *SWITCHES, "isArchived"])
@pytest.mark.parametrize("path", ["/groups", "/me/memberOf", "/me/memberOf/graph.group"])
def test_a_list_does_not_have_them(graph: Graph, name: str, path: str) -> None:
    answer = graph.as_("AdeleV").get(f"{path}?$select=id,{name}")
    assert name in refused(answer, 400, "Request_BadRequest", "$select")
    refused(graph.as_("AdeleV").get(f"{PATH}/members?$select={name}"), 400, "Request_BadRequest", "$select")


def test_what_there_is_nothing_to_say_of(graph: Graph) -> None:
    names: dict[str, Any] = {
             "assignedLabels": [], "assignedLicenses": [], "infoCatalogs": [], "isManagementRestricted": None,
             "licenseProcessingState": None, "onPremisesExtensionAttributes": None, "organizationId": None,
             "serviceProvisioningErrors": [], "welcomeMessageEnabled": None, "isArchived": None}  # fmt: skip
    found = graph.as_("AdeleV").get(f"{PATH}?$select={','.join(names)}").json
    assert {name: found[name] for name in names} == names
    assert not set(graph.as_("AdeleV").get(PATH).json) & set(names)


def test_the_security_identifier_is_made_of_the_id(graph: Graph) -> None:
    found = graph.as_("AdeleV").get(f"/groups/{GROUP['HR']}").refusal, graph.as_("JoniS").get(f"/groups/{GROUP['HR']}")
    # 02bd9fd6-8f93-4758-87c3-1fb73740a315, read as four little-endian numbers.
    assert found[1].json["securityIdentifier"] == "S-1-12-1-45981654-1196986259-3072312199-363020343"


# ── actions ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("action", "name", "value"),
    [
        ("addFavorite", "isFavorite", True),
        ("unsubscribeByMail", "isSubscribedByMail", False),
    ],
)
def test_setting_and_taking_back(graph: Graph, action: str, name: str, value: bool) -> None:
    adele, back = graph.as_("AdeleV"), {"addFavorite": "removeFavorite", "unsubscribeByMail": "subscribeByMail"}[action]
    for _ in range(2):  # what is so already changes nothing
        answer = adele.post(f"{PATH}/{action}")
        well_formed(answer)
        assert (answer.status, answer.content) == (200, b"")
    assert graph.changes() == ["updated preference"]
    assert of(adele, name) is value
    assert of(graph.as_("MeganB"), name) is not value  # each for himself
    assert adele.post(f"{PATH}/microsoft.graph.{back}").status == 200
    assert of(adele, name) is not value


@pytest.mark.parametrize("action", ACTIONS)
def test_with_prefer_return_minimal(graph: Graph, action: str) -> None:
    answer = graph.as_("AdeleV").post(f"{PATH}/{action}", Prefer="return=minimal")
    assert (answer.status, answer.content) == (204, b"")
    assert answer.headers["preference-applied"] == "return=minimal"
    assert "preference-applied" not in graph.as_("AdeleV").post(f"{PATH}/{action}").headers


@pytest.mark.parametrize("action", ACTIONS)
def test_they_are_for_people_who_read_the_group(graph: Graph, action: str) -> None:
    for name in ("daemon", "extended"):
        refused(graph.as_app(name).post(f"{PATH}/{action}"), 403, "ErrorAccessDenied")
    hr = f"/groups/{GROUP['HR']}/{action}"
    for nick in ("AdeleV", "admin", "guest"):
        refused(graph.as_(nick).post(hr), 403, "ErrorAccessDenied")
    refused(graph.as_("AdeleV").post(f"/groups/{GROUP['Engineering']}/{action}"), 403, "ErrorAccessDenied")
    assert graph.changes() == []
    assert graph.as_("LeeG").post(f"{PATH}/{action}").status == 200  # no member; the group is public


def test_unseen_posts_of_others_are_counted_until_they_are_seen(graph: Graph) -> None:
    adele, megan = graph.as_("AdeleV"), graph.as_("MeganB")
    place = megan.start()
    megan.reply(place)
    adele.reply(place, "my own")
    megan.start("Another")
    names = ("unseenCount", "unseenConversationsCount", "unseenMessagesCount")
    assert of(adele, *names) == [2, 2, 3]
    assert of(megan, *names) == [1, 1, 1]
    assert of(graph.as_("JoniS"), *names) == [0, 0, 0]  # to whom nothing was new
    assert adele.post(f"{PATH}/resetUnseenCount").status == 200
    assert of(adele, *names) == [0, 0, 0]
    assert of(megan, *names) == [1, 1, 1]
    megan.reply(place)
    graph.as_app("daemon").post(f"{place.post_path()}/reply", {"post": {"body": {"content": "b"}}})
    assert of(adele, *names) == [1, 1, 2]
    assert megan.delete(place.conversation_path).status == 204
    assert of(adele, *names) == [0, 0, 0]


def test_new_members_have_seen_everything(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    adele.post(f"{PATH}/members/$ref", {"@odata.id": f"/users/{PERSON['LeeG']}"})
    lee = graph.as_("LeeG")
    assert of(lee, "unseenCount", "isSubscribedByMail") == [0, False]
    adele.reply(place)
    assert of(lee, "unseenCount") == 1


def test_who_leaves_is_forgotten(graph: Graph) -> None:
    alex = graph.as_("AlexW")
    alex.post(f"{PATH}/addFavorite")
    assert alex.delete(f"{PATH}/members/{PERSON['AlexW']}/$ref").status == 204
    assert of(alex, "isFavorite", "isSubscribedByMail", "unseenCount") == [False, False, 0]


def test_renew(graph: Graph) -> None:
    graph.clock.advance(86_400)
    answer = graph.as_("AdeleV").post(f"{PATH}/renew")
    assert (answer.status, answer.content) == (204, b"")
    assert graph.as_("AdeleV").get(PATH).json["renewedDateTime"] == iso(graph.clock.now)
    assert graph.changes() == ["updated group"]
    refused(graph.as_("AlexW").post(f"{PATH}/renew"), 403, "Authorization_RequestDenied")


# ── PATCH ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name", ["allowExternalSenders", "autoSubscribeNewMembers", "hideFromAddressLists", "hideFromOutlookClients"]
)
def test_switches(graph: Graph, name: str) -> None:
    adele = graph.as_("AdeleV")
    for value in (True, False):
        answer = adele.patch(PATH, {name: value})
        assert (answer.status, answer.json["id"]) == (200, GROUP["SalesAndMarketing"])
        assert of(adele, name) is value
        assert graph.changes() == ["updated group"]
    for nick in ("AlexW", "JoniS"):
        refused(graph.as_(nick).patch(PATH, {name: True}), 403, "Authorization_RequestDenied")
    refused(graph.as_app("daemon").patch(PATH, {name: True}), 403, "Authorization_RequestDenied")
    assert graph.as_app("extended").patch(PATH, {name: True}).status == 200
    refused(adele.patch(PATH, {name: None}), 400, "Request_BadRequest", name)
    assert GROUP["SalesAndMarketing"] in adele.get("/groups").ids  # hidden from address books, not from programs


def test_what_is_about_oneself(graph: Graph) -> None:
    alex = graph.as_("AlexW")
    graph.as_("AdeleV").start()
    graph.changes()
    assert alex.patch(PATH, {"isSubscribedByMail": False}).status == 200
    assert of(alex, "isSubscribedByMail", "unseenCount") == [False, 1]
    assert alex.patch(PATH, {"unseenCount": 0}).status == 200
    assert of(alex, "isSubscribedByMail", "unseenCount") == [False, 0]
    assert graph.changes() == ["updated preference"] * 2
    refused(alex.patch(PATH, {"unseenCount": 3}), 400, "Request_BadRequest", "unseenCount")
    for name in ("daemon", "extended"):
        refused(graph.as_app(name).patch(PATH, {"unseenCount": 0}), 403, "Authorization_RequestDenied")


def test_not_together_with_others(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    given = {"description": "x", "allowExternalSenders": True, "unseenCount": 0}
    message = refused(adele.patch(PATH, given), 400, "Request_BadRequest", "allowExternalSenders")
    assert "allowExternalSenders, unseenCount" in message
    assert "description" in message
    assert graph.changes() == []


def test_new_members_are_subscribed_where_the_group_says_so(graph: Graph) -> None:
    adele, lee = graph.as_("AdeleV"), graph.as_("LeeG")
    assert of(lee, "isSubscribedByMail") is False
    adele.patch(PATH, {"autoSubscribeNewMembers": True})
    adele.post(f"{PATH}/members/$ref", {"@odata.id": f"/users/{PERSON['LeeG']}"})
    assert of(lee, "isSubscribedByMail") is True


def test_behaviours_at_creation(graph: Graph) -> None:
    body = {"displayName": "Club", "mailNickname": "club", "mailEnabled": True, "securityEnabled": False,
            "groupTypes": ["Unified"],
            "resourceBehaviorOptions": ["SubscribeNewGroupMembers", "HideGroupInOutlook"]}  # fmt: skip
    adele = graph.as_("AdeleV")
    path = f"/groups/{adele.post('/groups', body).json['id']}"
    names = ("autoSubscribeNewMembers", "hideFromOutlookClients", "hideFromAddressLists", "allowExternalSenders")
    assert of(adele, *names, path=path) == [True, True, False, False]


# ── validateProperties ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "body",
    [
        {"displayName": "Anything"},
        {"mailNickname": "free", "displayName": "Free", "onBehalfOfUserId": PERSON["AlexW"]},
        {"mailNickname": "SALESandmarketing"},  # its own
    ],
)
def test_names_that_it_could_have(graph: Graph, body: Any) -> None:
    for client in (graph.as_("AlexW"), graph.as_app("daemon")):
        answer = client.post(f"{PATH}/validateProperties", body)
        assert (answer.status, answer.content) == (204, b"")
    assert graph.changes() == []


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({}, "displayName"),
        ({"displayName": ""}, "displayName"),
        ({"displayName": "x" * 257}, "displayName"),
        ({"mailNickname": "a b"}, "mailNickname"),
        ({"displayName": "x", "onBehalfOfUserId": "x"}, "onBehalfOfUserId"),
        ({"displayName": "x", "onBehalfOfUserId": GROUP["HR"]}, "onBehalfOfUserId"),
        ({"displayName": 1}, "displayName"),
    ],
)
def test_names_that_no_group_has(graph: Graph, body: Any, target: str) -> None:
    refused(graph.as_("AdeleV").post(f"{PATH}/validateProperties", body), 400, "Request_BadRequest", target)


@pytest.mark.parametrize("nick", ["HR", "hr", "AlexW"])
def test_a_nickname_that_is_taken(graph: Graph, nick: str) -> None:
    answer = graph.as_("AdeleV").post(f"{PATH}/validateProperties", {"displayName": "x", "mailNickname": nick})
    well_formed(answer)
    assert answer.refusal == (422, "Request_UnprocessableEntity")
    message = answer.error["message"]
    assert answer.error["details"] == [{"code": "PropertyConflict", "message": message, "target": "mailNickname"}]
