"""Every generated method of the Python SDK for what is said in groups, and for subscriptions, called, and the list of
them in the manual.

The list is `docs/manual/sdk.md`. When this says that it is out of date: FOLKMOOT_WRITE=1 with this test writes it.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphServiceClient
from msgraph.generated.groups.item.threads.item.posts.item.attachments.create_upload_session import (
    create_upload_session_post_request_body as upload,
)
from msgraph.generated.groups.item.threads.item.posts.item.forward.forward_post_request_body import (
    ForwardPostRequestBody,
)
from msgraph.generated.groups.item.validate_properties.validate_properties_post_request_body import (
    ValidatePropertiesPostRequestBody,
)
from msgraph.generated.models.attachment_item import AttachmentItem
from msgraph.generated.models.attachment_type import AttachmentType
from msgraph.generated.models.conversation_thread import ConversationThread
from msgraph.generated.models.file_attachment import FileAttachment
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.open_type_extension import OpenTypeExtension
from msgraph.generated.models.reference_create import ReferenceCreate
from msgraph.generated.models.subscription import Subscription

from folkmoot.graph.resolve import resolve
from folkmoot.graph.surface import BY_ADDRESS
from folkmoot.odata.path import parse_path
from folkmoot.refusals import UnknownSegment
from tests.clients.generated import Method, every
from tests.clients.listener import Listener, listening
from tests.clients.sdk import SALES, conversation, person, recipient, reply, thread
from tests.server import Server

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[2] / "docs" / "manual" / "sdk.md"
# What is served and still refuses the sensible request that is made here, by address: the status, and why.
REFUSED: dict[str, tuple[int, str]] = {}
# Persons who are put on a list and taken off it; nobody may be on both.
SENDER = {"accepted_senders": "LeeG", "rejected_senders": "JoniS"}


def expected(method: Method) -> int:
    """The status that the surface promises a strict application: 200 stands for any success."""
    try:
        found = resolve(parse_path(re.sub(r"\{[^}]*\}", "x", method.path)))
    except UnknownSegment:
        return 400
    row = BY_ADDRESS[found.address].get(method.name.upper())
    if row is None or row.only_extended:
        return 405
    return REFUSED.get(f"{row.method} {row.address}", (200, ""))[0]


class Caller:
    """Adele, who makes what a method needs to be there, and calls it."""

    def __init__(self, server: Server, client: GraphServiceClient, listener: Listener) -> None:
        self._server = server
        self._listener = listener
        self._client = client
        self._keys: dict[str, str] = {}
        self._count = 0
        self.statuses: list[int] = []

    async def call(self, method: Method) -> int:
        """The status that the method is answered with."""
        await self._something_said()
        keys = dict(self._keys)
        for place, step in enumerate(method.steps):
            if step.key and step.key not in keys:
                above = Method(method.steps[:place], "get", "")
                keys[step.key] = await self._one_of(above.builder(self._client, keys.__getitem__), step.key, method)
        if "ref" in method.spelt.split("."):
            await self._prepare_reference(method, keys)
        builder = method.builder(self._client, keys.__getitem__)
        self.statuses.clear()
        refusal: Any = None
        try:
            await getattr(builder, method.name)(*self._arguments(method, builder))
        except ODataError as error:
            refusal = error
        [status] = self.statuses
        assert (refusal is None) is (200 <= status < 300), method.spelt
        assert refusal is None or (refusal.error.code and refusal.error.message), method.spelt
        return status

    async def _something_said(self) -> None:
        """A conversation whose newest post answers another, new when the last one is gone."""
        group = self._client.groups.by_group_id(SALES)
        if self._keys:
            try:
                await group.threads.by_conversation_thread_id(self._keys["conversationThread-id"]).get()
            except ODataError:
                self._keys = {}
            else:
                return
        made = await group.conversations.post(conversation("For every method", "To begin with."))
        posts = group.threads.by_conversation_thread_id(made.threads[0].id).posts
        [first] = (await posts.get()).value
        await posts.by_post_id(first.id).reply.post(reply("Yes."))
        self._keys = {
            "group-id": SALES,
            "conversation-id": made.id,
            "conversationThread-id": made.threads[0].id,
            "post-id": (await posts.get()).value[-1].id,
        }

    async def _one_of(self, collection: Any, key: str, method: Method) -> str:
        if key == "directoryObject-id":
            return str(self._sender(method)["id"])
        try:
            listed = (await collection.get()).value
            if not listed:
                made = {"attachment-id": self._attachment, "subscription-id": self._subscription}
                await collection.post(made.get(key, self._extension)())
                listed = (await collection.get()).value
        except ODataError:
            return "unknown"
        return str(listed[0].id)

    async def _prepare_reference(self, method: Method, keys: dict[str, str]) -> None:
        """Before it is put on a list, take it off; before it is taken off, put it there."""
        branch = getattr(self._client.groups.by_group_id(SALES), method.steps[2].name)
        try:
            if method.name == "post":
                await branch.by_directory_object_id(self._sender(method)["id"]).ref.delete()
            elif method.name == "delete":
                await branch.ref.post(self._reference(method))
        except ODataError:
            pass  # it was so already, or is not served

    def _arguments(self, method: Method, builder: Any) -> list[Any]:
        last = method.path.rpartition("/")[2]
        if method.name == "delete" and last == "$ref" and "directoryObject-id" not in method.keys:
            kind = builder.RefRequestBuilderDeleteQueryParameters
            return [RequestConfiguration(query_parameters=kind(id=self._reference(method).odata_id))]
        if method.name in ("get", "delete"):
            return []
        alex = person(self._server, "AlexW")
        bodies: dict[str, Any] = {
            "conversations": lambda: conversation("Another", "Hello"),
            "threads": lambda: thread("Hello", "Another"),
            "{conversationThread-id}": lambda: ConversationThread(is_locked=False),
            "reply": lambda: reply("Yes"),
            "forward": lambda: ForwardPostRequestBody(comment="See below", to_recipients=[recipient(alex)]),
            "attachments": self._attachment,
            "createUploadSession": lambda: upload.CreateUploadSessionPostRequestBody(
                attachment_item=AttachmentItem(attachment_type=AttachmentType.File, name="large.bin", size=4_000_000)
            ),
            "extensions": self._extension,
            "{extension-id}": lambda: OpenTypeExtension(
                odata_type="#microsoft.graph.openTypeExtension", additional_data={"colour": "blue"}
            ),
            "$ref": lambda: self._reference(method),
            "subscriptions": self._subscription,
            "{subscription-id}": lambda: Subscription(expiration_date_time=datetime.now(UTC) + timedelta(days=2)),
            "validateProperties": lambda: ValidatePropertiesPostRequestBody(
                display_name="A new group", mail_nickname="a-new-group"
            ),
        }
        return [bodies[last]()] if last in bodies else []

    def _sender(self, method: Method) -> dict[str, Any]:
        return person(self._server, SENDER[method.steps[2].name])

    def _reference(self, method: Method) -> ReferenceCreate:
        return ReferenceCreate(odata_id=f"https://graph.microsoft.com/v1.0/users/{self._sender(method)['id']}")

    def _attachment(self) -> FileAttachment:
        return FileAttachment(
            odata_type="#microsoft.graph.fileAttachment", name="a.txt", content_type="text/plain", content_bytes=b"a"
        )

    def _subscription(self) -> Subscription:
        return Subscription(
            change_type="created",
            notification_url=self._listener.origin,
            resource=f"groups/{SALES}/conversations",
            expiration_date_time=datetime.now(UTC) + timedelta(days=1),
        )

    def _extension(self) -> OpenTypeExtension:
        self._count += 1
        return OpenTypeExtension(
            odata_type="#microsoft.graph.openTypeExtension",
            extension_name=f"org.example.x{self._count}",
            additional_data={"colour": "red"},
        )


@pytest.fixture
async def caller(server: Server, adele: GraphServiceClient) -> AsyncIterator[Caller]:
    with listening() as listener:
        made = Caller(server, adele, listener)
        async for each in _noted(made, adele):
            yield each
        for subscription in (await adele.subscriptions.get()).value:
            await adele.subscriptions.by_subscription_id(subscription.id).delete()


async def _noted(made: Caller, adele: GraphServiceClient) -> AsyncIterator[Caller]:
    """The caller, who hears the status of every answer."""
    http: httpx.AsyncClient = adele.request_adapter._http_client

    async def note(response: httpx.Response) -> None:
        made.statuses.append(response.status_code)

    http.event_hooks["response"].append(note)
    yield made
    http.event_hooks["response"].remove(note)


async def test_every_method_is_answered_as_the_surface_says(caller: Caller, adele: GraphServiceClient) -> None:
    outcomes = [(method, await caller.call(method)) for method in every(adele)]
    assert len(outcomes) >= 109  # families A–F of the published surface
    wrong = {
        f"{method.name.upper()} {method.path}": (status, expected(method))
        for method, status in outcomes
        if (200 if status < 300 else status) != expected(method)
    }
    assert wrong == {}
    page = written(outcomes)
    if os.environ.get("FOLKMOOT_WRITE"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page, "docs/manual/sdk.md is out of date: run this test with FOLKMOOT_WRITE=1"


def written(outcomes: list[tuple[Method, int]]) -> str:
    """The page of the manual."""
    served = sum(status < 300 for _, status in outcomes)
    lines = [
        "# What the Python SDK can call",
        "",
        "Every method of the unmodified `msgraph-sdk` for what is said in groups, and for subscriptions, found by",
        "walking its request builders, called against a started server by an owner of the group, and how it was",
        "answered. `make test` calls them all and fails when this page says something else",
        "(`tests/clients/test_every_sdk_method.py`). The",
        "JavaScript SDK, which has no generated methods, asks each of these requests as well.",
        "",
        f"{served} of {len(outcomes)} methods succeed.",
        "",
        "| method | request | answer |",
        "|---|---|---|",
    ]
    for method, status in outcomes:
        lines.append(f"| `{method.spelt}` | `{method.name.upper()} {method.path}` | {status} |")
    return "\n".join(lines) + "\n"
