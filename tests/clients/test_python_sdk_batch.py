"""The published Python core library's batches, unmodified: `depends_on`, whole URLs, lower-case headers and all.

Its batch module imports the package `deprecated` without asking for it.
"""

from __future__ import annotations

from typing import Any

import pytest
from kiota_abstractions.request_information import RequestInformation
from msgraph import GraphServiceClient
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph_core.requests.batch_request_builder import BatchRequestBuilder  # type: ignore[import-untyped]
from msgraph_core.requests.batch_request_content import BatchRequestContent  # type: ignore[import-untyped]
from msgraph_core.requests.batch_request_item import BatchRequestItem  # type: ignore[import-untyped]

from tests.clients.sdk import SALES, asking, conversation, reply
from tests.server import Server

pytestmark = pytest.mark.anyio


async def sent(graph: GraphServiceClient, content: BatchRequestContent) -> Any:
    """The library's own answer to a batch."""
    adapter = graph.request_adapter
    return await BatchRequestBuilder(adapter, {"XXX": ODataError}).post(content)


def item(graph: GraphServiceClient, information: RequestInformation, **more: Any) -> BatchRequestItem:
    """A request of the SDK as an item of a batch."""
    information.path_parameters["baseurl"] = graph.request_adapter.base_url
    return BatchRequestItem(information, **more)


async def test_independent_reads(server: Server, adele: GraphServiceClient) -> None:
    conversations = adele.groups.by_group_id(SALES).conversations
    content = BatchRequestContent()
    me = item(adele, adele.me.to_get_request_information(), id="me")
    content.add_request("me", me)
    topics = conversations.to_get_request_information(asking(conversations, top=1, select=["topic"]))
    content.add_request("list", item(adele, topics, id="list"))
    lost = conversations.by_conversation_id("x").to_get_request_information()
    content.add_request("lost", item(adele, lost, id="lost"))
    assert me.url == f"{server.https}/v1.0/me"
    answer = await sent(adele, content)
    assert answer.get_response_status_codes() == {"me": 200, "list": 200, "lost": 400}
    for name in ("me", "list", "lost"):
        assert answer.get_response_by_id(name).content_type.startswith("application/json")


async def test_one_after_the_other(adele: GraphServiceClient) -> None:
    group = adele.groups.by_group_id(SALES)
    made = await group.conversations.post(conversation("In a batch", "To begin with."))
    at = group.threads.by_conversation_thread_id(made.threads[0].id)
    content, before = BatchRequestContent(), None
    for number in range(5):
        information = at.reply.to_post_request_information(reply(f"post {number}"))
        before = item(adele, information, id=str(number), depends_on=[before] if before else [])
        content.add_request(before.id, before)
    answer = await sent(adele, content)
    assert answer.get_response_status_codes() == {str(number): 202 for number in range(5)}
    said = [post.body.content for post in (await at.posts.get()).value]
    assert said == ["To begin with.", *(f"post {number}" for number in range(5))]


async def test_what_depends_on_a_failure(adele: GraphServiceClient) -> None:
    group = adele.groups.by_group_id(SALES)
    lost = item(adele, group.threads.by_conversation_thread_id("x").to_delete_request_information(), id="lost")
    after = group.conversations.to_post_request_information(conversation("Never", "Not to be seen"))
    content = BatchRequestContent()
    content.add_request("lost", lost)
    content.add_request("after", item(adele, after, id="after", depends_on=["lost"]))
    answer = await sent(adele, content)
    assert answer.get_response_status_codes() == {"lost": 400, "after": 424}


async def test_twenty_are_as_many_as_there_may_be(adele: GraphServiceClient) -> None:
    content = BatchRequestContent()
    for number in range(20):
        content.add_request_information(adele.me.to_get_request_information(), str(number))
    answer = await sent(adele, content)
    assert set(answer.get_response_status_codes().values()) == {200}
    content._requests["one more"] = item(adele, adele.me.to_get_request_information(), id="one more")
    with pytest.raises(ODataError) as refused:
        await sent(adele, content)
    assert refused.value.error.code == "BadRequest"
    assert refused.value.error.target == "requests"
