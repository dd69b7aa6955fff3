"""The published Python SDK, unmodified, with the lists of senders and what a person sets for a group."""

from __future__ import annotations

import pytest
from msgraph import GraphServiceClient
from msgraph.generated.models.group import Group
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.reference_create import ReferenceCreate
from msgraph.generated.models.user import User

from tests.clients.sdk import SALES, asking, person
from tests.server import Server

pytestmark = pytest.mark.anyio


async def test_rejected_senders(server: Server, adele: GraphServiceClient) -> None:
    patti = person(server, "PattiF")["id"]
    senders = adele.groups.by_group_id(SALES).rejected_senders
    url = f"https://graph.microsoft.com/v1.0/users/{patti}"
    await senders.ref.post(ReferenceCreate(odata_id=url))
    found = (await senders.get()).value
    assert [(type(each), each.id) for each in found] == [(User, patti)]
    assert (await senders.ref.get()).value == [f"{server.https}/v1.0/users/{patti}"]
    with pytest.raises(ODataError) as refused:
        await adele.groups.by_group_id(SALES).accepted_senders.ref.post(ReferenceCreate(odata_id=url))
    assert refused.value.response_status_code == 400
    await senders.by_directory_object_id(patti).ref.delete()
    assert (await senders.get()).value == []


async def test_what_one_sets_for_oneself(adele: GraphServiceClient) -> None:
    group = adele.groups.by_group_id(SALES)
    await group.add_favorite.post()
    await group.unsubscribe_by_mail.post()
    await group.reset_unseen_count.post()
    names = ["isFavorite", "isSubscribedByMail", "unseenCount", "unseenMessagesCount"]
    found = await group.get(asking(group, select=names))
    assert (found.is_favorite, found.is_subscribed_by_mail, found.unseen_count) == (True, False, 0)
    await group.remove_favorite.post()
    changed = await group.patch(Group(is_subscribed_by_mail=True))
    assert changed.id == SALES
    found = await group.get(asking(group, select=names))
    assert (found.is_favorite, found.is_subscribed_by_mail) == (False, True)
    await group.renew.post()
