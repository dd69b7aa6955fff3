"""The published description as Schemathesis reads it, cut down to what is served."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis.schemas import BaseSchema

from folkmoot.graph.resolve import resolve
from folkmoot.graph.surface import BY_ADDRESS
from folkmoot.odata.path import parse_path
from folkmoot.refusals import UnknownSegment
from tests.harness import ROOT

OPENAPI = Path(__file__).parents[3] / "shared" / "reference" / "graph-conversations.openapi.json"
published_only = pytest.mark.skipif(
    not OPENAPI.exists(), reason=f"the published description is not here: {OPENAPI.name} beside the repository"
)
# OpenAPI cannot say that a reference may be null; the metadata does (CSDL: Nullable, which is the default).
MAY_BE_NULL = (("post", "inReplyTo"), ("post", "body"), ("post", "sender"))
METHODS = ("get", "post", "put", "patch", "delete")


@cache
def document() -> dict[str, Any]:
    """The published description with what is served and no more. Empty where it is not there."""
    if not OPENAPI.exists():
        return {"openapi": "3.0.1", "info": {"title": "", "version": ""}, "paths": {}}
    whole: dict[str, Any] = json.loads(OPENAPI.read_text())
    for path, operations in list(whole["paths"].items()):
        for method in METHODS:
            if method in operations and not is_served(method.upper(), path):
                del operations[method]
        if not operations.keys() & METHODS:
            del whole["paths"][path]
    for type_, name in MAY_BE_NULL:
        found = whole["components"]["schemas"][f"microsoft.graph.{type_}"]["allOf"][1]["properties"]
        found[name] = {"nullable": True, "allOf": [found[name]]}
    return whole


def is_served(method: str, path: str) -> bool:
    """Whether the surface has a row for a published operation."""
    try:
        found = resolve(parse_path(re.sub(r"\{[^}]*\}", "x", path)))
    except UnknownSegment:
        return False
    return method in BY_ADDRESS[found.address]


@cache
def schema() -> BaseSchema:
    """The description, loaded."""
    return schemathesis.openapi.from_dict(document() | {"servers": [{"url": ROOT}]})


def operations() -> list[tuple[str, str]]:
    """(method, path) of each published operation that is served."""
    return [
        (method.upper(), path) for path, found in document()["paths"].items() for method in METHODS if method in found
    ]
