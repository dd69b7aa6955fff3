"""How the links of an answer are written: the service root, and the way that leads to what is sent."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

import msgspec


class Road(msgspec.Struct, frozen=True):
    """The way to a collection or an item, from the service root `root`.

    `steps` are (name, key on the wire or None) pairs, such as (("groups", "…"), ("threads", None)).
    """

    root: str
    steps: tuple[tuple[str, str | None], ...]

    def down(self, key: str, name: str) -> Road:
        """The road to `name` below the item `key` of this collection."""
        *above, (last, _) = self.steps
        # What is below /me is named by the user, whoever follows the link.
        last = "users" if last == "me" else last
        return Road(self.root, (*above, (last, key), (name, None)))

    @property
    def collection(self) -> Road:
        """The road to the collection that the item at the end of this one is in."""
        *above, (last, _) = self.steps
        return Road(self.root, (*above, (last, None)))

    @property
    def context(self) -> str:
        """`groups('…')/threads('…%3D')/posts`, as context URLs have it."""
        return _context(self.steps)

    @property
    def path(self) -> str:
        """The same as a URL under the service root."""
        return _path(self.steps)


@lru_cache(maxsize=1024)
def _context(steps: tuple[tuple[str, str | None], ...]) -> str:
    return "/".join([name if key is None else f"{name}('{_escape(key)}')" for name, key in steps])


@lru_cache(maxsize=1024)
def _path(steps: tuple[tuple[str, str | None], ...]) -> str:
    return "/".join([name if key is None else f"{name}/{_escape(key)}" for name, key in steps])


@lru_cache(maxsize=4096)
def _escape(key: str) -> str:
    # An id ends in "=", and `quote` looks at each character of what holds one that must be escaped.
    plain = key.rstrip("=")
    return quote(plain.replace("'", "''"), safe="") + "%3D" * (len(key) - len(plain))
