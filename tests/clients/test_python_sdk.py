"""The published Python SDK, unmodified, in conversation."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
from msgraph import GraphServiceClient
from msgraph.generated.groups.item.threads.item.posts.item.forward.forward_post_request_body import (
    ForwardPostRequestBody,
)
from msgraph.generated.groups.item.threads.item.reply.reply_post_request_body import ReplyPostRequestBody
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.conversation import Conversation
from msgraph.generated.models.conversation_thread import ConversationThread
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.post import Post

from tests.clients.sdk import SALES, asking, conversation, everything, person, recipient, reply, thread
from tests.server import Server

pytestmark = pytest.mark.anyio

ROADS = ["conversations", "threads"]


async def started(graph: GraphServiceClient, topic: str, content: str = "To begin with.") -> tuple[str, str]:
    """The ids of a new conversation and its thread."""
    made = await graph.groups.by_group_id(SALES).conversations.post(conversation(topic, content))
    return made.id, made.threads[0].id


def road(graph: GraphServiceClient, by: str, ids: tuple[str, str]) -> Any:
    """The thread by either road: through its conversation, or straight from the group."""
    group = graph.groups.by_group_id(SALES)
    if by == "conversations":
        group = group.conversations.by_conversation_id(ids[0])
    return group.threads.by_conversation_thread_id(ids[1])


async def said(at: Any) -> list[str]:
    """What the posts of a thread say, in order."""
    return [post.body.content for post in (await at.posts.get()).value]


# ── starting, and reading what was started ───────────────────────────────────────────────────────────────────────────


async def test_a_conversation_is_started_as_the_reference_shows(server: Server, adele: GraphServiceClient) -> None:
    alex = person(server, "AlexW")
    made = await adele.groups.by_group_id(SALES).conversations.post(
        Conversation(
            topic="New product launch",
            threads=[
                ConversationThread(
                    posts=[
                        Post(
                            body=ItemBody(content_type=BodyType.Html, content="<p>Shall we meet on <b>Friday</b>?</p>"),
                            new_participants=[recipient(alex)],
                        )
                    ]
                )
            ],
        )
    )
    here = f"{server.https}/v1.0/$metadata#groups('{SALES}')/conversations"
    assert made.additional_data["@odata.context"] == f"{here}/$entity"
    assert made.additional_data["threads@odata.context"] == f"{here}('{made.id.replace('=', '%3D')}')/threads"
    [begun] = made.threads
    assert (made.topic, begun.topic) == (None, None)  # the ids and no more

    group = adele.groups.by_group_id(SALES)
    kept = await group.conversations.by_conversation_id(made.id).get()
    assert (kept.id, kept.topic) == (made.id, "New product launch")
    assert (kept.preview, kept.unique_senders) == ("Shall we meet on Friday?", ["Adele Vance"])
    assert kept.has_attachments is False
    assert dt.datetime.now(dt.UTC) - kept.last_delivered_date_time < dt.timedelta(minutes=1)

    at = group.threads.by_conversation_thread_id(begun.id)
    addressed = await at.get(asking(at, select=["toRecipients", "ccRecipients", "isLocked"]))
    assert [each.email_address.address for each in addressed.to_recipients] == [
        "SalesAndMarketing@contoso.onmicrosoft.com",
        alex["mail"],
    ]
    assert (addressed.cc_recipients, addressed.is_locked) == ([], False)

    [post] = (await at.posts.get()).value
    assert post.body.content_type is BodyType.Html
    assert post.body.content == "<p>Shall we meet on <b>Friday</b>?</p>"
    assert [each.email_address.name for each in post.new_participants] == ["Alex Wilber"]
    assert post.sender.email_address.address == post.from_.email_address.address == "AdeleV@contoso.onmicrosoft.com"
    assert (post.conversation_id, post.conversation_thread_id) == (made.id, begun.id)
    assert post.received_date_time == kept.last_delivered_date_time


async def test_a_thread_can_begin_a_conversation_or_join_one(adele: GraphServiceClient) -> None:
    group = adele.groups.by_group_id(SALES)
    first = await group.threads.post(thread("Begun as a thread.", "Thread by thread"))
    assert (first.topic, first.preview) == ("Thread by thread", "Begun as a thread.")
    found = group.conversations
    [parent] = (await found.get(asking(found, filter="topic eq 'Thread by thread'"))).value
    second = await found.by_conversation_id(parent.id).threads.post(thread("A second thread."))
    listed = (await found.by_conversation_id(parent.id).threads.get()).value
    assert [each.id for each in listed] == [first.id, second.id]
    assert [each.topic for each in listed] == ["Thread by thread"] * 2


async def test_both_roads_lead_to_the_same_posts(adele: GraphServiceClient) -> None:
    ids = await started(adele, "Two roads")
    seen = []
    for by in ROADS:
        posts = road(adele, by, ids).posts
        [listed] = (await posts.get()).value
        for post in (listed, await posts.by_post_id(listed.id).get()):
            seen.append((post.id, post.change_key, post.body.content, post.conversation_id, post.received_date_time))
    assert len(seen) == 4
    assert len(set(seen)) == 1
    parent = adele.groups.by_group_id(SALES).conversations.by_conversation_id(ids[0])
    assert [each.id for each in (await parent.threads.get()).value] == [ids[1]]


# ── answering ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("by", ROADS)
async def test_a_thread_is_replied_to(adele: GraphServiceClient, alex: GraphServiceClient, by: str) -> None:
    ids = await started(adele, f"Replies by {by}", "A question.")
    at = road(alex, by, ids)
    assert await at.reply.post(reply("An answer.")) is None
    assert await said(at) == ["A question.", "An answer."]
    heard = await adele.groups.by_group_id(SALES).conversations.by_conversation_id(ids[0]).get()
    assert (heard.preview, heard.unique_senders) == ("An answer.", ["Adele Vance", "Alex Wilber"])


@pytest.mark.parametrize("by", ROADS)
async def test_a_post_is_replied_to(adele: GraphServiceClient, alex: GraphServiceClient, by: str) -> None:
    at = road(alex, by, await started(adele, f"Replies to posts by {by}", "First."))
    await at.reply.post(reply("Second."))
    first, second = (await at.posts.get()).value
    assert await at.posts.by_post_id(first.id).reply.post(reply("To the first.")) is None
    answer = (await at.posts.get()).value[2]
    assert (await at.posts.by_post_id(answer.id).in_reply_to.get()).id == first.id
    expanded = (await at.posts.get(asking(at.posts, expand=["inReplyTo"]))).value
    answered = [each.in_reply_to and each.in_reply_to.body.content for each in expanded]
    assert answered == [None, None, "First."]
    assert second.in_reply_to is None


async def test_html_in_a_reply_cannot_act_in_a_reader(adele: GraphServiceClient) -> None:
    at = road(adele, "threads", await started(adele, "Markup"))
    acting = "<p onclick='steal()'>Fine <i>words</i><script>steal()</script></p>"
    await at.reply.post(ReplyPostRequestBody(post=Post(body=ItemBody(content_type=BodyType.Html, content=acting))))
    assert (await said(at))[1] == "<p>Fine <i>words</i></p>"


@pytest.mark.parametrize("by", ROADS)
async def test_a_post_is_forwarded(server: Server, adele: GraphServiceClient, by: str) -> None:
    at = road(adele, by, await started(adele, "Forwarding"))
    [post] = (await at.posts.get()).value
    onward = ForwardPostRequestBody(comment="For you.", to_recipients=[recipient(person(server, "LeeG"))])
    assert await at.posts.by_post_id(post.id).forward.post(onward) is None
    assert len((await at.posts.get()).value) == 1


@pytest.mark.parametrize("by", ROADS)
async def test_a_locked_thread_takes_no_replies(adele: GraphServiceClient, alex: GraphServiceClient, by: str) -> None:
    ids = await started(adele, "Locks")
    at = road(adele, by, ids)
    locked = await at.patch(ConversationThread(is_locked=True))
    assert (locked.id, locked.is_locked, locked.topic) == (ids[1], True, "Locks")
    with pytest.raises(ODataError) as refused:
        await road(alex, by, ids).reply.post(reply("Too late."))
    assert (refused.value.response_status_code, refused.value.error.code) == (403, "ErrorAccessDenied")
    assert "locked" in refused.value.error.message
    assert (await at.patch(ConversationThread(is_locked=False))).is_locked is False
    await road(alex, by, ids).reply.post(reply("In time."))
    assert await said(at) == ["To begin with.", "In time."]


async def test_deleting_the_last_thread_deletes_the_conversation(adele: GraphServiceClient) -> None:
    ids = await started(adele, "Short-lived")
    at = adele.groups.by_group_id(SALES).conversations.by_conversation_id(ids[0])
    second = await at.threads.post(thread("Another thread."))
    assert await at.threads.by_conversation_thread_id(ids[1]).delete() is None
    assert [each.id for each in (await at.threads.get()).value] == [second.id]
    await at.threads.by_conversation_thread_id(second.id).delete()
    with pytest.raises(ODataError) as refused:
        await at.get()
    assert (refused.value.response_status_code, refused.value.error.code) == (404, "ErrorItemNotFound")


async def test_deleting_a_conversation(adele: GraphServiceClient) -> None:
    ids = await started(adele, "Gone at once")
    assert await adele.groups.by_group_id(SALES).conversations.by_conversation_id(ids[0]).delete() is None
    with pytest.raises(ODataError) as refused:
        await road(adele, "threads", ids).posts.get()
    assert (refused.value.response_status_code, refused.value.error.code) == (404, "ErrorItemNotFound")


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_query_options(adele: GraphServiceClient, alex: GraphServiceClient) -> None:
    of = adele.groups.by_group_id(SALES).conversations
    ids = [await started(adele, f"It's asked: {word}") for word in ("one", "two", "three")]
    await road(alex, "threads", ids[0]).reply.post(reply("Now the newest."))
    mine = "startswith(topic,'It''s asked')"

    async def topics(**parameters: Any) -> list[str]:
        found = (await of.get(asking(of, **parameters))).value
        return [each.topic.removeprefix("It's asked: ") for each in found]

    assert await topics(filter=mine, orderby=["topic"]) == ["one", "three", "two"]
    assert await topics(filter=mine, orderby=["topic desc"], top=2) == ["two", "three"]
    assert await topics(filter=mine, orderby=["topic"], skip=1) == ["three", "two"]
    newest_first = await of.get(asking(of, filter=mine, orderby=["lastDeliveredDateTime desc"]))
    delivered = [each.last_delivered_date_time for each in newest_first.value]
    assert delivered == sorted(delivered, reverse=True)
    assert await topics(filter=f"{mine} and not(topic eq 'It''s asked: two')", orderby=["topic"]) == ["one", "three"]
    assert await topics(filter=f"{mine} and uniqueSenders/any(s:s eq 'Alex Wilber')") == ["one"]

    counted = await of.get(asking(of, filter=mine, count=True, top=1))
    assert (counted.odata_count, len(counted.value)) == (3, 1)
    assert await of.count.get(asking(of.count, filter=mine)) == 3
    [chosen] = (await of.get(asking(of, filter=f"{mine} and endswith(topic,'two')", select=["topic", "id"]))).value
    assert (chosen.id, chosen.topic, chosen.preview, chosen.unique_senders) == (
        ids[1][0],
        "It's asked: two",
        None,
        None,
    )


async def test_expanding(adele: GraphServiceClient) -> None:
    ids = await started(adele, "Unfolding", "The only post.")
    at = adele.groups.by_group_id(SALES).conversations.by_conversation_id(ids[0])
    unfolded = await at.get(asking(at, expand=["threads($expand=posts($select=id,body))"], select=["topic"]))
    [begun] = unfolded.threads
    [post] = begun.posts
    assert (unfolded.topic, begun.id, begun.topic) == ("Unfolding", ids[1], "Unfolding")
    assert (post.body.content, post.sender) == ("The only post.", None)
    assert (await at.get()).threads is None


async def test_paging_loses_nothing_and_repeats_nothing(adele: GraphServiceClient, alex: GraphServiceClient) -> None:
    ids = await started(adele, "A long thread", "0")
    at, alexs = road(adele, "threads", ids), road(alex, "threads", ids)
    at_once = asyncio.Semaphore(20)

    async def say(number: int) -> None:
        async with at_once:
            await (alexs if number % 2 else at).reply.post(reply(str(number)))

    await asyncio.gather(*(say(number) for number in range(1, 250)))

    whole = await everything(at.posts)
    assert sorted(int(post.body.content) for post in whole) == list(range(250))
    assert len({post.id for post in whole}) == 250
    by_time = [post.received_date_time for post in whole]
    assert by_time == sorted(by_time)

    small = await everything(at.posts, top=17, select=["id"])
    assert [post.id for post in small] == [post.id for post in whole]
    assert {post.body for post in small} == {None}  # the links keep $select

    backwards = await everything(
        at.posts, top=40, orderby=["receivedDateTime desc"], filter="from/emailAddress/name eq 'Alex Wilber'"
    )
    assert {int(post.body.content) for post in backwards} == set(range(1, 250, 2))
    assert len(backwards) == 125
    assert await at.posts.count.get() == 250


async def test_pages_hold_still_while_people_write(adele: GraphServiceClient, alex: GraphServiceClient) -> None:
    ids = [await started(adele, f"Before: {number}") for number in range(5)]
    of = adele.groups.by_group_id(SALES).conversations
    page = await of.get(asking(of, filter="startswith(topic,'Before')", top=2))
    seen = [each.id for each in page.value]
    while page.odata_next_link:
        await started(adele, "Before you reached the end")
        await road(alex, "threads", ids[len(seen) // 2]).reply.post(reply("A reply that makes it the newest."))
        page = await of.with_url(page.odata_next_link).get()
        seen += [each.id for each in page.value]
    assert seen == [conversation for conversation, _ in reversed(ids)]


async def test_talk_in_every_script_comes_back_as_it_was(adele: GraphServiceClient) -> None:
    words = 'Größe 東京 עברית 👩‍👩‍👧 "quoted" \\ back \t tab\r\nline\u2028 e\u0301'
    at = road(adele, "threads", await started(adele, words.replace("\r\n", " "), words))
    [post] = (await at.posts.get()).value
    assert post.body.content_type is BodyType.Text
    assert post.body.content == words
    assert (await at.get()).topic == words.replace("\r\n", " ")
