"""An unmodified SDK that is throttled: it waits as it is told, asks again, and nothing is there twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.clients.running import running
from tests.clients.sdk import DEFAULT, SALES, Fixed, client, conversation, everything, minted, person

pytestmark = pytest.mark.anyio


async def test_writes_that_are_throttled_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tmp_path, limits="mailbox=3/1") as limited:
        monkeypatch.setenv("SSL_CERT_FILE", str(limited.ca))
        token = minted(limited, person(limited, "AdeleV"), "Group.ReadWrite.All")
        async with client(limited, Fixed(token), DEFAULT) as graph:
            group = graph.groups.by_group_id(SALES)
            topics = [f"Topic {number}" for number in range(5)]
            await asyncio.gather(*(group.conversations.post(conversation(topic, "Hello")) for topic in topics))
            found = await everything(group.conversations)
        assert sorted(each.topic for each in found) == topics
