"""The published Python SDK, unmodified, with subscriptions and a listener that answers for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from msgraph import GraphServiceClient
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.subscription import Subscription

from tests.clients.listener import Listener, listening
from tests.clients.sdk import SALES, conversation, reply
from tests.server import Server

pytestmark = pytest.mark.anyio


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as started:
        yield started


def asked(listener: Listener, path: str = "/hook?code=a%20b") -> Subscription:
    return Subscription(
        change_type="created,updated",
        notification_url=f"{listener.origin}{path}",
        lifecycle_notification_url=f"{listener.origin}/lifecycle",
        resource=f"groups/{SALES}/conversations",
        expiration_date_time=datetime.now(UTC) + timedelta(hours=2),
        client_state="secret",
    )


async def test_a_subscription_from_its_creation_to_its_end(adele: GraphServiceClient, listener: Listener) -> None:
    wanted = asked(listener)
    made = await adele.subscriptions.post(wanted)
    assert [each.path.partition("validationToken=")[0] for each in sorted(listener.asked)] == [
        "/hook?code=a%20b&",
        "/lifecycle?",
    ]
    assert {each.content_type for each in listener.asked} == {"text/plain; charset=utf-8"}
    assert made.expiration_date_time == wanted.expiration_date_time
    assert (made.resource, made.change_type, made.client_state) == (wanted.resource, "created,updated", "secret")
    assert (made.include_resource_data, made.latest_supported_tls_version) == (False, "v1_2")

    one = adele.subscriptions.by_subscription_id(made.id)
    assert (await one.get()).notification_url == wanted.notification_url
    [listed] = (await adele.subscriptions.get()).value
    assert (listed.id, listed.client_state, listed.creator_id) == (made.id, None, made.creator_id)

    later = datetime.now(UTC) + timedelta(days=2)
    renewed = await one.patch(Subscription(expiration_date_time=later))
    assert (renewed.id, renewed.expiration_date_time) == (made.id, later)
    await one.reauthorize.post()
    await one.delete()
    with pytest.raises(ODataError) as gone:
        await one.get()
    assert (gone.value.response_status_code, gone.value.error.code) == (404, "ResourceNotFound")
    assert len(listener.asked) == 2


async def test_a_listener_that_does_not_validate(adele: GraphServiceClient, server: Server, listener: Listener) -> None:
    with pytest.raises(ODataError) as refused:
        await adele.subscriptions.post(asked(listener, "/deaf"))
    assert (refused.value.response_status_code, refused.value.error.code) == (400, "ValidationError")
    assert "must respond with 200 OK to validation request" in refused.value.error.message
    assert refused.value.error.target == "notificationUrl"
    assert (await adele.subscriptions.get()).value == []


async def test_what_is_posted_is_told_in_order(adele: GraphServiceClient, listener: Listener) -> None:
    subscription = await adele.subscriptions.post(asked(listener))
    group = adele.groups.by_group_id(SALES)
    made = [await group.conversations.post(conversation(f"Told of {number}", "Hello.")) for number in range(5)]
    thread = group.threads.by_conversation_thread_id(made[0].threads[0].id)
    await thread.reply.post(reply("And once more."))

    told = await asyncio.to_thread(listener.wait_for, 6)
    ids = [each.id for each in (*made, made[0])]
    assert [each["resourceData"]["id"] for each in told] == ids
    assert [each["changeType"] for each in told] == [*["created"] * 5, "updated"]
    assert [each["resource"] for each in told] == [f"groups('{SALES}')/conversations('{id}')" for id in ids]
    assert {(each["subscriptionId"], each["clientState"]) for each in told} == {(subscription.id, "secret")}
    assert len({each["id"] for each in told}) == 6

    # What happens between two subscriptions is told to neither.
    await adele.subscriptions.by_subscription_id(subscription.id).delete()
    await group.conversations.post(conversation("Told to nobody", "Hello."))
    another = await adele.subscriptions.post(asked(listener))
    last = await group.conversations.post(conversation("Told to another", "Hello."))
    *_, seventh = await asyncio.to_thread(listener.wait_for, 7)
    assert (seventh["subscriptionId"], seventh["resourceData"]["id"]) == (another.id, last.id)
    await adele.subscriptions.by_subscription_id(another.id).delete()
