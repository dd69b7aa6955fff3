"""What the published Python SDK makes of a refusal: a typed error that says which, why and where to look it up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.headers_collection import HeadersCollection
from msgraph import GraphServiceClient
from msgraph.generated.groups.item.threads.item.posts.item.forward.forward_post_request_body import (
    ForwardPostRequestBody,
)
from msgraph.generated.groups.item.threads.item.reply.reply_post_request_body import ReplyPostRequestBody
from msgraph.generated.models.conversation import Conversation
from msgraph.generated.models.group import Group
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.user import User

from tests.clients.browser import Browser
from tests.clients.sdk import (
    DEFAULT,
    HR,
    SALES,
    Fixed,
    asking,
    client,
    conversation,
    minted,
    person,
    recipient,
    reply,
    signed_in,
    text,
)
from tests.server import Server

pytestmark = pytest.mark.anyio

NOBODY = "00000000-0000-4000-8000-000000000000"


def is_refused(refused: pytest.ExceptionInfo[Any], status: int, code: str) -> None:
    """Whether the error is whole, as well as the right one."""
    error = refused.value
    assert (error.response_status_code, error.error.code) == (status, code), error
    assert error.error.message
    assert error.error.inner_error.request_id == error.response_headers["request-id"]
    assert error.error.inner_error.client_request_id == error.response_headers["client-request-id"]
    assert error.error.inner_error.date is not None


@pytest.fixture(scope="module")
async def daemon(server: Server, trust: None) -> AsyncIterator[GraphServiceClient]:
    """A program that acts for the organisation, with its own secret."""
    known = server.facts["applications"]["daemon"]
    with ClientSecretCredential(
        server.facts["tenant"]["domain"],
        known["clientId"],
        known["secret"],
        authority=server.https,
        disable_instance_discovery=True,
    ) as credential:
        async with client(server, credential, DEFAULT) as graph:
            yield graph


# ── 401 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("token", ["", "not.a.token", "nonsense"])
async def test_without_a_good_token(server: Server, token: str) -> None:
    credential = Fixed(token)
    async with client(server, credential, DEFAULT) as graph:
        with pytest.raises(ODataError) as refused:
            await graph.me.get()
    is_refused(refused, 401, "InvalidAuthenticationToken")
    assert refused.value.response_headers["www-authenticate"].startswith("Bearer ")
    assert credential.asked == 1  # a second try could not do better


async def test_an_expired_token(server: Server) -> None:
    async with client(server, Fixed(minted(server, person(server, "AdeleV"), "User.Read", now=0)), DEFAULT) as graph:
        with pytest.raises(ODataError) as refused:
            await graph.me.get()
    is_refused(refused, 401, "InvalidAuthenticationToken")


async def test_a_forged_token(server: Server) -> None:
    head, claims, signature = minted(server, person(server, "AdeleV"), "User.Read").split(".")
    async with client(server, Fixed(f"{head}.{claims}.{signature[::-1]}"), DEFAULT) as graph:
        with pytest.raises(ODataError) as refused:
            await graph.me.get()
    is_refused(refused, 401, "InvalidAuthenticationToken")


async def test_a_daemon_with_a_wrong_secret_gets_no_token(server: Server) -> None:
    known = server.facts["applications"]["daemon"]
    with ClientSecretCredential(
        server.facts["tenant"]["id"],
        known["clientId"],
        "wrong",
        authority=server.https,
        disable_instance_discovery=True,
    ) as credential:
        async with client(server, credential, DEFAULT) as graph:
            with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
                await graph.users.get()


# ── 403 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_daemon_starts_no_conversation(daemon: GraphServiceClient, adele: GraphServiceClient) -> None:
    group = daemon.groups.by_group_id(SALES)
    with pytest.raises(ODataError) as refused:
        await group.conversations.post(conversation("From a machine", "Not in the cloud."))
    is_refused(refused, 403, "ErrorAccessDenied")

    made = await adele.groups.by_group_id(SALES).conversations.post(conversation("With a machine", "Hello?"))
    at = group.threads.by_conversation_thread_id(made.threads[0].id)
    with pytest.raises(ODataError) as refused:
        await at.reply.post(reply("Not in the cloud either."))
    is_refused(refused, 403, "ErrorAccessDenied")
    # It may read, and reply to a post: so the reference says.
    [post] = (await at.posts.get()).value
    await at.posts.by_post_id(post.id).reply.post(reply("This is allowed."))
    answer = (await at.posts.get()).value[1]
    assert answer.sender.email_address.name == "Sales and Marketing"


async def test_a_private_group_is_closed_to_others(alex: GraphServiceClient) -> None:
    group = alex.groups.by_group_id(HR)
    with pytest.raises(ODataError) as refused:
        await group.conversations.get()
    is_refused(refused, 403, "ErrorAccessDenied")
    with pytest.raises(ODataError) as refused:
        await group.conversations.post(conversation("Let me in", "Please."))
    is_refused(refused, 403, "ErrorAccessDenied")
    with pytest.raises(ODataError) as refused:
        await group.get()
    is_refused(refused, 404, "Request_ResourceNotFound")
    assert HR not in {each.id for each in (await alex.groups.get()).value}


async def test_a_token_without_the_permission(server: Server, browser: Browser) -> None:
    with signed_in(server, browser, "AdeleV", "User.Read") as credential:
        async with client(server, credential, "User.Read") as graph:
            assert (await graph.me.get()).display_name == "Adele Vance"
            with pytest.raises(ODataError) as refused:
                await graph.groups.by_group_id(SALES).threads.get()
            is_refused(refused, 403, "ErrorAccessDenied")
            with pytest.raises(ODataError) as refused:
                await graph.groups.get()
            is_refused(refused, 403, "Authorization_RequestDenied")


async def test_what_only_owners_and_administrators_may(alex: GraphServiceClient) -> None:
    with pytest.raises(ODataError) as refused:
        await alex.groups.by_group_id(SALES).patch(Group(description="Mine now."))
    is_refused(refused, 403, "Authorization_RequestDenied")
    with pytest.raises(ODataError) as refused:
        await alex.users.post(User(display_name="Made up"))
    is_refused(refused, 403, "Authorization_RequestDenied")


async def test_nobody_speaks_as_somebody_else(server: Server, alex: GraphServiceClient) -> None:
    at = alex.groups.by_group_id(SALES)
    made = await at.conversations.post(conversation("Who said that?", "I did."))
    forged = text("I resign.")
    forged.from_ = recipient(person(server, "MeganB"))
    with pytest.raises(ODataError) as refused:
        await at.threads.by_conversation_thread_id(made.threads[0].id).reply.post(ReplyPostRequestBody(post=forged))
    is_refused(refused, 403, "ErrorSendAsDenied")


# ── 404 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_not_there(adele: GraphServiceClient) -> None:
    for unknown in (
        adele.groups.by_group_id(NOBODY),
        adele.users.by_user_id(NOBODY),
        adele.users.by_user_id("nobody@contoso.onmicrosoft.com"),
        adele.groups.by_group_id(NOBODY).conversations,
    ):
        with pytest.raises(ODataError) as refused:
            await unknown.get()
        is_refused(refused, 404, "Request_ResourceNotFound")


async def test_what_is_no_longer_there(adele: GraphServiceClient) -> None:
    group = adele.groups.by_group_id(SALES)
    made = await group.conversations.post(conversation("Soon gone", "Read quickly."))
    at = group.threads.by_conversation_thread_id(made.threads[0].id)
    [post] = (await at.posts.get()).value
    await group.conversations.by_conversation_id(made.id).delete()
    for gone in (group.conversations.by_conversation_id(made.id), at, at.posts, at.posts.by_post_id(post.id)):
        with pytest.raises(ODataError) as refused:
            await gone.get()
        is_refused(refused, 404, "ErrorItemNotFound")
    with pytest.raises(ODataError) as refused:
        await at.reply.post(reply("Is anybody there?"))
    is_refused(refused, 404, "ErrorItemNotFound")


# ── 400 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_ids_that_are_none(adele: GraphServiceClient) -> None:
    group = adele.groups.by_group_id(SALES)
    for malformed in (
        group.conversations.by_conversation_id("no-such-id"),
        group.threads.by_conversation_thread_id("AAQkADI5=="),
        group.threads.by_conversation_thread_id("AAQk/with a slash"),
    ):
        with pytest.raises(ODataError) as refused:
            await malformed.get()
        is_refused(refused, 400, "ErrorInvalidIdMalformed")


async def test_an_id_of_another_kind_or_another_group(adele: GraphServiceClient) -> None:
    group = adele.groups.by_group_id(SALES)
    made = await group.conversations.post(conversation("One of a kind", "An id is of one kind."))
    other = await adele.groups.post(
        Group(
            display_name="Elsewhere",
            mail_nickname="elsewhere",
            mail_enabled=True,
            security_enabled=False,
            group_types=["Unified"],
        )
    )
    for foreign in (
        group.threads.by_conversation_thread_id(made.id),
        adele.groups.by_group_id(other.id).conversations.by_conversation_id(made.id),
    ):
        with pytest.raises(ODataError) as refused:
            await foreign.get()
        assert refused.value.error.code in ("ErrorInvalidIdMalformed", "ErrorItemNotFound")


async def test_bodies_and_options_that_make_no_sense(adele: GraphServiceClient) -> None:
    group = adele.groups.by_group_id(SALES)
    of = group.conversations
    with pytest.raises(ODataError) as refused:
        await of.post(Conversation(topic="Without a thread"))
    is_refused(refused, 400, "BadRequest")
    assert "threads" in refused.value.error.message

    made = await of.post(conversation("Forwarding to nobody", "Stays here."))
    posts = group.threads.by_conversation_thread_id(made.threads[0].id).posts
    [post] = (await posts.get()).value
    with pytest.raises(ODataError) as refused:
        await posts.by_post_id(post.id).forward.post(ForwardPostRequestBody(comment="To whom?", to_recipients=[]))
    is_refused(refused, 400, "BadRequest")

    for wrong, code in (
        ({"filter": "topic eq"}, "ErrorInvalidUrlQueryFilter"),
        ({"filter": "colour eq 'red'"}, "ErrorInvalidUrlQueryFilter"),
        ({"orderby": ["colour"]}, "ErrorInvalidUrlQuery"),
        ({"top": -1}, "ErrorInvalidUrlQuery"),
        ({"expand": ["colours"]}, "ExpandNotSupported"),
    ):
        with pytest.raises(ODataError) as refused:
            await of.get(asking(of, **wrong))
        is_refused(refused, 400, code)


async def test_the_clients_own_request_id_comes_back(adele: GraphServiceClient) -> None:
    headers = HeadersCollection()
    headers.add("client-request-id", "5c7c7c0e-2e0a-4a53-9d0e-0d1b5f6f7a10")
    with pytest.raises(ODataError) as refused:
        await adele.groups.by_group_id(NOBODY).get(RequestConfiguration(headers=headers))
    is_refused(refused, 404, "Request_ResourceNotFound")
    inner = refused.value.error.inner_error
    assert inner.client_request_id == "5c7c7c0e-2e0a-4a53-9d0e-0d1b5f6f7a10"
    assert inner.request_id != inner.client_request_id
