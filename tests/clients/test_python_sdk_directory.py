"""The published Python SDK, unmodified, with the directory: oneself, groups, who is in them, and users."""

from __future__ import annotations

from typing import Any

import pytest
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.headers_collection import HeadersCollection
from msgraph import GraphServiceClient
from msgraph.generated.models.group import Group
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.password_profile import PasswordProfile
from msgraph.generated.models.reference_create import ReferenceCreate
from msgraph.generated.models.user import User

from tests.clients.browser import Browser
from tests.clients.sdk import DEFAULT, SALES, asking, client, conversation, everything, person, signed_in
from tests.server import Server

pytestmark = pytest.mark.anyio

CLOUD = "https://graph.microsoft.com/v1.0"


def unified(name: str, **more: Any) -> Group:
    """A Microsoft 365 group that does not exist yet."""
    return Group(
        display_name=name,
        description=f"{name}, made by a test",
        mail_nickname=name.replace(" ", ""),
        mail_enabled=True,
        security_enabled=False,
        group_types=["Unified"],
        **more,
    )


def newcomer(nick: str) -> User:
    """A user who does not exist yet."""
    return User(
        account_enabled=True,
        display_name=f"{nick} Newcomer",
        mail_nickname=nick,
        user_principal_name=f"{nick}@contoso.onmicrosoft.com",
        password_profile=PasswordProfile(password="a long enough passphrase", force_change_password_next_sign_in=False),
    )


async def test_oneself(server: Server, adele: GraphServiceClient) -> None:
    me = await adele.me.get()
    expected = person(server, "AdeleV")
    assert (me.id, me.display_name, me.mail) == (expected["id"], "Adele Vance", expected["mail"])
    assert (me.given_name, me.surname, me.job_title) == ("Adele", "Vance", "Product Marketing Manager")
    assert me.additional_data["@odata.context"] == f"{server.https}/v1.0/$metadata#users/$entity"
    chosen = await adele.me.get(asking(adele.me, select=["userType", "accountEnabled"]))
    assert (chosen.user_type, chosen.account_enabled, chosen.display_name) == ("Member", True, None)


async def test_the_scope_that_the_sdk_makes_of_the_host(server: Server, browser: Browser) -> None:
    with signed_in(server, browser, "AdeleV", "https://localhost/.default") as credential:
        async with client(server, credential) as graph:
            assert (await graph.me.get()).display_name == "Adele Vance"


async def test_plain_http_on_this_machine(server: Server, browser: Browser) -> None:
    with signed_in(server, browser, "AdeleV", "http://localhost/.default") as credential:
        async with client(server, credential, base=server.http) as graph:
            page = await graph.users.get(asking(graph.users, top=5))
            assert page.odata_next_link.startswith(f"{server.http}/v1.0/users?")
            assert len((await graph.users.with_url(page.odata_next_link).get()).value) == 5


async def test_the_groups_one_is_in(adele: GraphServiceClient) -> None:
    mine = (await adele.me.member_of.get()).value
    assert {type(each) for each in mine} == {Group}
    assert {"Sales and Marketing", "Engineering"} <= {each.display_name for each in mine}
    cast = adele.me.member_of.graph_group
    assert [each.id for each in (await cast.get()).value] == [each.id for each in mine]
    named = asking(cast, filter="displayName eq 'sales and marketing'", select=["id"])
    assert [each.id for each in (await cast.get(named)).value] == [SALES]
    assert SALES in {each.id for each in (await adele.me.transitive_member_of.graph_group.get()).value}
    assert SALES in {each.id for each in (await adele.me.owned_objects.graph_group.get()).value}


async def test_a_group_is_made_changed_and_deleted(server: Server, adele: GraphServiceClient) -> None:
    lee = person(server, "LeeG")
    asked = unified("Book club", visibility="Private")
    asked.additional_data = {"members@odata.bind": [f"{CLOUD}/users/{lee['id']}"]}
    made = await adele.groups.post(asked)
    assert (made.display_name, made.mail, made.visibility) == (
        "Book club",
        "Bookclub@contoso.onmicrosoft.com",
        "Private",
    )
    at = adele.groups.by_group_id(made.id)
    assert [each.id for each in (await at.owners.get()).value] == [person(server, "AdeleV")["id"]]
    assert [each.display_name for each in (await at.members.graph_user.get()).value] == ["Lee Gu"]

    assert await at.patch(Group(description="We read.")) is None
    changed = await at.get()
    assert (changed.description, changed.display_name, changed.group_types) == ("We read.", "Book club", ["Unified"])
    found = await adele.groups.get(asking(adele.groups, filter="startswith(displayName,'book')", expand=["members"]))
    assert [[each.id for each in group.members] for group in found.value] == [[lee["id"]]]

    assert await at.delete() is None
    with pytest.raises(ODataError) as refused:
        await at.get()
    assert (refused.value.response_status_code, refused.value.error.code) == (404, "Request_ResourceNotFound")


