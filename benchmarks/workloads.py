"""The measured requests: what is sent, and what every answer must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from benchmarks import tenant
from benchmarks.tenant import RARE

_THREADS = 64  # as many are read, and as many others are replied to


@dataclass(frozen=True)
class Target:
    """A started server, as a client knows it."""

    port: int
    token: str
    threads: list[str]
    page: int

    def request(self, method: str, path: str, body: object = None) -> str:
        """One request as it goes over the wire: to `path` below the group, or below the version if it begins with `/`.

        The floor gets the same bytes, the token among them.
        """
        content = msgspec.json.encode(body).decode() if body is not None else ""
        lines = [
            f"{method} /v1.0{path if path.startswith('/') else f'/groups/{tenant.GROUP}/{path}'} HTTP/1.1",
            f"host: localhost:{self.port}",
            f"authorization: Bearer {self.token}",
            "accept: application/json",
        ]
        if content:
            lines += ["content-type: application/json", f"content-length: {len(content)}"]
        return "\r\n".join((*lines, "", content))


@dataclass(frozen=True)
class Workload:
    """A kind of request. `least` is the smallest body that a right answer can have, for pages of 20."""

    says: str
    status: int
    least: int
    requests: Callable[[Target], list[str]]
    writes: bool = False


def _post_body() -> dict[str, object]:
    return {"body": {"contentType": "html", "content": tenant.CONTENT}}


def _post_conversation(target: Target) -> list[str]:
    body = {"topic": tenant.TOPIC, "threads": [{"posts": [_post_body()]}]}
    return [target.request("POST", "conversations", body)]


def _post_reply(target: Target) -> list[str]:
    body = {"post": _post_body()}
    return [target.request("POST", f"threads/{id}/reply", body) for id in target.threads[_THREADS : 2 * _THREADS]]


def _get_posts(target: Target) -> list[str]:
    return [target.request("GET", f"threads/{id}/posts?$top={target.page}") for id in target.threads[:_THREADS]]


def _get_conversations(target: Target) -> list[str]:
    return [target.request("GET", f"conversations?$top={target.page}")]


def _batch(target: Target) -> list[str]:
    threads, size = target.threads[:_THREADS], 20
    urls = [f"/groups/{tenant.GROUP}/threads/{id}/posts?$top=5" for id in threads]
    batches = [(urls + urls)[at : at + size] for at in range(0, len(urls), size)]
    return [
        target.request(
            "POST",
            "/$batch",
            {"requests": [{"id": str(n), "method": "GET", "url": url} for n, url in enumerate(batch)]},
        )
        for batch in batches
    ]


def _search(text: str) -> Callable[[Target], list[str]]:
    """A page of what is found. The floor, which knows no search, gives a page of conversations."""
    return lambda target: [target.request("GET", f"conversations?$search={quote(text)}&$top={target.page}")]


WORKLOADS = {
    "post-conversation": Workload(
        "start a conversation: its row, a thread, a post, three changes", 201, 400, _post_conversation, writes=True
    ),
    "post-reply": Workload(
        "reply to a thread: a post, the thread and conversation updated, three changes",
        202,
        0,
        _post_reply,
        writes=True,
    ),
    "get-posts": Workload("a page of a thread's posts, a kilobyte each", 200, 1000, _get_posts),
    "get-conversations": Workload("a page of a group's conversations", 200, 400, _get_conversations),
    "batch-20": Workload("twenty requests in a batch, each for five posts of a kilobyte", 200, 100_000, _batch),
    "search-rare": Workload("conversations with a word that one post in a thousand has", 200, 400, _search(RARE)),
    "search-common": Workload("conversations with a word that every post has", 200, 400, _search("the")),
    "search-phrase": Workload("conversations with a phrase", 200, 400, _search('"pilot customers" "last week"')),
    "search-from": Workload("conversations by a person, with a word", 200, 400, _search(f"from:adele {RARE}")),
}
