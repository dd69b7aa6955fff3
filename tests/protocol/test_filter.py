"""$filter on every property: what comes is what the filter says, of data in which it makes a difference.

What is expected is said in Python over the whole list; each filter must let some items through and keep some out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from folkmoot.graph import narrowing
from folkmoot.graph.feeds import FEEDS
from tests.harness import GROUP, PERSON, START, Client, Graph, address, iso, open_extension
from tests.protocol.library import Library, made
from tests.protocol.rows import EVERYTHING, NEW_USER
from tests.protocol.test_extended_properties import COLOR

Item = dict[str, Any]
Case = tuple[str, Callable[[Item], Any]]

MEGAN = address("MeganB").lower()
HOUR, DAY = iso(START + 3600), iso(START + 86_400)


def lower(item: Item, name: str) -> str:
    return str(item[name] or "").lower()


def sender(item: Item, part: str) -> str:
    return str(item["sender"]["emailAddress"][part])


def from_(item: Item, part: str) -> str:
    return str(item["from"]["emailAddress"][part])


def addresses(recipients: list[Item]) -> list[str]:
    return [each["emailAddress"]["address"].lower() for each in recipients]


CONVERSATIONS: list[Case] = [
    ("topic eq 'Launch plan'", lambda c: c["topic"] == "Launch plan"),
    ("'Launch plan' eq topic", lambda c: c["topic"] == "Launch plan"),
    ("topic ne 'Launch plan'", lambda c: c["topic"] != "Launch plan"),
    ("topic eq ''", lambda c: c["topic"] == ""),
    ("topic eq 'O''Brien''s 100% _wild%'", lambda c: c["topic"].startswith("O'Brien")),
    ("topic eq 'Grüße aus Köln — 日本語 🙂'", lambda c: "🙂" in c["topic"]),
    ("contains(topic,'日本')", lambda c: "日本" in c["topic"]),
    ("contains(topic,'%')", lambda c: "%" in c["topic"]),
    ("contains(topic,'_')", lambda c: "_" in c["topic"]),
    ("contains(topic,'a')", lambda c: "a" in c["topic"]),
    ("startswith(topic,'Launch')", lambda c: c["topic"].startswith("Launch")),
    ("endswith(topic,'plan')", lambda c: c["topic"].endswith("plan")),
    ("not startswith(topic,'Launch')", lambda c: not c["topic"].startswith("Launch")),
    ("not(contains(topic,'a'))", lambda c: "a" not in c["topic"]),
    ("tolower(topic) eq 'launch plan'", lambda c: c["topic"].lower() == "launch plan"),
    ("length(topic) gt 10", lambda c: len(c["topic"]) > 10),
    ("length(topic) eq 0", lambda c: c["topic"] == ""),
    ("indexof(topic,'l') eq 2", lambda c: c["topic"].find("l") == 2),
    ("substring(topic,0,4) eq 'Part'", lambda c: c["topic"][:4] == "Part"),
    ("concat(topic,'!') eq 'Talk!'", lambda c: c["topic"] == "Talk"),
    ("topic in ('Talk','Parts','nothing')", lambda c: c["topic"] in ("Talk", "Parts")),
    ("topic gt 'M'", lambda c: c["topic"] > "M"),
    ("topic le 'Launch plan'", lambda c: c["topic"] <= "Launch plan"),
    ("hasAttachments", lambda c: c["hasAttachments"]),
    ("hasAttachments eq true", lambda c: c["hasAttachments"]),
    ("hasAttachments ne true", lambda c: not c["hasAttachments"]),
    ("not hasAttachments", lambda c: not c["hasAttachments"]),
    ("HASATTACHMENTS EQ TRUE", lambda c: c["hasAttachments"]),
    (f"lastDeliveredDateTime ge {DAY}", lambda c: c["lastDeliveredDateTime"] >= DAY),
    (f"lastDeliveredDateTime lt {DAY}", lambda c: c["lastDeliveredDateTime"] < DAY),
    (f"lastDeliveredDateTime eq {iso(START + 62)}", lambda c: c["lastDeliveredDateTime"] == iso(START + 62)),
    ("lastDeliveredDateTime ge 2026-11-24", lambda c: c["lastDeliveredDateTime"] >= "2026-11-24"),
    ("lastDeliveredDateTime lt 2026-11-24T00:00:00.5%2B05:00", lambda c: c["lastDeliveredDateTime"] < "2026-11-23T19"),
    ("day(lastDeliveredDateTime) eq 24", lambda c: c["lastDeliveredDateTime"][8:10] == "24"),
    ("hour(lastDeliveredDateTime) eq 11", lambda c: c["lastDeliveredDateTime"][11:13] == "11"),
    ("date(lastDeliveredDateTime) eq 2026-11-24", lambda c: c["lastDeliveredDateTime"][:10] == "2026-11-24"),
    ("preview eq 'Because.'", lambda c: c["preview"] == "Because."),
    ("preview le 'M'", lambda c: c["preview"] <= "M"),
    ("contains(preview,'%b_')", lambda c: "%b_" in c["preview"]),
    ("uniqueSenders/any(s:s eq 'Alex Wilber')", lambda c: "Alex Wilber" in c["uniqueSenders"]),
    ("uniqueSenders/all(s:s eq 'Megan Bowen')", lambda c: set(c["uniqueSenders"]) == {"Megan Bowen"}),
    ("uniqueSenders/any(s:startswith(s,'Megan'))", lambda c: any(s.startswith("Megan") for s in c["uniqueSenders"])),
    ("not uniqueSenders/any(s:s eq 'Alex Wilber')", lambda c: "Alex Wilber" not in c["uniqueSenders"]),
    ("uniqueSenders/$count gt 2", lambda c: len(c["uniqueSenders"]) > 2),
    ("topic eq 'Talk' or hasAttachments", lambda c: c["topic"] == "Talk" or c["hasAttachments"]),
    ("topic eq 'Launch plan' and preview ne 'Because.'",
     lambda c: c["topic"] == "Launch plan" and c["preview"] != "Because."),
    ("not (topic eq 'Talk' or topic eq 'Parts')", lambda c: c["topic"] not in ("Talk", "Parts")),
    ("(topic eq 'Talk') eq false", lambda c: c["topic"] != "Talk"),
    ("$it/topic eq 'Talk'", lambda c: c["topic"] == "Talk"),
    ("threads/$count gt 1", lambda c: c["topic"] == "Parts" or "🙂" in c["topic"]),
    ("threads/any(t:t/isLocked)", lambda c: c["topic"] == "launch PLAN" or c["preview"] == "Another one"),
    ("threads/all(t:t/topic eq 'Talk')", lambda c: c["topic"] == "Talk"),
    ("threads/any(t:contains(t/topic,'Budget') and t/isLocked eq false)", lambda c: "🙂" in c["topic"]),
]  # fmt: skip

THREADS: list[Case] = [
    ("topic eq 'Part 07'", lambda t: t["topic"] == "Part 07"),
    ("isLocked", lambda t: t["isLocked"]),
    ("isLocked eq false", lambda t: not t["isLocked"]),
    ("hasAttachments eq true", lambda t: t["hasAttachments"]),
    (f"lastDeliveredDateTime gt {HOUR}", lambda t: t["lastDeliveredDateTime"] > HOUR),
    ("preview eq 'Another one'", lambda t: t["preview"] == "Another one"),
    ("uniqueSenders/any(s:s eq 'Isaiah Langer')", lambda t: "Isaiah Langer" in t["uniqueSenders"]),
    (
        f"toRecipients/any(r:r/emailAddress/address eq '{address('lynner')}')",
        lambda t: address("LynneR").lower() in addresses(t["toRecipients"]),
    ),
    ("toRecipients/any(r:r/emailAddress/name eq 'Lee Gu')", lambda t: "leeg" in str(addresses(t["toRecipients"]))),
    ("toRecipients/$count gt 1", lambda t: len(t["toRecipients"]) > 1),
    ("toRecipients/all(r:endswith(r/emailAddress/address,'contoso.onmicrosoft.com'))",
     lambda t: "outside" not in str(addresses(t["toRecipients"]))),
    ("ccRecipients/any()", lambda t: t["ccRecipients"]),
    ("ccRecipients/any(r:r/emailAddress/name ne null)", lambda t: t["ccRecipients"]),
    ("not ccRecipients/any()", lambda t: not t["ccRecipients"]),
]  # fmt: skip

POSTS: list[Case] = [
    ("hasAttachments", lambda p: p["hasAttachments"]),
    ("categories/any(c:c eq 'Fives')", lambda p: "Fives" in p["categories"]),
    ("categories/any(c:c eq 'by 10')", lambda p: "by 10" in p["categories"]),
    ("categories/$count eq 0", lambda p: not p["categories"]),
    (f"receivedDateTime gt {iso(START + 90_090)}", lambda p: p["receivedDateTime"] > iso(START + 90_090)),
    (f"createdDateTime le {iso(START + 90_080)}", lambda p: p["createdDateTime"] <= iso(START + 90_080)),
    (f"lastModifiedDateTime le {iso(START + 90_080)}", lambda p: p["receivedDateTime"] <= iso(START + 90_080)),
    ("second(receivedDateTime) ge 30", lambda p: p["receivedDateTime"][17:19] >= "30"),
    ("body/contentType eq 'html'", lambda p: p["body"]["contentType"] == "html"),
    ("body/contentType eq 'HTML'", lambda p: p["body"]["contentType"] == "html"),
    ("body/contentType ne microsoft.graph.bodyType'html'", lambda p: p["body"]["contentType"] == "text"),
    ("body/contentType in ('html')", lambda p: p["body"]["contentType"] == "html"),
    ("contains(body/content,'<i>')", lambda p: "<i>" in p["body"]["content"]),
    ("body/content eq 'post 7'", lambda p: p["body"]["content"] == "post 7"),
    ("from/emailAddress/name eq 'Megan Bowen'", lambda p: from_(p, "name") == "Megan Bowen"),
    ("from/emailAddress/name eq 'On behalf'", lambda p: from_(p, "name") == "On behalf"),
    (f"from/emailAddress/address eq '{address('meganb')}'", lambda p: from_(p, "address").lower() == MEGAN),
    (f"from/emailAddress/address ne '{address('MEGANB')}'", lambda p: from_(p, "address").lower() != MEGAN),
    ("startswith(from/emailAddress/address,'meganB@')", lambda p: from_(p, "address").lower().startswith("meganb@")),
    ("FROM/EMAILADDRESS/NAME eq 'Alex Wilber'", lambda p: from_(p, "name") == "Alex Wilber"),
    ("sender/emailAddress/name eq 'At work'", lambda p: sender(p, "name") == "At work"),
    (f"sender/emailAddress/address eq '{address('AlexW')}'", lambda p: sender(p, "address") == address("AlexW")),
    ("sender/emailAddress/name eq from/emailAddress/name", lambda p: sender(p, "name") == from_(p, "name")),
    ("newParticipants/any()", lambda p: p["newParticipants"]),
    ("newParticipants/any(n:n/emailAddress/address eq 'P12@outside.EXAMPLE')",
     lambda p: "p12@outside.example" in addresses(p["newParticipants"])),
    ("newParticipants/any(n:n/emailAddress/name eq null)", lambda p: p["newParticipants"]),
]  # fmt: skip

GROUPS: list[Case] = [
    (f"id eq '{GROUP['Mark8']}'", lambda g: g["id"] == GROUP["Mark8"]),
    (f"id eq {GROUP['Mark8']}", lambda g: g["id"] == GROUP["Mark8"]),
    (f"id ne '{GROUP['Mark8']}'", lambda g: g["id"] != GROUP["Mark8"]),
    (f"id in ('{GROUP['Mark8']}','{GROUP['SalesAndMarketing']}')", lambda g: g["mailEnabled"]),
    ("displayName eq 'STORAGE'", lambda g: g["displayName"] == "Storage"),
    ("startswith(displayName,'s')", lambda g: lower(g, "displayName").startswith("s")),
    ("contains(description,'SEEDED')", lambda g: "seeded" in lower(g, "description")),
    ("description eq null", lambda g: g["description"] is None),
    ("description ne null", lambda g: g["description"] is not None),
    ("classification eq 'low'", lambda g: g["classification"] == "Low"),
    ("classification ne 'low'", lambda g: g["classification"] != "Low"),
    ("not (classification eq 'low')", lambda g: g["classification"] != "Low"),
    ("theme eq 'teal'", lambda g: g["theme"] == "Teal"),
    ("uniqueName eq 'teal'", lambda g: g["uniqueName"] == "teal"),
    ("preferredLanguage eq 'de-de'", lambda g: g["preferredLanguage"] == "de-DE"),
    (f"mail eq '{address('mark8')}'", lambda g: g["id"] == GROUP["Mark8"]),
    ("mailEnabled", lambda g: g["mailEnabled"]),
    ("securityEnabled eq true", lambda g: g["securityEnabled"]),
    ("mailNickname eq 'mark8'", lambda g: g["mailNickname"] == "Mark8"),
    ("visibility eq 'private'", lambda g: g["visibility"] == "Private"),
    ("groupTypes/any(t:t eq 'Unified')", lambda g: "Unified" in g["groupTypes"]),
    ("not groupTypes/any(t:t eq 'Unified')", lambda g: "Unified" not in g["groupTypes"]),
    ("groupTypes/$count eq 0", lambda g: not g["groupTypes"]),
    (f"proxyAddresses/any(p:p eq 'SMTP:{address('Mark8')}')", lambda g: g["id"] == GROUP["Mark8"]),
    ("displayName gt 'M' and visibility eq 'Public'",
     lambda g: lower(g, "displayName") > "m" and g["visibility"] == "Public"),
]  # fmt: skip

USERS: list[Case] = [
    (f"id eq '{PERSON['AdeleV']}'", lambda u: u["id"] == PERSON["AdeleV"]),
    ("displayName eq 'adele vance'", lambda u: u["id"] == PERSON["AdeleV"]),
    ("startswith(displayName,'Zoë')", lambda u: u["displayName"].startswith("Zoë")),
    ("givenName eq null", lambda u: u["givenName"] is None),
    ("surname eq 'Wilber'", lambda u: u["surname"] == "Wilber"),
    ("jobTitle eq 'DIRECTOR'", lambda u: lower(u, "jobTitle") == "director"),
    ("jobTitle eq null", lambda u: u["jobTitle"] is None),
    ("mail eq null", lambda u: u["mail"] is None),
    ("mail ne null", lambda u: u["mail"] is not None),
    (f"mail eq '{address('ALEXW')}'", lambda u: u["id"] == PERSON["AlexW"]),
    ("mobilePhone eq '%2B49 1'", lambda u: u["mobilePhone"] == "+49 1"),
    ("officeLocation eq '18/2111'", lambda u: u["officeLocation"] == "18/2111"),
    ("preferredLanguage eq 'en-us'", lambda u: u["preferredLanguage"] == "en-US"),
    (f"userPrincipalName eq '{address('ALEXW')}'", lambda u: u["id"] == PERSON["AlexW"]),
    ("endswith(userPrincipalName,'V@contoso.onmicrosoft.com')", lambda u: u["id"] == PERSON["AdeleV"]),
    ("accountEnabled eq false", lambda u: not u["accountEnabled"]),
    ("accountEnabled", lambda u: u["accountEnabled"]),
    ("userType eq 'guest'", lambda u: u["userType"] == "Guest"),
    ("mailNickname eq 'zoe'", lambda u: u["mailNickname"] == "zoe"),
    ("department eq 'quality'", lambda u: u["department"] == "Quality"),
    ("usageLocation eq 'DE'", lambda u: u["usageLocation"] == "DE"),
    ("businessPhones/any(p:p eq '%2B49 2')", lambda u: "+49 2" in u["businessPhones"]),
    ("otherMails/any(m:startswith(m,'other-zoe'))", lambda u: u["mailNickname"] == "zoe"),
    (f"proxyAddresses/any(p:p eq 'SMTP:{address('AdeleV')}')", lambda u: u["id"] == PERSON["AdeleV"]),
    ("createdDateTime ge 2026-11-23 and userType ne 'Guest'", lambda u: u["userType"] != "Guest"),
    ("givenName lt surname", lambda u: u["surname"] and u["givenName"] and lower(u, "givenName") < lower(u, "surname")),
]  # fmt: skip

USER_PROPERTIES = "id,displayName,givenName,surname,jobTitle,mail,mobilePhone,officeLocation,preferredLanguage," \
    "userPrincipalName,accountEnabled,userType,mailNickname,department,usageLocation,businessPhones,otherMails," \
    "proxyAddresses,createdDateTime"  # fmt: skip


def checked(client: Client, path: str, filter_: str, expected: Callable[[Item], Any]) -> None:
    """Compare what the filter lets through with what Python says of all items."""
    join = "&" if "?" in path else "?"
    # What lies before a time comes by that time.
    before = any(f"lastDeliveredDateTime {op}" in filter_ for op in ("lt", "le"))
    everything = client.everything(f"{path}{join}$orderby=lastDeliveredDateTime desc" if before else path)
    wanted = [item["id"] for item in everything if expected(item)]
    assert 0 < len(wanted) < len(everything), "the filter makes no difference to these data"
    written = filter_ if "%2B" in filter_ else quote(filter_, safe="$'(),/")
    found = [item["id"] for item in client.everything(f"{path}{join}$filter={written}")]
    assert found == wanted


def cases(which: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("filter_", "expected"), [pytest.param(*case, id=case[0]) for case in which])


@cases(CONVERSATIONS)
def test_conversations(library: Library, filter_: str, expected: Callable[[Item], Any]) -> None:
    checked(library.as_("AdeleV"), f"{library.launch.group_path}/conversations", filter_, expected)


@pytest.mark.parametrize(("few", "walk"), [(0, 1), (0, 1_000), (1_000, 1)])
@pytest.mark.parametrize(
    "filter_",
    [
        f"lastDeliveredDateTime ge {DAY}",
        f"lastDeliveredDateTime ge {DAY} and hasAttachments ne true",
        "startswith(topic,'Launch')",
        "startswith(topic,'\U0010ffff')",
    ],
)
def test_whichever_way_a_page_is_found(
    library: Library, monkeypatch: pytest.MonkeyPatch, filter_: str, few: int, walk: int
) -> None:
    """What an index has few of is put in order; of much, a walk finds a page, or the index says where the first is."""
    adele, path = library.as_("AdeleV"), f"{library.launch.group_path}/conversations"
    wanted = [item["id"] for item in adele.everything(f"{path}?$filter={quote(f'({filter_}) or (1 eq 2)')}")]
    monkeypatch.setattr(narrowing, "FEW", few)
    monkeypatch.setattr(narrowing, "WALK", walk)
    assert [item["id"] for item in adele.everything(f"{path}?$filter={quote(filter_)}&$top=2")] == wanted
    assert adele.get(f"{path}?$filter={quote(filter_)}&$skip=1&$top=2").ids == wanted[1:3]


@pytest.mark.parametrize("collection", ["conversations", "threads"])
@pytest.mark.parametrize(
    "filter_",
    [
        f"lastDeliveredDateTime lt {DAY}",
        f"lastDeliveredDateTime le {DAY} and hasAttachments eq false",
        f"{DAY} gt lastDeliveredDateTime and lastDeliveredDateTime gt 2026-11-23T00:00:00Z",
    ],
)
def test_what_was_last_heard_of_before_a_time_comes_by_that(library: Library, filter_: str, collection: str) -> None:
    """As in `$orderby=lastDeliveredDateTime desc`; with another order, or a search, it comes as that says."""
    adele, path = library.as_("AdeleV"), f"{library.launch.group_path}/{collection}"
    newest = adele.everything(f"{path}?$filter={quote(filter_)}&$orderby=lastDeliveredDateTime desc")
    times = [item["lastDeliveredDateTime"] for item in newest]
    assert len(set(times)) > 1
    assert times == sorted(times, reverse=True)
    assert adele.everything(f"{path}?$filter={quote(filter_)}&$top=2") == newest
    topics = [item["topic"] for item in adele.everything(f"{path}?$filter={quote(filter_)}&$orderby=topic&$top=2")]
    assert topics == sorted(item["topic"] for item in newest)


@cases(THREADS)
def test_threads(library: Library, filter_: str, expected: Callable[[Item], Any]) -> None:
    names = "id,topic,hasAttachments,lastDeliveredDateTime,uniqueSenders,preview,isLocked,toRecipients,ccRecipients"
    checked(library.as_("AdeleV"), f"{library.launch.group_path}/threads?$select={names}", filter_, expected)


@pytest.mark.parametrize("road", ["direct", "through"])
@cases(POSTS)
def test_posts(library: Library, filter_: str, expected: Callable[[Item], Any], road: str) -> None:
    checked(library.as_("AdeleV"), f"{library.talk.thread_path(road)}/posts", filter_, expected)


@cases(GROUPS)
def test_groups(library: Library, filter_: str, expected: Callable[[Item], Any]) -> None:
    checked(library.as_("AdeleV"), "/groups", filter_, expected)


@cases(USERS)
def test_users(library: Library, filter_: str, expected: Callable[[Item], Any]) -> None:
    checked(library.as_("AdeleV"), f"/users?$select={USER_PROPERTIES}", filter_, expected)


# ── ids ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_ids_of_conversations_threads_and_posts(library: Library) -> None:
    adele, place, talk = library.as_("AdeleV"), library.launch, library.talk
    for path, id, other in (
        (f"{place.group_path}/conversations", place.conversation, talk.conversation),
        (f"{place.group_path}/threads", place.thread, talk.thread),
        (f"{talk.thread_path()}/posts", talk.post, place.post),
    ):
        ids = [item["id"] for item in adele.everything(path)]
        for filter_, wanted in (
            (f"id eq '{id}'", [id]),
            (f"id ne '{id}'", [each for each in ids if each != id]),
            (f"not (id eq '{id}')", [each for each in ids if each != id]),
            (f"id in ('{id}','nothing')", [id]),
            (f"id eq '{id}' or id eq '{other}'", [each for each in ids if each in (id, other)]),
            (f"id ne null and ID eq '{id}'", [id]),
            ("id eq 'nothing'", []),
            ("id eq null", []),
            (f"id eq '{library.private.thread}'", []),
            (f"id eq '{id.lower()}'", []),
        ):
            assert [item["id"] for item in adele.everything(f"{path}?$filter={filter_}")] == wanted, filter_


def test_posts_know_their_thread_and_conversation(library: Library) -> None:
    adele, path = library.as_("AdeleV"), f"{library.launch.thread_path()}/posts/$count"
    place, talk = library.launch, library.talk
    for filter_, count in (
        (f"conversationId eq '{place.conversation}'", "3"),
        (f"conversationId eq '{talk.conversation}'", "0"),
        (f"conversationThreadId eq '{place.thread}'", "3"),
        (f"conversationThreadId ne '{place.thread}'", "0"),
    ):
        assert adele.get(f"{path}?$filter={filter_}").text == count


def test_ids_wherever_they_stand(library: Library) -> None:
    adele, place = library.as_("AdeleV"), library.launch
    for path, filter_, wanted in (
        (f"{place.thread_path()}/posts", f"'{place.post}' eq id", place.post),
        (f"{place.group_path}/conversations", f"threads/any(t:t/id eq '{place.thread}')", place.conversation),
        (f"{place.group_path}/threads", f"(id eq '{place.thread}') eq true", place.thread),
    ):
        assert adele.get(f"{path}?$filter={filter_}").ids == [wanted]


def test_change_keys(library: Library) -> None:
    adele, path = library.as_("AdeleV"), f"{library.talk.thread_path()}/posts"
    posts = adele.get(path).value
    key = quote(posts[7]["changeKey"])
    assert adele.get(f"{path}?$filter=changeKey eq '{key}'").ids == [posts[7]["id"]]
    assert len(adele.get(f"{path}?$filter=changeKey ne '{key}'").value) == 29
    assert adele.get(f"{path}?$filter=changeKey eq 'nothing'").value == []


# ── letters beyond ASCII ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("filter_", "names"),
    [
        ("displayName eq 'Übel'", ["Übel"]),
        ("displayName eq 'ÜBEL'", ["Übel"]),
        ("displayName in ('Übel','Zoë Österreich')", ["Zoë Österreich", "Übel"]),
        ("startswith(displayName,'Ü')", ["Übel"]),
        ("startswith(displayName,'ü')", ["übel"]),
        ("contains(displayName,'Ö')", ["Zoë Österreich"]),
        ("endswith(displayName,'ÖSTERREICH')", ["Zoë Österreich"]),
        ("endswith(displayName,'BEL') and displayName ne 'Übel'", ["übel"]),
        ("tolower('GRÜSSE') eq 'grüsse'", []),
    ],
)
def test_people_whose_names_have_other_letters(graph: Graph, filter_: str, names: list[str]) -> None:
    admin = graph.as_("admin", scopes=EVERYTHING)
    for number, name in enumerate(("Übel", "übel", "Zoë Österreich")):
        nick = f"other{number}"
        body = NEW_USER | {"displayName": name, "mailNickname": nick, "userPrincipalName": address(nick)}
        assert admin.post("/users", body).status == 201
    found = admin.everything(f"/users?$filter={quote(filter_)}")
    assert sorted(item["displayName"] for item in found) == names


@pytest.mark.parametrize(
    ("filter_", "count"),
    [
        ("categories/any(c:tolower(c) eq 'Äpfel')", 1),
        ("categories/any(c:tolower(c) eq 'äpfel')", 0),
        ("newParticipants/any(n:n/emailAddress/address eq 'ÖZ@OUTSIDE.example')", 1),
        ("newParticipants/any(n:n/emailAddress/address eq 'öz@outside.example')", 0),
        ("extensions/any(e:e/extensionName eq 'ORG.Ünï')", 1),
        ("extensions/any(e:e/extensionName eq 'org.ünï')", 0),
        (f"singleValueExtendedProperties/any(e:e/id eq '{COLOR}' and e/value eq 'rÖTLICH')", 1),
        (f"singleValueExtendedProperties/any(e:e/id eq '{COLOR}' and e/value eq 'rötlich')", 0),
        (f"singleValueExtendedProperties/any(e:e/id eq '{COLOR}' and e/value ne 'RÖTLICH')", 0),
    ],
)
def test_posts_whose_text_has_other_letters(graph: Graph, filter_: str, count: int) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start(
        categories=["Äpfel"],
        newParticipants=[{"emailAddress": {"address": "Öz@outside.example"}}],
        extensions=[open_extension("Org.Ünï")],
        singleValueExtendedProperties=[{"id": COLOR, "value": "RÖtlich"}],
    )
    assert len(adele.get(f"{place.thread_path()}/posts?$filter={quote(filter_)}").value) == count


def test_threads_to_addresses_with_other_letters(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    body = {"topic": "To", "posts": [{}], "toRecipients": [{"emailAddress": {"address": "öz@x.example"}}]}
    assert adele.post(f"{place.conversation_path}/threads", body).status == 201
    for given, count in (("öZ@X.example", 1), ("ÖZ@x.example", 0)):
        filter_ = quote(f"toRecipients/any(r:r/emailAddress/address eq '{given}')")
        assert len(adele.get(f"{place.conversation_path}/threads?$filter={filter_}").value) == count, given


# ── mixed collections ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("filter_", "names"),
    [
        ("displayName eq 'backend'", ["Backend"]),
        ("startswith(displayName,'a') or startswith(displayName,'f')", ["Adele Vance", "Frontend"]),
        ("userPrincipalName ne null", ["Adele Vance"]),
        ("userPrincipalName eq null", ["Backend", "Frontend"]),
        (f"mail eq '{address('adelev')}'", ["Adele Vance"]),
        (f"id eq '{PERSON['AdeleV']}'", ["Adele Vance"]),
        (f"id ne '{PERSON['AdeleV']}'", ["Backend", "Frontend"]),
    ],
)
def test_members(library: Library, filter_: str, names: list[str]) -> None:
    found = library.as_("AdeleV").everything(f"/groups/{made('Platform')}/members?$filter={filter_}")
    assert sorted(item["displayName"] for item in found) == names


def test_members_of_one_kind(library: Library) -> None:
    adele = library.as_("AdeleV", scopes=EVERYTHING)
    path = f"/groups/{made('Platform')}/transitiveMembers"
    users = adele.everything(f"{path}/microsoft.graph.user?$filter=jobTitle eq 'director'")
    assert [user["displayName"] for user in users] == ["Lee Gu"]
    groups = adele.everything(f"{path}/microsoft.graph.group?$filter=theme eq 'Teal'")
    assert [group["displayName"] for group in groups] == ["Storage"]


def test_every_property_is_filtered_here() -> None:
    """What can be filtered and is not in these tables has not been tried."""
    tables = {"conversations": CONVERSATIONS, "threads": THREADS, "posts": POSTS, "groups": GROUPS, "users": USERS}
    for feed, tried in tables.items():
        words = set(re.findall(r"[A-Za-z]+", " ".join(filter_ for filter_, _ in tried)))
        never = {"id", "conversationId", "conversationThreadId", "changeKey"}  # in tests of their own
        known = {f.name for f in FEEDS[feed].noun.entity.fields if f.filter and f.sql is not None} - never
        silent = {"deletedDateTime", "createdDateTime", "renewedDateTime", "isAssignableToRole", "membershipRule"}
        silent |= {"membershipRuleProcessingState", "resourceBehaviorOptions", "resourceProvisioningOptions"}
        assert known - words - silent == set(), feed


def test_an_empty_filter_is_none(any_library: Library) -> None:
    """The people picker of the Graph Toolkit asks for a group's members by one, before anything is typed."""
    group, adele = any_library.launch.group_path, any_library.as_("AdeleV", scopes=EVERYTHING)
    for path in (f"{group}/members/microsoft.graph.user", "/groups", "/users", f"{group}/threads"):
        everything = adele.get(f"{path}?$top=6")
        assert everything.json["value"], everything
        assert adele.get(f"{path}?$filter=&$top=6").json["value"] == everything.json["value"], path
        counted = adele.get(f"{path}/$count", ConsistencyLevel="eventual").text
        assert adele.get(f"{path}/$count?$filter=", ConsistencyLevel="eventual").text == counted, path
