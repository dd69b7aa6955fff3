"""The published Python SDK, aimed at a server of ours by what it offers for that, and the bodies that tests send."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from azure.core.credentials import AccessToken, TokenCredential
from azure.identity import AuthorizationCodeCredential
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.groups.item.threads.item.reply.reply_post_request_body import ReplyPostRequestBody
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.conversation import Conversation
from msgraph.generated.models.conversation_thread import ConversationThread
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.post import Post
from msgraph.generated.models.recipient import Recipient
from msgraph.graph_request_adapter import options
from msgraph_core import GraphClientFactory  # type: ignore[import-untyped]
from msgraph_core.tasks.page_iterator import PageIterator  # type: ignore[import-untyped]

from folkmoot.auth.keys import SigningKey
from folkmoot.auth.minting import mint
from folkmoot.model import Application, SignIn
from tests.clients.browser import Browser
from tests.server import Server

DEFAULT = "https://graph.microsoft.com/.default"

# The seeded groups that tests talk in.
SALES = "29981b6a-0e57-42dc-94c9-cd24f5306196"
HR = "02bd9fd6-8f93-4758-87c3-1fb73740a315"


def person(server: Server, nick: str) -> dict[str, Any]:
    """What the facts say of a seeded person."""
    found: dict[str, Any] = next(each for each in server.facts["people"] if each["upn"].startswith(f"{nick}@"))
    return found


@asynccontextmanager
async def client(
    server: Server, credential: TokenCredential, *scopes: str, base: str = ""
) -> AsyncIterator[GraphServiceClient]:
    """The SDK as its constructor makes it, but on connections that are closed in the end: it cannot close its own."""
    async with httpx.AsyncHTTPTransport(http2=True) as wire:
        http = GraphClientFactory.create_with_default_middleware(
            client=httpx.AsyncClient(transport=wire, timeout=30), options=options
        )
        provider = AzureIdentityAuthenticationProvider(credential, scopes=list(scopes), allowed_hosts=["localhost"])
        adapter = GraphRequestAdapter(provider, client=http)
        adapter.base_url = f"{base or server.https}/v1.0"
        yield GraphServiceClient(request_adapter=adapter)


@contextmanager
def signed_in(
    server: Server, browser: Browser, nick: str, *permissions: str, oid: str = ""
) -> Iterator[AuthorizationCodeCredential]:
    """The credential of a person who signed in by the server's pages: a seeded one, or the one with `oid`."""
    tenant, back = server.facts["tenant"], "http://localhost:5000/back"
    application = server.facts["applications"]["publicClient"]["clientId"]
    asked = {
        "client_id": application,
        "response_type": "code",
        "redirect_uri": back,
        "scope": " ".join(permissions or (DEFAULT,)) + " offline_access",
        "login_hint": f"{nick}@{tenant['domain']}",
    }
    page = f"{tenant['authority']}/oauth2/v2.0/authorize?{urlencode(asked)}"
    code = browser.code(page, oid or person(server, nick)["id"])
    with AuthorizationCodeCredential(
        tenant["id"], application, code, back, authority=server.https, disable_instance_discovery=True
    ) as credential:
        yield credential


class Fixed:
    """A credential that has one token and counts how often it is asked for it."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.asked = 0

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.asked += 1
        return AccessToken(self.token, int(time.time()) + 3600)


def minted(server: Server, someone: Mapping[str, Any], *permissions: str, now: float | None = None) -> str:
    """A person's token as `folkmoot token` makes it, without starting a process for it."""
    known = server.facts["applications"]["publicClient"]
    return mint(
        _key(Path(server.options[1]) / "issuer-key.pem"),
        base=server.https,
        tenant_id=server.facts["tenant"]["id"],
        application=Application(
            id=known["clientId"],
            name=known["name"],
            principal=known["principalId"],
            secret_hash=None,
            roles=(),
            scopes=(),
            profile="strict",
        ),
        person=SignIn(oid=someone["id"], upn=someone["upn"], name=someone["name"], mail=someone["mail"]),
        permissions=permissions,
        lifetime=3600,
        now=time.time() if now is None else now,
    )


@cache
def _key(file: Path) -> SigningKey:
    return SigningKey.load_or_create(file)


def asking(builder: Any, **parameters: Any) -> RequestConfiguration[Any]:
    """Query parameters for `builder.get`; each builder has a class of its own for them, named after itself."""
    kind = getattr(builder, f"{type(builder).__name__}GetQueryParameters")
    return RequestConfiguration(query_parameters=kind(**parameters))


async def everything(builder: Any, **parameters: Any) -> list[Any]:
    """All items of a collection, by the SDK's own iterator over pages."""
    found: list[Any] = []

    def keep(item: Any) -> bool:
        found.append(item)
        return True

    pages = PageIterator(await builder.get(asking(builder, **parameters)), builder.request_adapter)
    await pages.iterate(keep)
    return found


def recipient(someone: dict[str, Any]) -> Recipient:
    """A person of the facts as a recipient."""
    return Recipient(email_address=EmailAddress(name=someone["name"], address=someone["mail"]))


def text(content: str) -> Post:
    """A post of plain text."""
    return Post(body=ItemBody(content_type=BodyType.Text, content=content))


def thread(content: str, topic: str | None = None) -> ConversationThread:
    """A thread that begins with a post of plain text."""
    return ConversationThread(topic=topic, posts=[text(content)])


def conversation(topic: str, content: str) -> Conversation:
    """A conversation that begins with a post of plain text."""
    return Conversation(topic=topic, threads=[thread(content)])


def reply(content: str) -> ReplyPostRequestBody:
    """A reply of plain text, to a thread or to a post."""
    return ReplyPostRequestBody(post=text(content))
