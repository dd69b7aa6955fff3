"""Query options that an operation can take: those that are published for it, about properties of what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from tests.conformance.published import document


def options(path: str) -> st.SearchStrategy[dict[str, Any]]:
    """For a GET of `path`: none, one or two options that make sense there, as far as one can say so beforehand."""
    operation = document()["paths"][path].get("get")
    if operation is None:
        return st.just({})
    names = {_resolved(each)["name"] for each in operation["parameters"]}
    plain, navs = _properties(_answer(operation))
    known: dict[str, st.SearchStrategy[str]] = {
        "$top": st.sampled_from(["1", "2", "999"]),
        "$skip": st.sampled_from(["0", "1", "5"]),
        "$count": st.sampled_from(["true", "false"]),
    }
    if plain:
        known["$select"] = st.lists(st.sampled_from(sorted(plain)), min_size=1, max_size=3).map(",".join)
        known["$filter"] = st.sampled_from(
            [text for name, kind in sorted(plain.items()) for text in _filters(name, kind)]
        )
        known["$orderby"] = st.sampled_from(
            [f"{name}{way}" for name, kind in sorted(plain.items()) if kind != "array" for way in ("", " desc")]
        )
    if navs:
        known["$expand"] = st.sampled_from(sorted(navs))
    possible = sorted(names & known.keys())
    return (
        st.lists(st.sampled_from(possible), max_size=2, unique=True).flatmap(
            lambda chosen: st.fixed_dictionaries({name: known[name] for name in chosen})
        )
        if possible
        else st.just({})
    )


def _filters(name: str, kind: str) -> list[str]:
    if kind == "boolean":
        return [f"{name} eq false", f"not {name}"]
    if kind == "date-time":
        return [f"{name} ge 2020-01-01T00:00:00Z", f"{name} lt 2020-01-01T00:00:00Z"]
    if kind == "array":
        return []
    if kind == "string" and not name.lower().endswith(("id", "key")):
        return [f"{name} eq 'x'", f"contains({name},'a')", f"startswith({name},'L') or {name} eq null"]
    return [f"{name} ne 'x'"] if kind == "string" else []


def _properties(schema: Mapping[str, Any]) -> tuple[dict[str, str], set[str]]:
    """The properties of a type by name, with the kind of each, and the navigation properties."""
    schema = _resolved(schema)
    value = schema.get("properties", {}).get("value")
    if value is not None and value.get("type") == "array":
        return _properties(value["items"])
    plain: dict[str, str] = {}
    navs: set[str] = set()
    for part in schema.get("allOf", ()):
        more, below = _properties(part)
        plain |= more
        navs |= below
    for name, each in schema.get("properties", {}).items():
        if each.get("x-ms-navigationProperty") or name == "inReplyTo":
            navs.add(name)
        elif not name.startswith("@"):
            plain[name] = "complex" if "$ref" in each else each.get("format", each.get("type", "complex"))
    return plain, navs


def _answer(operation: Mapping[str, Any]) -> Mapping[str, Any]:
    content = _resolved(operation["responses"]["2XX"]).get("content", {})
    found: Mapping[str, Any] = content.get("application/json", {}).get("schema", {})
    return found


def _resolved(part: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in part:
        found: Any = document()
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        part = found
    return part
