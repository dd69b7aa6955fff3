"""Keeps what the storage layer says to PostgreSQL while the tests run: each statement once, with its parameters.

To be imported before any module of the tests that makes statements, which it tells from the product's.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from folkmoot.store import postgres, postgres_reads, postgres_writer
from folkmoot.store.db import Statement
from tests.postgres_server import RUN

Parameters = Mapping[str, Any]

# Text → the parameters that it came with first.
recorded: dict[str, Parameters] = {}
# The texts of the product's statements; with others tests look into a database.
_ours: set[str] = set()


def begin() -> None:
    """Record from now on whatever goes through the engine's few doors."""
    for owner, name in (
        (postgres.PostgresSnapshot, "_rows"),
        (postgres_reads.LoopSnapshot, "_rows"),
        (postgres_writer.PostgresTx, "_rows"),
        (postgres_writer.PostgresTx, "_run"),
    ):
        setattr(owner, name, _noting(getattr(owner, name)))
    asked = postgres_writer.PostgresTx.all_of

    def all_of(self: Any, wanted: Any) -> Any:
        for statement, parameters in wanted:
            text, defaults = statement.compiled("postgresql")
            _note(text, {**defaults, **parameters})
        return asked(self, wanted)

    setattr(postgres_writer.PostgresTx, "all_of", all_of)  # noqa: B010  (a method is replaced)


def _noting(door: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(door)
    def noting(self: Any, text: str, parameters: Parameters) -> Any:
        _note(text, parameters)
        return door(self, text, parameters)

    return noting


def _note(text: str, parameters: Parameters) -> None:
    if text in _ours and text not in recorded:
        recorded[text] = dict(parameters)


def _tell_apart() -> None:
    """Note the texts of the statements that the product makes."""
    made, compiled, theirs = Statement.__init__, Statement.compiled, set[Statement]()

    def making(self: Statement, *args: Any, **more: Any) -> None:
        made(self, *args, **more)
        if not sys._getframe(1).f_globals["__name__"].startswith("folkmoot."):
            theirs.add(self)

    def compiling(self: Statement, dialect: Any) -> Any:
        text, defaults = compiled(self, dialect)
        if self not in theirs:
            _ours.add(text)
        return text, defaults

    setattr(Statement, "__init__", making)  # noqa: B010
    setattr(Statement, "compiled", compiling)  # noqa: B010


def unclaimed() -> Iterator[tuple[str, Parameters]]:
    """What was recorded and no other process of the run has taken to judge."""
    folder = Path(os.environ[RUN]) / "judged"
    folder.mkdir(exist_ok=True)
    for text, parameters in list(recorded.items()):
        try:
            (folder / sha256(text.encode()).hexdigest()).open("x").close()
        except FileExistsError:
            continue
        yield text, parameters


_tell_apart()
