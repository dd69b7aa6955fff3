"""Following a group: whatever is done in it and between which pages, a follower ends up with what a list shows.

Hypothesis makes up what writers do and when each follower asks for its next page; requests look at so little of the log
that a round takes many.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.graph import content_delta
from tests.conformance.effort import bounded
from tests.harness import Answer, Client, Graph, Place, file_attachment, open_extension
from tests.protocol.followers import Follower
from tests.protocol.rows import NEW_GROUP

HEARD = {"Prefer": "folkmoot.profile=extended, return=representation"}
NAME = "Com.Contoso.Kept"


@dataclass
class Writer:
    """Does what it is told to a post that is there, as far as that can be done; `posts` are those that it has made."""

    client: Client
    group: str
    posts: list[Place]

    def post(self, path: str, body: Any) -> Answer:
        return self.client.post(path, body, **HEARD)

    def said(self, conversation: str, thread: str, answer: Answer) -> None:
        """Remember the post of an answer; a locked thread takes none."""
        assert answer.status in (201, 403), answer
        if answer.status == 201:
            self.posts.append(Place(self.group, conversation, thread, answer.json["id"]))

    def begin(self) -> None:
        made = self.post(f"/groups/{self.group}/conversations", {"topic": "New", "threads": [{"posts": [HELLO]}]})
        (thread,) = made.json["threads"]
        self.posts.append(Place(self.group, made.json["id"], thread["id"], thread["posts"][0]["id"]))

    def do(self, what: str, number: int) -> None:
        if what == "begin" or not self.posts:
            return self.begin()
        place = self.posts[number % len(self.posts)]
        match what:
            case "branch":
                made = self.post(f"{place.conversation_path}/threads", {"topic": "Branch", "posts": [HELLO]})
                self.posts.append(replace(place, thread=made.json["id"], post=made.json["posts"][0]["id"]))
            case "reply":
                self.said(place.conversation, place.thread, self.post(f"{place.post_path()}/reply", {"post": HELLO}))
            case "add":
                body = {**HELLO, "attachments": [file_attachment()]}
                self.said(place.conversation, place.thread, self.post(f"{place.thread_path()}/posts", body))
            case "edit":
                body = {"body": {"contentType": "text", "content": f"edited {number}"}, "categories": [str(number)]}
                self.client.patch(place.post_path(), body, **HEARD)
            case "rename":
                self.client.patch(place.thread_path(), {"topic": f"{number}"})
            case "lock":
                self.client.patch(place.thread_path(), {"isLocked": number % 2 == 0})
            case "attach":
                self.post(f"{place.post_path()}/attachments", file_attachment(isInline=number % 3 == 0))
            case "detach":
                hanging = self.client.get(f"{place.post_path()}/attachments")
                if hanging.value:
                    self.client.delete(f"{place.post_path()}/attachments/{quote(hanging.ids[0])}")
            case "extend":
                kept = open_extension(NAME, number=number)
                if self.post(f"{place.post_path()}/extensions", kept).status == 409:
                    self.client.patch(f"{place.post_path()}/extensions/{NAME}", kept)
            case "delete post":
                self.gone(self.client.delete(place.post_path(), **HEARD), post=place.post)
            case "delete thread":
                self.gone(self.client.delete(place.thread_path()), thread=place.thread)
            case "delete conversation":
                self.gone(self.client.delete(place.conversation_path), conversation=place.conversation)
        return None

    def gone(self, answer: Answer, **at: str) -> None:
        """Forget the posts that were deleted: all that are at such a place."""
        assert answer.status == 204, answer
        self.posts = [each for each in self.posts if any(getattr(each, name) != id for name, id in at.items())]


HELLO = {"body": {"contentType": "text", "content": "Hello"}}
# What makes something is asked for more often than what takes it away.
WRITES = (
    *("begin", "branch", "reply", "reply", "add", "add", "edit", "rename", "lock", "attach", "detach", "extend"),
    *("delete post", "delete post", "delete thread", "delete conversation"),
)
WRITE = st.tuples(st.sampled_from(WRITES), st.integers(0, 50))
# Which follower asks for a page of which size.
READ = st.tuples(st.integers(0, 4), st.integers(1, 4))


def read(follower: Follower, size: int) -> bool:
    """Take a page; whether the round is over. What is followed may be gone, and all that was in it."""
    follower.size = size
    if follower.ask().status == 404:
        follower.items.clear()
        return True
    return follower.page()[1]


def listed(client: Client, path: str) -> dict[str, Any]:
    """What a list shows now."""
    if path.endswith("/posts") and "/threads/" not in path:
        group = path.removesuffix("/posts")
        threads = [quote(item["id"]) for item in client.everything(f"{group}/threads")]
        return {id: post for each in threads for id, post in listed(client, f"{group}/threads/{each}/posts").items()}
    if client.get(path).status == 404:
        return {}
    return {item["id"]: item for item in client.everything(path)}


@given(st.lists(WRITE | READ, min_size=20, max_size=50), st.lists(st.integers(1, 3), min_size=5, max_size=5))
@bounded(5)
def follow(graph: Graph, steps: list[tuple[Any, int]], sizes: list[int]) -> None:
    adele = graph.as_("AdeleV")
    body = {**NEW_GROUP, "mailNickname": f"walk-{len(graph.changes())}-{graph.store.ids.new(graph.clock.now)}"}
    writer = Writer(adele, adele.post("/groups", body).json["id"], [])
    writer.begin()
    first = writer.posts[0]
    followers = [
        Follower(adele, f"/groups/{writer.group}/conversations"),
        Follower(adele, f"/groups/{writer.group}/threads"),
        Follower(adele, f"/groups/{writer.group}/posts"),
        Follower(adele, f"{first.conversation_path}/threads"),
        Follower(adele, f"{first.thread_path()}/posts"),
    ]
    for what, number in steps:
        if isinstance(what, str):
            writer.do(what, number)
        else:
            read(followers[what], number)
    for follower, size in zip(followers, sizes, strict=True):
        # The round that is under way, and one more; each ends, since nobody writes.
        for _ in range(2):
            for _ in range(1000):
                if read(follower, size):
                    break
            else:
                raise AssertionError("the round does not end")
        assert follower.items == listed(adele, follower.path), follower.path


def test_a_follower_ends_up_with_what_a_list_shows(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_delta, "STRETCH", 4)
    follow(graph)
