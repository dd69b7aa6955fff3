"""The published Python SDK, unmodified, with attachments: small ones in bodies, large ones by its own upload task."""

from __future__ import annotations

import io
from typing import Any

import pytest
from msgraph import GraphServiceClient
from msgraph.generated.groups.item.threads.item.posts.item.attachments.create_upload_session import (
    create_upload_session_post_request_body as session_body,
)
from msgraph.generated.groups.item.threads.item.reply.reply_post_request_body import ReplyPostRequestBody
from msgraph.generated.models.attachment_item import AttachmentItem
from msgraph.generated.models.attachment_type import AttachmentType
from msgraph.generated.models.file_attachment import FileAttachment
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.upload_session import UploadSession
from msgraph_core.tasks.large_file_upload import LargeFileUploadTask  # type: ignore[import-untyped]

from tests.clients.sdk import SALES, conversation, reply

pytestmark = pytest.mark.anyio

MEBIBYTE = 1_048_576


async def post_of(graph: GraphServiceClient, topic: str) -> Any:
    """The builder of the first post of a new conversation, and of its thread."""
    made = await graph.groups.by_group_id(SALES).conversations.post(conversation(topic, "With a file."))
    thread = graph.groups.by_group_id(SALES).threads.by_conversation_thread_id(made.threads[0].id)
    return thread, thread.posts.by_post_id((await thread.posts.get()).value[0].id)


async def test_a_reply_with_a_file(adele: GraphServiceClient) -> None:
    thread, _ = await post_of(adele, "A reply with a file")
    body: ReplyPostRequestBody = reply("See there.")
    assert body.post is not None
    body.post.attachments = [FileAttachment(name="a.bin", content_bytes=b"\x00\x01\xff", content_type="x/y")]
    await thread.reply.post(body)
    second = (await thread.posts.get()).value[1]
    assert second.has_attachments is True
    [found] = (await thread.posts.by_post_id(second.id).attachments.get()).value
    assert isinstance(found, FileAttachment)
    assert (found.name, found.content_type, found.size) == ("a.bin", "x/y", 3)


async def test_a_file_is_added_read_and_deleted(adele: GraphServiceClient) -> None:
    _, post = await post_of(adele, "A file is added")
    made = await post.attachments.post(FileAttachment(name="b.txt", content_bytes=b"text"))
    assert isinstance(made, FileAttachment)
    one = post.attachments.by_attachment_id(made.id)
    assert isinstance(await one.get(), FileAttachment)
    assert await post.attachments.count.get() == 1
    await one.delete()
    with pytest.raises(ODataError) as refused:
        await one.get()
    assert refused.value.error is not None
    assert refused.value.error.code == "ErrorItemNotFound"


@pytest.mark.parametrize("size", [3 * MEBIBYTE, 5 * MEBIBYTE, 12_000_001, 15 * MEBIBYTE])
async def test_a_large_file_by_the_upload_task(adele: GraphServiceClient, size: int) -> None:
    _, post = await post_of(adele, f"A file of {size} bytes")
    content = (bytes(range(256)) * (size // 256 + 1))[:size]
    item = AttachmentItem(attachment_type=AttachmentType.File, name="large.bin", size=size)
    session = await post.attachments.create_upload_session.post(
        session_body.CreateUploadSessionPostRequestBody(attachment_item=item)
    )
    assert isinstance(session, UploadSession)
    assert session.next_expected_ranges == ["0-"]
    await LargeFileUploadTask(session, adele.request_adapter, io.BytesIO(content)).upload()
    [found] = (await post.attachments.get()).value
    assert found.size == size
    kept = await post.attachments.by_attachment_id(found.id).get()
    assert isinstance(kept, FileAttachment)
    assert kept.content_bytes is not None
    assert len(kept.content_bytes) in (size, 4 * ((size + 2) // 3))  # the SDK leaves the base64 as it is
