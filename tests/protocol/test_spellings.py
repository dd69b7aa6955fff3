"""The ways in which clients spell paths: all lead to the same place."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.harness import PERSON, Graph, Place, address
from tests.protocol.library import Library, made
from tests.protocol.rows import EVERYTHING

# `{g}`, `{c}`, `{t}`, `{p}` stand for ids as they are, `{g%}` and so on for percent-encoded ones.
SPELLINGS: dict[str, list[str]] = {
    "/groups/{g}/conversations/{c}": [
        "/groups/{g}/conversations/{c%}",
        "/groups/{g}/conversations/{c%lower}",
        "/groups('{g}')/conversations('{c}')",
        "/groups('{g}')/conversations('{c%}')",
        "/groups(%27{g}%27)/conversations(%27{c%}%27)",
        "/groups%28%27{g}%27%29/conversations/{c}",
        "/groups/('{g}')/conversations/('{c}')",
        "/groups({g})/conversations/{c}",
        "/groups('{g}')/conversations/{c}",
        "/groups/{g}/conversations('{c}')",
        "/GROUPS/{g}/Conversations/{c}",
        "/Groups('{g}')/CONVERSATIONS('{c}')",
        "/groups/{G}/conversations/{c}",
        "/groups/{g}/conversations/{c}/",
        "//groups//{g}/conversations/{c}//",
        "/%67roups/{g}/conversations/{c}",
        "/groups/{g}/conversations/{c}?",
        "/groups/{g}/conversations/{c}/?",
        "/groups/{g}/conversations/{c}#fragment",
    ],
    "/groups/{g}/threads/{t}": [
        "/groups/{g}/threads/{t%}",
        "/groups('{g}')/threads('{t}')",
        "/groups('{g}')/Threads/{t%}/",
        "/GROUPS/{G}/THREADS/{t}",
    ],
    "/groups/{g}/conversations/{c}/threads/{t}": [
        "/groups/{g}/conversations/{c%}/threads/{t%}",
        "/groups('{g}')/conversations('{c}')/threads('{t}')",
        "/groups('{g}')/conversations/{c}/THREADS('{t%}')",
    ],
    "/groups/{g}/threads/{t}/posts/{p}": [
        "/groups/{g}/threads/{t%}/posts/{p%}",
        "/groups('{g}')/threads('{t}')/posts('{p}')",
        "/groups/{g}/Threads/{t}/Posts/{p}",
    ],
    "/groups/{g}/conversations/{c}/threads/{t}/posts/{p}": [
        "/groups/{g}/conversations/{c%}/threads/{t%}/posts/{p%}",
        "/groups('{g}')/conversations('{c%}')/threads('{t%}')/posts('{p%}')",
    ],
    "/groups/{g}/threads/{t}/posts": ["/groups('{g}')/threads('{t}')/POSTS", "/groups/{g}/threads/{t}/posts/"],
    "/groups/{g}/threads/{t}/posts/{p}/inReplyTo": [
        "/groups/{g}/threads/{t}/posts/{p}/INREPLYTO",
        "/groups/{g}/threads('{t}')/posts('{p}')/inReplyTo/",
    ],
    "/groups/{g}/conversations/$count": [
        "/groups/{g}/conversations/%24count",
        "/groups/{g}/conversations/$COUNT",
        "/groups('{g}')/conversations/$count/",
    ],
    "/groups/{g}/members/microsoft.graph.user": [
        "/groups/{g}/members/graph.user",
        "/groups/{g}/members/Microsoft.Graph.User",
        "/groups('{g}')/MEMBERS/GRAPH.USER",
    ],
    "/users/{u}": [
        "/users('{u}')",
        "/users/{U}",
        "/USERS/{u}",
        "/users/{upn}",
        "/users/{upn%}",
        "/users/{UPN}",
        "/users('{upn}')",
        "/users(userPrincipalName='{upn}')",
        "/users(userprincipalname='{upn%}')",
        "/me",
        "/ME",
        "/me/",
        "/users/me-token-to-replace",
    ],
    "/users/{u}/memberOf": [
        "/me/memberOf",
        "/me/memberof",
        "/users('{upn}')/memberOf",
        "/users/me-token-to-replace/memberOf",
    ],
    "/users/{u}/memberOf/microsoft.graph.group": ["/me/memberOf/graph.group", "/users/{upn%}/memberOf/graph.group"],
}


def filled(template: str, place: Place) -> str:
    """The template with the ids of a place, and Adele for the person."""
    ids = {"g": place.group, "c": place.conversation, "t": place.thread, "p": place.post, "u": PERSON["AdeleV"]}
    ids["upn"] = address("AdeleV")
    for name, id in ids.items():
        template = template.replace(f"{{{name}}}", id).replace(f"{{{name}%}}", quote(id, safe=""))
        template = template.replace(f"{{{name}%lower}}", id.replace("=", "%3d")).replace(
            f"{{{name.upper()}}}", id.upper()
        )
    return template


def each_spelling() -> Iterator[tuple[str, str]]:
    for usual, others in SPELLINGS.items():
        yield from ((usual, other) for other in others)


@pytest.mark.parametrize(("usual", "spelt"), list(each_spelling()))
def test_it_leads_to_the_same(library: Library, usual: str, spelt: str) -> None:
    adele = library.as_("AdeleV", scopes=EVERYTHING)
    expected = adele.get(filled(usual, library.launch))
    assert expected.status == 200
    found = adele.get(filled(spelt, library.launch))
    assert found.status == 200, found
    if usual.endswith("$count"):
        assert found.text == expected.text
    else:
        # The address of what was asked repeats how the group was written; all else is the same.
        assert found.json.pop("@odata.context").lower() == expected.json["@odata.context"].lower()
        assert found.json | {"@odata.context": ""} == expected.json | {"@odata.context": ""}


@pytest.mark.parametrize(
    "action", ["reply", "REPLY", "microsoft.graph.reply", "graph.reply", "Microsoft.Graph.Reply", "reply()"]
)
@pytest.mark.parametrize("road", ["direct", "through"])
def test_actions(graph: Graph, action: str, road: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    for path in (place.thread_path(road), place.post_path(road)):
        assert adele.post(f"{path}/{action}", {"post": {}}).status == 202
    assert len(adele.get(f"{place.thread_path()}/posts").value) == 3


def test_a_quote_in_a_key_is_doubled(graph: Graph) -> None:
    admin = graph.as_("admin", scopes=EVERYTHING)
    body = {
        "accountEnabled": True,
        "displayName": "Ann O'Nym",
        "mailNickname": "ann",
        "userPrincipalName": "ann.o'nym@contoso.onmicrosoft.com",
        "passwordProfile": {"password": "long enough 1"},
    }
    id = admin.post("/users", body).json["id"]
    for path in (
        "/users('ann.o''nym@contoso.onmicrosoft.com')",
        "/users('ann.o%27%27nym@contoso.onmicrosoft.com')",
        "/users(userPrincipalName='ann.o''nym@contoso.onmicrosoft.com')",
        "/users/ann.o'nym@contoso.onmicrosoft.com",
        "/users/ann.o%27nym%40contoso.onmicrosoft.com",
    ):
        assert admin.get(path).json["id"] == id, path


@pytest.mark.parametrize(
    "name", ["$dollar@example.org", "hash#ext#@example.org", "a(b)@example.org", "50%@example.org"]
)
def test_sign_in_names_that_need_care(graph: Graph, name: str) -> None:
    """Graph, "Get a user": a name that begins with $ is put in parentheses; # is written %23."""
    admin = graph.as_("admin", scopes=EVERYTHING)
    body = {
        "accountEnabled": True,
        "displayName": "Care",
        "mailNickname": "care",
        "userPrincipalName": name,
        "passwordProfile": {"password": "long enough 1"},
    }
    id = admin.post("/users", body).json["id"]
    assert admin.get(f"/users('{quote(name, safe='$@')}')").json["id"] == id
    assert admin.get(f"/users('{quote(name, safe='')}')").json["id"] == id


def test_members_of_a_named_group(library: Library) -> None:
    adele = library.as_("AdeleV")
    path = f"/groups/{made('Platform')}/transitiveMembers"
    for cast in ("user", "group"):
        expected = adele.get(f"{path}/microsoft.graph.{cast}").ids
        assert adele.get(f"{path}/graph.{cast}").ids == expected
        assert adele.get(f"{path}/graph.{cast}/%24count", ConsistencyLevel="eventual").text == str(len(expected))
