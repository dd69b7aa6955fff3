"""What reads cost a distant database: one message, wherever the path names all that is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from folkmoot.store.db import Asked
from folkmoot.store.postgres_pipe import Pipe
from tests.harness import Place, Workshop

# What is asked below a place, and how many statements its message has: who may read there, what the scope looks at
# besides, and what is sent.
ASKED = {
    "conversations": 2,
    "conversation": 2,
    "conversation/threads": 3,
    "threads": 2,
    "thread": 2,
    "posts": 2,
    "post": 3,
    "attachments": 3,
    "attachment": 3,
    "extensions": 3,
    "extension": 3,
}


def paths(place: Place) -> dict[str, str]:
    # Without the content of attachments, which is read as it is sent.
    return {
        "conversations": f"{place.group_path}/conversations",
        "conversation": place.conversation_path,
        "conversation/threads": f"{place.conversation_path}/threads",
        "threads": f"{place.group_path}/threads",
        "thread": place.thread_path(),
        "posts": f"{place.thread_path()}/posts",
        "post": place.post_path(),
        "attachments": f"{place.post_path()}/attachments?$select=name",
        "attachment": f"{place.attachment_path()}?$select=name",
        "extensions": f"{place.post_path()}/extensions",
        "extension": place.extension_path(),
    }


@pytest.mark.parametrize("case", ["the members", "nobody else", "what is not there"])
def test_a_read_is_one_message(workshop: Workshop, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    graph = workshop.graph("postgresql")
    diego = graph.as_("DiegoS")
    place, gone = diego.extend(diego.attach(diego.start(group="HR"))), diego.start(group="HR")
    assert diego.delete(gone.thread_path()).status == 204
    asked_for, caller, status = {
        "the members": (paths(place), diego, 200),
        "nobody else": (paths(place), graph.as_("AdeleV"), 403),
        "what is not there": ({name: paths(gone)[name] for name in ("conversation", "thread", "posts")}, diego, 404),
    }[case]
    sent: list[int] = []
    ask = Pipe.ask

    async def noted(self: Pipe, asked: Sequence[Asked]) -> Any:
        sent.append(len(asked))
        return await ask(self, asked)

    monkeypatch.setattr(Pipe, "ask", noted)
    for name, path in asked_for.items():
        caller.get(path)  # who it is and what its application may is known then
        sent.clear()
        assert caller.get(path).status == status, name
        assert (name, sent) == (name, [ASKED[name]])
