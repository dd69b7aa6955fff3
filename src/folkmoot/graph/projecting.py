"""From rows to what is sent, by functions that are written for the columns at hand.

A call of Python for each value costs more than the value. So the properties that are asked for become the text of a
function, as `dataclasses` makes one: what is known of a kind of value stands in it (`describe.INLINE`), all else is
called. Such a text holds names of properties and numbers of columns, never what a client wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from folkmoot.graph.describe import INLINE, INLINE_NAMES, RENDER_PAGE, Render

# An item of a row, from the group's id; and the items of a page, for those who do nothing but encode them.
Projector = Callable[[str, Sequence[Any]], dict[str, Any]]
PageProjector = Callable[[str, Sequence[Sequence[Any]]], list[Any]]


class Step(NamedTuple):
    """A property that is sent: its name, how (see `describe.Render`), and where in the row its columns are."""

    name: str
    render: Render | None
    places: tuple[int, ...]


@lru_cache(maxsize=512)  # queries are many, and what they select is mostly the same
def projector(steps: tuple[Step, ...], constant: tuple[tuple[str, str], ...] = ()) -> Projector:
    """What makes a dictionary of a row: the `constant` names with their values, then the steps'."""
    values = [f"{name!r}: {value!r}" for name, value in constant]
    values += [f"{step.name!r}: {_value(n, step, record=False)}" for n, step in enumerate(steps)]
    text = f"def project(group, row):\n    return {{{', '.join(values)}}}\n"
    made: Projector = _function("project", text, _known(steps))
    return made


@lru_cache(maxsize=512)
def page_projector(steps: tuple[Step, ...]) -> PageProjector:
    """What makes records of the rows of a page, which the encoder sends faster than dictionaries."""
    fields = [f"p{n}" for n in range(len(steps))]
    names = {field: step.name for field, step in zip(fields, steps, strict=True)}
    known = _known(steps)
    known["Record"] = msgspec.defstruct("Record", fields, rename=names, gc=False)
    values, each, of = [], ["row"], ["rows"]
    for n, step in enumerate(steps):
        if step.render in RENDER_PAGE:
            known[f"page{n}"] = RENDER_PAGE[step.render]
            columns = [f"[row[{place}] for row in rows]" for place in step.places]
            of.append(f"page{n}({', '.join(['group', *columns])})")
            each.append(f"value{n}")
            values.append(f"value{n}")
        else:
            values.append(_value(n, step, record=True))
    text = (
        "def project_all(group, rows):\n    if not rows:\n        return []\n"
        f"    return [Record({', '.join(values)}) for {', '.join(each)}, in zip({', '.join(of)}, strict=True)]\n"
    )
    made: PageProjector = _function("project_all", text, known)
    return made


def _value(n: int, step: Step, *, record: bool) -> str:
    """The expression for what step `n` sends."""
    columns = [f"row[{place}]" for place in step.places]
    if step.render is None:
        return columns[0] if columns else "None"  # of a kind of which there are no items
    if (inline := INLINE.get(step.render)) is not None:
        return inline[record].format(*columns)
    return f"render{n}({', '.join(['group', *columns])})"


def _known(steps: Sequence[Step]) -> dict[str, Any]:
    """The names that expressions may hold."""
    return {**INLINE_NAMES, **{f"render{n}": step.render for n, step in enumerate(steps)}}


def _function(name: str, text: str, known: dict[str, Any]) -> Any:
    exec(compile(text, f"<{name}>", "exec"), known)  # noqa: S102  (the text is ours)
    return known[name]
