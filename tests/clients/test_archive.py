"""Real input: five hundred messages of a mailing list, said again through the Python SDK and read back through it.

The addresses are real people's: whatever the server learns to mail, nothing of this may leave the machine.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from msgraph import GraphServiceClient
from msgraph.generated.groups.item.threads.item.reply.reply_post_request_body import ReplyPostRequestBody
from msgraph.generated.models.conversation import Conversation
from msgraph.generated.models.conversation_thread import ConversationThread
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.password_profile import PasswordProfile
from msgraph.generated.models.post import Post
from msgraph.generated.models.recipient import Recipient
from msgraph.generated.models.user import User

from tests.clients.pipermail import Message, read
from tests.clients.running import running
from tests.clients.sdk import SALES, Fixed, client, everything, minted, person, text
from tests.server import Server

# The corpus lies beside the repository, and is no part of it.
CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
ARCHIVE = CORPUS / "lists" / "twisted-python"

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not ARCHIVE.is_dir(), reason=f"the archive is not here: {ARCHIVE}"),
]

MONTHS = ("2013-January", "2005-May", "2006-June")
MESSAGES = 500
AT_ONCE = 16


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own: so many people would be in the way of the other tests."""
    with running(tmp_path_factory.mktemp("archive")) as started:
        yield started


def archived() -> list[Message]:
    """The first messages of some months, from years when people and programs wrote differently."""
    return [message for month in MONTHS for message in read(ARCHIVE / f"{month}.txt.gz")][:MESSAGES]


def as_conversations(messages: list[Message]) -> list[list[list[Message]]]:
    """Conversations of threads of messages. Whoever changed the subject began another thread."""
    expected = json.loads((CORPUS / "expected-threads.json").read_text())["lists/twisted-python"]
    conversation_of = {
        id: number for number, group in enumerate(expected["linking_through_missing_parents"]) for id in group
    }
    conversations: dict[int, dict[str, list[Message]]] = {}
    for message in messages:
        threads = conversations.setdefault(conversation_of[message.id], {})
        threads.setdefault(message.topic, []).append(message)
    return [list(threads.values()) for threads in conversations.values()]


def answered(thread: list[Message], place: int) -> int | None:
    """Which earlier message of the thread one of them answers."""
    earlier = {message.id: number for number, message in enumerate(thread[:place])}
    return next((earlier[id] for id in reversed(thread[place].answers) if id in earlier), None)


class Room:
    """The group, and everybody's own connection to it."""

    def __init__(self, people: dict[str, GraphServiceClient]) -> None:
        self.people = people
        self.at_once = asyncio.Semaphore(AT_ONCE)

    def seen_by(self, message: Message) -> Any:
        """The group as the sender of `message` sees it."""
        return self.people[message.address.lower()].groups.by_group_id(SALES)

    async def retell(self, threads: list[list[Message]]) -> str:
        """Hold a conversation again, each in their own name; its id."""
        async with self.at_once:
            first = threads[0][0]
            opened = Conversation(topic=first.subject, threads=[ConversationThread(posts=[said(first)])])
            conversation = await self.seen_by(first).conversations.post(opened)
            ids = [conversation.threads[0].id]
            for thread in threads[1:]:
                at = self.seen_by(thread[0]).conversations.by_conversation_id(conversation.id).threads
                begun = await at.post(ConversationThread(topic=thread[0].subject, posts=[said(thread[0])]))
                ids.append(begun.id)
            for thread, id in zip(threads, ids, strict=True):
                await self._answer(thread, id)
        return str(conversation.id)

    async def _answer(self, thread: list[Message], id: str) -> None:
        posts: list[str] = []
        for place, message in enumerate(thread[1:], start=1):
            at = self.seen_by(message).threads.by_conversation_thread_id(id)
            to = answered(thread, place)
            if to is None:
                await at.reply.post(ReplyPostRequestBody(post=said(message)))
                continue
            if to >= len(posts):  # a reply is answered without the new post's id; listing the thread on gives it
                posts += [post.id for post in await everything(at.posts, select=["id"], skip=len(posts))]
            await at.posts.by_post_id(posts[to]).reply.post(ReplyPostRequestBody(post=said(message)))


def said(message: Message) -> Post:
    """The message as a post, under the name that its sender used in it."""
    post = text(message.body)
    post.sender = post.from_ = Recipient(email_address=EmailAddress(name=message.name, address=message.address))
    return post


async def admit(admin: GraphServiceClient, number: int, message: Message) -> dict[str, Any]:
    """Make the sender of `message` a user of the organisation, with their own address."""
    made = await admin.users.post(
        User(
            account_enabled=True,
            display_name=message.name,
            mail_nickname=f"archive{number}",
            user_principal_name=f"archive{number}@contoso.onmicrosoft.com",
            mail=message.address,
            password_profile=PasswordProfile(password="a long enough passphrase"),
        )
    )
    return {"id": made.id, "upn": made.user_principal_name, "name": message.name, "mail": message.address}


async def test_an_archive_is_retold_and_read_back(server: Server, trust: None) -> None:
    messages = archived()
    assert len(messages) == MESSAGES
    conversations = as_conversations(messages)
    senders = {message.address.lower(): message for message in messages}

    async with AsyncExitStack() as connections:
        administrator = Fixed(minted(server, person(server, "admin"), "User.ReadWrite.All"))
        admin = await connections.enter_async_context(client(server, administrator, "User.ReadWrite.All"))
        admitted = await asyncio.gather(*(admit(admin, *each) for each in enumerate(senders.values())))
        people = {}
        for address, someone in zip(senders, admitted, strict=True):
            own = Fixed(minted(server, someone, "Group.ReadWrite.All"))
            people[address] = await connections.enter_async_context(client(server, own, "Group.ReadWrite.All"))
        room = Room(people)
        ids = await asyncio.gather(*(room.retell(threads) for threads in conversations))

        reader = room.seen_by(messages[0])
        for id, threads in zip(ids, conversations, strict=True):
            at = reader.conversations.by_conversation_id(id)
            assert (await at.get()).topic == threads[0][0].subject
            found = await everything(at.threads)
            assert [thread.topic for thread in found] == [thread[0].subject for thread in threads]
            for kept, thread in zip(found, threads, strict=True):
                posts = await everything(
                    reader.threads.by_conversation_thread_id(kept.id).posts, expand=["inReplyTo($select=id)"]
                )
                assert [post.body.content for post in posts] == [message.body for message in thread]
                assert [sender(post.sender) for post in posts] == [(each.name, each.address) for each in thread]
                assert [sender(post.from_) for post in posts] == [(each.name, each.address) for each in thread]
                place = {post.id: number for number, post in enumerate(posts)}
                answers = [post.in_reply_to and place[post.in_reply_to.id] for post in posts]
                assert answers == [answered(thread, number) for number in range(len(thread))]


def sender(recipient: Recipient) -> tuple[str, str]:
    return recipient.email_address.name, recipient.email_address.address
