"""How deep a request body may be nested."""

from __future__ import annotations

from typing import Any

from folkmoot.refusals import BadBody

MAX_DEPTH = 64


def require_shallow(value: Any, path: str, depth: int) -> None:
    """Raise `BadBody` where something within `value` is more than `MAX_DEPTH` deep in the body.

    `path` is where the value stands, `depth` how deep that is.
    """
    if depth > MAX_DEPTH:
        raise too_deep(path)
    if isinstance(value, dict):
        for name, below in value.items():
            require_shallow(below, f"{path}.{name}", depth + 1)
    elif isinstance(value, list):
        for number, below in enumerate(value):
            require_shallow(below, f"{path}[{number}]", depth + 1)


def too_deep(path: str) -> BadBody:
    """The refusal of what stands too deep, at `path`."""
    return BadBody(f"The request body is nested more than {MAX_DEPTH} deep.", target=path[:200])
