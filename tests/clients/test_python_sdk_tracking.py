"""The published Python SDK, unmodified: delta, upsert, restore, and questions about directory objects."""

from __future__ import annotations

from typing import Any

import pytest
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.headers_collection import HeadersCollection
from msgraph import GraphServiceClient
from msgraph.generated.groups.get_by_ids.get_by_ids_post_request_body import GetByIdsPostRequestBody
from msgraph.generated.models.group import Group
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.user import User
from msgraph.generated.users.item.check_member_groups.check_member_groups_post_request_body import (
    CheckMemberGroupsPostRequestBody,
)
from msgraph.generated.users.item.get_member_groups.get_member_groups_post_request_body import (
    GetMemberGroupsPostRequestBody,
)

from tests.clients.sdk import SALES, asking, person
from tests.clients.test_python_sdk_directory import unified
from tests.server import Server

pytestmark = pytest.mark.anyio


async def followed(builder: Any, page: Any) -> tuple[list[Any], str]:
    """The items of a round of delta from `page` on, and its delta link."""
    found = list(page.value)
    while page.odata_next_link:
        page = await builder.with_url(page.odata_next_link).get()
        found += page.value
    return found, page.odata_delta_link


async def test_delta(adele: GraphServiceClient) -> None:
    delta = adele.groups.delta
    first, link = await followed(delta, await delta.get(asking(delta, select=["displayName", "members"])))
    sales = next(each for each in first if each.id == SALES)
    assert sales.display_name == "Sales and Marketing"
    assert {"@odata.type", "id"} == set(sales.additional_data["members@delta"][0])
    made = await adele.groups.post(unified("Tracked one"))
    second, link = await followed(delta, await delta.with_url(link).get())
    assert [(each.id, each.display_name) for each in second] == [(made.id, "Tracked one")]
    await adele.groups.by_group_id(made.id).delete()
    third, _ = await followed(delta, await delta.with_url(link).get())
    assert [each.additional_data["@removed"] for each in third] == [{"reason": "changed"}]


async def test_delta_of_users(adele: GraphServiceClient, server: Server) -> None:
    delta = adele.users.delta
    users, _ = await followed(delta, await delta.get())
    assert {each["id"] for each in server.facts["people"]} <= {each.id for each in users}


async def test_deleted_and_restored(adele: GraphServiceClient) -> None:
    made = await adele.groups.post(unified("Comes back"))
    at = adele.groups.by_group_id(made.id)
    await at.delete()
    with pytest.raises(ODataError) as refused:
        await at.get()
    assert refused.value.response_status_code == 404
    back = await at.restore.post()
    assert (type(back), back.id) == (Group, made.id)
    assert (await at.get()).display_name == "Comes back"


async def test_upsert(adele: GraphServiceClient) -> None:
    named = adele.groups_with_unique_name("sdk-upsert")
    headers = HeadersCollection()
    headers.add("Prefer", "create-if-missing")
    made = await named.patch(unified("Upserted"), RequestConfiguration(headers=headers))
    assert (made.display_name, made.unique_name) == ("Upserted", "sdk-upsert")
    assert await named.patch(Group(description="again"), RequestConfiguration(headers=headers)) is None
    found = await named.get()
    assert (found.id, found.description) == (made.id, "again")
    assert await named.delete() is None


async def test_by_ids(adele: GraphServiceClient, server: Server) -> None:
    alex = person(server, "AlexW")["id"]
    found = await adele.groups.get_by_ids.post(GetByIdsPostRequestBody(ids=[SALES, alex], types=["group", "user"]))
    assert {(type(each), each.id) for each in found.value} == {(Group, SALES), (User, alex)}


async def test_membership_by_item_and_question(adele: GraphServiceClient) -> None:
    one = adele.me.member_of.by_directory_object_id(SALES)
    assert type(await one.get()) is Group
    assert (await one.graph_group.get()).display_name == "Sales and Marketing"
    assert (await adele.me.member_of.graph_directory_role.get()).value == []
    asked = CheckMemberGroupsPostRequestBody(group_ids=[SALES, "00000000-0000-0000-0000-000000000000"])
    assert (await adele.me.check_member_groups.post(asked)).value == [SALES]
    everywhere = GetMemberGroupsPostRequestBody(security_enabled_only=False)
    assert SALES in (await adele.me.get_member_groups.post(everywhere)).value
    assert (await adele.groups.by_group_id(SALES).members.ref.get()).value
