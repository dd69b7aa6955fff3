"""Keeps what the storage layer says to PostgreSQL while the tests run: each statement once, with its parameters."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from folkmoot.store import postgres
from tests.postgres_server import RUN

# Text → the parameters that it came with first.
recorded: dict[str, Mapping[str, Any]] = {}


def begin() -> None:
    """Record from now on whatever goes through the engine's few doors."""
    for owner, name in (
        (postgres.PostgresSnapshot, "_rows"),
        (postgres.LoopSnapshot, "_rows"),
        (postgres.PostgresTx, "_rows"),
        (postgres.PostgresTx, "_run"),
    ):
        setattr(owner, name, _noting(getattr(owner, name)))
    asked = postgres.PostgresTx.all_of

    @functools.wraps(asked)
    def all_of(self: postgres.PostgresTx, wanted: Any) -> Any:
        for statement, parameters in wanted:
            text, defaults = statement.compiled("postgresql")
            recorded.setdefault(text, {**defaults, **parameters})
        return asked(self, wanted)

    postgres.PostgresTx.all_of = all_of  # type: ignore[method-assign]


def _noting(door: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(door)
    def noting(self: Any, text: str, parameters: Mapping[str, Any]) -> Any:
        if text not in recorded:
            recorded[text] = dict(parameters)
        return door(self, text, parameters)

    return noting


def unclaimed() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What was recorded and no other process of the run has taken to judge."""
    folder = Path(os.environ[RUN]) / "judged"
    folder.mkdir(exist_ok=True)
    for text, parameters in list(recorded.items()):
        try:
            (folder / sha256(text.encode()).hexdigest()).open("x").close()
        except FileExistsError:
            continue
        yield text, parameters
