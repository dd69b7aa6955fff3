"""A client of delta that keeps what it is told, as the documentation says."""

from __future__ import annotations

from typing import Any

from tests.harness import Answer, Client
from tests.protocol.shapes import well_formed


class Follower:
    """Follows the collection at `path`; `query` is for its first request, `size` the pages that it prefers."""

    def __init__(self, client: Client, path: str, query: str = "", size: int | None = None) -> None:
        self.client = client
        self.path = path
        self.link = f"{path}/delta{query}"
        self.size = size
        self.items: dict[str, dict[str, Any]] = {}

    def ask(self) -> Answer:
        """The next page, as it comes."""
        prefer = "folkmoot.profile=extended"
        if self.size is not None:
            prefer += f", odata.maxpagesize={self.size}"
        return self.client.get(self.link, Prefer=prefer)

    def page(self) -> tuple[list[dict[str, Any]], bool]:
        """Take the next page: its items, and whether the round is over."""
        answer = self.ask()
        well_formed(answer)
        assert answer.status == 200, answer
        links = {"@odata.nextLink", "@odata.deltaLink"} & answer.json.keys()
        assert len(links) == 1, answer.json
        self.link = answer.json[links.pop()]
        assert self.size is None or len(answer.value) <= self.size
        for item in answer.value:
            if "@removed" in item:
                assert item == {"id": item["id"], "@removed": {"reason": "deleted"}}
                self.items.pop(item["id"], None)
            else:
                self.items[item["id"]] = item
        return answer.value, "@odata.deltaLink" in answer.json

    def round(self, most: int = 1000) -> list[dict[str, Any]]:
        """All pages of a round, which may not be more than `most`: its items as they came."""
        came: list[dict[str, Any]] = []
        for _ in range(most):
            found, over = self.page()
            came += found
            if over:
                return came
        raise AssertionError(f"the round was not over after {most} pages")
