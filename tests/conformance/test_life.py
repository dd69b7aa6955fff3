"""The life of a group: whatever order things are said, changed and deleted in, what is listed is what is there.

A model keeps what was said; Hypothesis makes up walks of many steps, and finds the shortest that shows a difference.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st
from hypothesis.stateful import Bundle as Kept
from hypothesis.stateful import (
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.conformance.effort import bounded
from tests.harness import Answer, Client, Graph
from tests.protocol.rows import EVERYTHING, NEW_GROUP
from tests.protocol.shapes import refused

NAMES = ("AdeleV", "AlexW")  # who owns the group and who is a member


@dataclass
class Thread:
    """What is known of a thread: what its posts say, oldest first."""

    id: str
    topic: str
    said: list[str]
    locked: bool = False


@dataclass
class Conversation:
    """What is known of a conversation."""

    id: str
    threads: dict[str, Thread] = field(default_factory=dict)


def post(content: str) -> dict[str, Any]:
    return {"body": {"contentType": "text", "content": content}}


class Life(RuleBasedStateMachine):
    """A group of its own for each walk, on a server that all of them share."""

    threads: Any = Kept("threads")
    deleted: Any = Kept("deleted")
    graph: Graph

    def __init__(self) -> None:
        super().__init__()
        self.conversations: dict[str, Conversation] = {}
        self.words = (f"word {number}" for number in itertools.count())
        self.group = ""

    @initialize()
    def a_group(self) -> None:
        """Adele's, with Alex in it."""
        self.clients = {name: self.graph.as_(name, scopes=EVERYTHING) for name in NAMES}
        name = f"life-{self.graph.store.ids.new(self.graph.clock())}"
        made = self.clients["AdeleV"].post("/groups", NEW_GROUP | {"mailNickname": name, "displayName": name})
        assert made.status == 201, made
        self.group = f"/groups/{made.json['id']}"
        alex = self.clients["AlexW"].get("/me").json["id"]
        reference = {"@odata.id": f"https://graph.microsoft.com/v1.0/directoryObjects/{alex}"}
        assert self.clients["AdeleV"].post(f"{self.group}/members/$ref", reference).status == 204

    # ── what is done ─────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(target=threads, who=st.sampled_from(NAMES))
    def start(self, who: str) -> tuple[str, str]:
        topic, content = next(self.words), next(self.words)
        body = {"topic": topic, "threads": [{"posts": [post(content)]}]}
        made = self.clients[who].post(f"{self.group}/conversations", body)
        assert made.status == 201, made
        conversation, thread = made.json["id"], made.json["threads"][0]["id"]
        self.conversations[conversation] = Conversation(conversation, {thread: Thread(thread, topic, [content])})
        return conversation, thread

    @rule(target=threads, at=threads, who=st.sampled_from(NAMES))
    def start_a_thread(self, at: tuple[str, str], who: str) -> Any:
        topic, content = next(self.words), next(self.words)
        body = {"topic": topic, "posts": [post(content)]}
        made = self.clients[who].post(f"{self.group}/conversations/{quote(at[0])}/threads", body)
        if at[0] not in self.conversations:
            refused(made, 404, "ErrorItemNotFound")
            return multiple()
        assert made.status == 201, made
        id = made.json["id"]
        self.conversations[at[0]].threads[id] = Thread(id, topic, [content])
        return at[0], id

    @rule(at=threads, who=st.sampled_from(NAMES), road=st.booleans(), count=st.integers(1, 4))
    def reply(self, at: tuple[str, str], who: str, road: bool, count: int) -> None:
        """Several in a batch, each after the one before."""
        said = [next(self.words) for _ in range(count)]
        path = f"{self.path(at, road)}/reply"
        items = [
            {"id": str(n), "method": "POST", "url": path, "body": {"post": post(text)}}
            | ({"dependsOn": [str(n - 1)]} if n else {})
            for n, text in enumerate(said)
        ]
        answer = self.clients[who].post("/$batch", {"requests": items})
        statuses = [each["status"] for each in answer.json["responses"]]
        thread = self.thread(at)
        if thread is None:
            assert statuses == [404, *[424] * (count - 1)]
        elif thread.locked:
            assert statuses == [403, *[424] * (count - 1)]
        else:
            assert statuses == [202] * count
            thread.said += said

    @rule(at=threads, who=st.sampled_from(NAMES), data=st.data())
    def reply_to_a_post(self, at: tuple[str, str], who: str, data: st.DataObject) -> None:
        thread = self.thread(at)
        if thread is None:
            return
        posts = self.clients[who].everything(f"{self.path(at, True)}/posts?$select=id")
        chosen = data.draw(st.integers(0, len(posts) - 1))
        text = next(self.words)
        path = f"{self.path(at, True)}/posts/{quote(posts[chosen]['id'])}"
        answer = self.clients[who].post(f"{path}/reply", {"post": post(text)})
        if thread.locked:
            refused(answer, 403, "ErrorAccessDenied")
            return
        assert answer.status == 202, answer
        thread.said.append(text)
        newest = self.clients[who].everything(f"{self.path(at, True)}/posts?$select=id")[-1]["id"]
        answered = self.clients[who].get(f"{self.path(at, False)}/posts/{quote(newest)}/inReplyTo?$select=body")
        assert answered.json["body"]["content"] == thread.said[chosen]

    @rule(at=threads, locked=st.booleans())
    def lock(self, at: tuple[str, str], locked: bool) -> None:
        answer = self.clients["AdeleV"].patch(self.path(at, False), {"isLocked": locked})
        thread = self.thread(at)
        if thread is None:
            refused(answer, 404, "ErrorItemNotFound")
        else:
            assert (answer.status, answer.json["isLocked"]) == (200, locked)
            thread.locked = locked

    @rule(target=deleted, at=consumes(threads), road=st.booleans())
    def delete_a_thread(self, at: tuple[str, str], road: bool) -> tuple[str, str]:
        self.gone(self.clients["AdeleV"].delete(self.path(at, road)), self.thread(at) is not None)
        if at[0] in self.conversations:
            self.conversations[at[0]].threads.pop(at[1], None)
            if not self.conversations[at[0]].threads:
                del self.conversations[at[0]]
        return at

    @rule(at=threads)
    def delete_a_conversation(self, at: tuple[str, str]) -> None:
        answer = self.clients["AdeleV"].delete(f"{self.group}/conversations/{quote(at[0])}")
        self.gone(answer, self.conversations.pop(at[0], None) is not None)

    @rule(seconds=st.integers(0, 90))
    def time_passes(self, seconds: int) -> None:
        self.graph.clock.advance(seconds)

    # ── what is there ────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(at=threads, who=st.sampled_from(NAMES), top=st.integers(1, 5), road=st.booleans())
    def posts(self, at: tuple[str, str], who: str, top: int, road: bool) -> None:
        path = f"{self.path(at, road)}/posts"
        thread = self.thread(at)
        if thread is None:
            refused(self.clients[who].get(path), 404, "ErrorItemNotFound")
            return
        found = self.clients[who].everything(f"{path}?$top={top}&$select=body")
        assert [each["body"]["content"] for each in found] == thread.said
        assert self.clients[who].get(f"{path}/$count").text == str(len(thread.said))

    @rule(at=deleted, road=st.booleans())
    def what_was_deleted(self, at: tuple[str, str], road: bool) -> None:
        refused(self.clients["AdeleV"].get(self.path(at, road)), 404, "ErrorItemNotFound")

    @rule(who=st.sampled_from(NAMES), top=st.integers(1, 5))
    def everything(self, who: str, top: int) -> None:
        client = self.clients[who]
        listed = client.everything(f"{self.group}/conversations?$top={top}&$select=id")
        # Newest first, by when they began; those of one second in any order, so they are compared as they are known.
        assert sorted(each["id"] for each in listed) == sorted(self.conversations)
        found = client.everything(f"{self.group}/threads?$top={top}&$select=id,topic,isLocked,preview")
        known = {thread.id: thread for each in self.conversations.values() for thread in each.threads.values()}
        assert {each["id"] for each in found} == set(known)
        assert len(found) == len(known)
        for each in found:
            thread = known[each["id"]]
            assert (each["topic"], each["isLocked"], each["preview"]) == (thread.topic, thread.locked, thread.said[-1])

    @invariant()
    @precondition(lambda self: self.group)
    def as_many_as_known(self) -> None:
        assert self.clients["AlexW"].get(f"{self.group}/conversations/$count").text == str(len(self.conversations))

    # ── in short ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def thread(self, at: tuple[str, str]) -> Thread | None:
        found = self.conversations.get(at[0])
        return found.threads.get(at[1]) if found else None

    def path(self, at: tuple[str, str], direct: bool) -> str:
        above = self.group if direct else f"{self.group}/conversations/{quote(at[0])}"
        return f"{above}/threads/{quote(at[1])}"

    def gone(self, answer: Answer, was_there: bool) -> None:
        if was_there:
            assert answer.status == 204, answer
        else:
            refused(answer, 404, "ErrorItemNotFound")

    clients: dict[str, Client]


def test_what_is_listed_is_what_is_there(graph: Graph) -> None:
    class Here(Life):
        pass

    Here.graph = graph
    run_state_machine_as_test(Here, settings=bounded(6, 40))