async def test_members_come_and_go_by_reference(server: Server, adele: GraphServiceClient) -> None:
    made = await adele.groups.post(unified("Chess"))
    members = adele.groups.by_group_id(made.id).members
    lee, joni, diego = (person(server, nick) for nick in ("LeeG", "JoniS", "DiegoS"))
    for reference in (
        f"{CLOUD}/directoryObjects/{lee['id']}",
        f"{server.https}/v1.0/users/{joni['id']}",
        f"{CLOUD}/users/{diego['upn']}",
    ):
        assert await members.ref.post(ReferenceCreate(odata_id=reference)) is None
    assert {each.display_name for each in (await members.get()).value} >= {"Lee Gu", "Joni Sherman", "Diego Siciliani"}
    with pytest.raises(ODataError) as refused:
        await members.ref.post(ReferenceCreate(odata_id=f"{CLOUD}/directoryObjects/{lee['id']}"))
    assert (refused.value.response_status_code, refused.value.error.code) == (400, "Request_BadRequest")

    assert await members.by_directory_object_id(lee["id"]).ref.delete() is None
    named = members.ref.RefRequestBuilderDeleteQueryParameters(id=f"{server.https}/v1.0/users/{joni['id']}")
    assert await members.ref.delete(RequestConfiguration(query_parameters=named)) is None
    left = {each.display_name for each in (await members.graph_user.get()).value}
    assert "Diego Siciliani" in left
    assert not left & {"Lee Gu", "Joni Sherman"}


async def test_a_group_in_a_group(adele: GraphServiceClient) -> None:
    outer = await adele.groups.post(
        Group(display_name="All teams", mail_nickname="allteams", mail_enabled=False, security_enabled=True)
    )
    at = adele.groups.by_group_id(outer.id)
    await at.members.ref.post(ReferenceCreate(odata_id=f"{CLOUD}/groups/{SALES}"))
    assert [type(each) for each in (await at.members.get()).value] == [Group]
    assert [each.id for each in (await at.members.graph_group.get()).value] == [SALES]
    through = {each.display_name for each in (await at.transitive_members.graph_user.get()).value}
    assert {"Adele Vance", "Alex Wilber"} <= through


async def test_a_new_user_signs_in_and_speaks(
    server: Server, browser: Browser, admin: GraphServiceClient, adele: GraphServiceClient
) -> None:
    made = await admin.users.post(newcomer("Nora"))
    assert (made.display_name, made.user_principal_name) == ("Nora Newcomer", "Nora@contoso.onmicrosoft.com")
    with signed_in(server, browser, "Nora", oid=made.id) as credential:
        async with client(server, credential, DEFAULT) as nora:
            await nora.groups.by_group_id(SALES).conversations.post(conversation("A new voice", "Hello, all."))
    of = adele.groups.by_group_id(SALES).conversations
    [heard] = (await of.get(asking(of, filter="topic eq 'A new voice'"))).value
    assert heard.unique_senders == ["Nora Newcomer"]

    at = admin.users.by_user_id(made.id)
    assert await at.patch(User(job_title="Editor")) is None
    assert (await at.get()).job_title == "Editor"
    assert await at.delete() is None
    with pytest.raises(ODataError) as refused:
        await at.get()
    assert (refused.value.response_status_code, refused.value.error.code) == (404, "Request_ResourceNotFound")


async def test_everyone_page_by_page(server: Server, adele: GraphServiceClient) -> None:
    everyone = await everything(adele.users, top=4, select=["displayName"], orderby=["displayName"])
    names = [user.display_name for user in everyone]
    assert {each["name"] for each in server.facts["people"]} <= set(names)
    assert len(names) == len(set(names))
    assert names == sorted(names, key=str.casefold)  # as names are compared in filters: without regard to case


async def test_counting_people_takes_the_advanced_kind_of_query(adele: GraphServiceClient) -> None:
    count = adele.groups.by_group_id(SALES).members.count
    eventual = HeadersCollection()
    eventual.add("ConsistencyLevel", "eventual")
    assert await count.get(RequestConfiguration(headers=eventual)) == 6
    with pytest.raises(ODataError) as refused:
        await count.get()
    assert (refused.value.response_status_code, refused.value.error.code) == (400, "Request_BadRequest")
