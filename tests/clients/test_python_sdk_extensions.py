"""The published Python SDK, unmodified: open extensions and extended properties of posts."""

from __future__ import annotations

import pytest
from msgraph import GraphServiceClient
from msgraph.generated.groups.item.threads.item.reply.reply_post_request_body import ReplyPostRequestBody
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.multi_value_legacy_extended_property import MultiValueLegacyExtendedProperty
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.open_type_extension import OpenTypeExtension
from msgraph.generated.models.post import Post
from msgraph.generated.models.single_value_legacy_extended_property import SingleValueLegacyExtendedProperty

from tests.clients.sdk import SALES, asking, conversation

pytestmark = pytest.mark.anyio

NAME = "Com.Contoso.Referral"
TYPE = "microsoft.graph.openTypeExtension"
SET = "{66f5a359-4659-4830-9070-00047ec6ac6e}"
COLOR, COLORS = f"String {SET} Name Color", f"StringArray {SET} Name Colors"


def extension(name: str = NAME, **data: object) -> OpenTypeExtension:
    """An extension with data as the SDK takes them."""
    return OpenTypeExtension(odata_type=f"#{TYPE}", extension_name=name, additional_data=data)


async def test_an_extension_lives(adele: GraphServiceClient) -> None:
    group = adele.groups.by_group_id(SALES)
    made = await group.conversations.post(conversation("With a referral", "Look."))
    thread = group.threads.by_conversation_thread_id(made.threads[0].id)
    [post] = (await thread.posts.get()).value
    at = thread.posts.by_post_id(post.id).extensions

    created = await at.post(extension(companyName="Wingtip Toys", dealValue=500050, tags=["a", "b"], open=True))
    assert isinstance(created, OpenTypeExtension)
    assert (created.id, created.extension_name) == (f"{TYPE}.{NAME}", NAME)
    assert created.additional_data["companyName"] == "Wingtip Toys"

    for id in (NAME, created.id, f"Microsoft.OutlookServices.OpenTypeExtension.{NAME}"):
        found = await at.by_extension_id(id).get()
        assert isinstance(found, OpenTypeExtension)
        assert found.additional_data["dealValue"] == 500050
        assert list(found.additional_data["tags"]) == ["a", "b"]
        assert found.additional_data["open"] is True

    # A program changes what it read and sends it back.
    found.additional_data = {"dealValue": 1.5, "tags": None}
    changed = await at.by_extension_id(NAME).patch(found)
    assert changed.additional_data["dealValue"] == 1.5
    assert changed.additional_data["companyName"] == "Wingtip Toys"
    assert "tags" not in changed.additional_data

    assert [each.id for each in (await at.get()).value] == [created.id]
    assert await at.count.get() == 1
    expand = f"extensions($filter=id eq '{NAME}')"
    shown = await thread.posts.by_post_id(post.id).get(asking(thread.posts.by_post_id(post.id), expand=[expand]))
    assert isinstance(shown.extensions[0], OpenTypeExtension)
    query = f"Extensions/any(f:f/id eq '{NAME}')"
    [listed] = (await thread.posts.get(asking(thread.posts, filter=query, expand=[expand]))).value
    assert (listed.id, listed.extensions[0].extension_name) == (post.id, NAME)

    await at.by_extension_id(NAME).delete()
    with pytest.raises(ODataError) as refused:
        await at.by_extension_id(NAME).get()
    assert refused.value.error.code == "ErrorItemNotFound"


async def test_a_reply_brings_all_of_it_along(adele: GraphServiceClient) -> None:
    group = adele.groups.by_group_id(SALES)
    made = await group.conversations.post(conversation("With properties", "Look."))
    thread = group.threads.by_conversation_thread_id(made.threads[0].id)
    post = Post(
        body=ItemBody(content_type=BodyType.Text, content="Green."),
        extensions=[extension(stage=2)],
        single_value_extended_properties=[SingleValueLegacyExtendedProperty(id=COLOR, value="Green")],
        multi_value_extended_properties=[MultiValueLegacyExtendedProperty(id=COLORS, value=["Green", "Red"])],
    )
    await thread.reply.post(ReplyPostRequestBody(post=post))
    expand = [
        "extensions",
        f"singleValueExtendedProperties($filter=id eq '{COLOR}')",
        f"multiValueExtendedProperties($filter=id eq '{COLORS}')",
    ]
    _, found = (await thread.posts.get(asking(thread.posts, expand=expand))).value
    assert found.extensions[0].additional_data["stage"] == 2
    assert [(each.id, each.value) for each in found.single_value_extended_properties] == [(COLOR, "Green")]
    assert [(each.id, each.value) for each in found.multi_value_extended_properties] == [(COLORS, ["Green", "Red"])]

    query = f"singleValueExtendedProperties/Any(ep: ep/id eq '{COLOR}' and ep/value eq 'green')"
    [by_value] = (await thread.posts.get(asking(thread.posts, filter=query))).value
    assert by_value.id == found.id
    assert by_value.single_value_extended_properties is None


async def test_by_way_of_what_was_answered(adele: GraphServiceClient) -> None:
    group = adele.groups.by_group_id(SALES)
    made = await group.conversations.post(conversation("Answered", "Look."))
    thread = group.threads.by_conversation_thread_id(made.threads[0].id)
    [first] = (await thread.posts.get()).value
    await thread.posts.by_post_id(first.id).reply.post(ReplyPostRequestBody(post=Post()))
    answer = (await thread.posts.get()).value[1]
    at = thread.posts.by_post_id(answer.id).in_reply_to.extensions
    await at.post(extension(stage=1))
    found = await thread.posts.by_post_id(first.id).extensions.by_extension_id(NAME).get()
    assert found.additional_data["stage"] == 1
