"""A snapshot that asks the database nothing twice."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from folkmoot.store.db import Row, Snapshot, Statement


class Remembering(Snapshot):
    """What `snapshot` gives, asked once. It must be of one moment, as those are that `Store.read` gives to functions
    which are not quick; what was asked is kept as long as this is.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__(snapshot.instant)
        self.dialect = snapshot.dialect
        self._snapshot = snapshot
        self._known: dict[Hashable, list[Row]] = {}

    def all(self, statement: Statement, **parameters: Any) -> list[Row]:
        key = (statement, *parameters.items())
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._snapshot.all(statement, **parameters)
        # A list of its own: some who ask go on to add to what they are given.
        return found.copy()

    def _rows(self, text: str, parameters: Mapping[str, Any]) -> list[Row]:
        raise NotImplementedError  # nothing is asked but by `all`
