"""Ids of extended properties: spellings of one id, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from folkmoot.graph.property_ids import TYPES, parse_property_id

G = "66f5a359-4659-4830-9070-00047ec6ac6e"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (f"String {{{G}}} Name Color", f"String {{{G}}} Name Color"),
        (f"string {{{G.upper()}}} name Color", f"String {{{G}}} Name Color"),
        (f"  STRING   {{{G}}}  NAME  Color ", f"String {{{G}}} Name Color"),
        (f"String {{{G}}} Name color", f"String {{{G}}} Name color"),
        (f"String {{{G}}} Name Two words", f"String {{{G}}} Name Two words"),
        (f"String {{{G}}} Name Id 0x8012", f"String {{{G}}} Name Id 0x8012"),
        (f"Integer {{{G}}} Id 0x8012", f"Integer {{{G}}} Id 0x8012"),
        (f"integer {{{G}}} id 0X08012", f"Integer {{{G}}} Id 0x8012"),
        (f"Integer {{{G}}} Id 32786", f"Integer {{{G}}} Id 0x8012"),
        ("String 0x4001001E", "String 0x4001"),
        ("string 0x4001001f", "String 0x4001"),
        ("String 0x4001", "String 0x4001"),
        ("clsid 0x0001", "CLSID 0x0001"),
        (f"stringarray {{{G}}} Name Colors", f"StringArray {{{G}}} Name Colors"),
        ("systemtimeARRAY 0x7fff", "SystemTimeArray 0x7fff"),
    ],
)
def test_spellings(text: str, key: str) -> None:
    found = parse_property_id(text)
    assert found.key == key
    assert found.many is ("Array" in key)
    assert parse_property_id(key) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "String",
        "Color",
        f"String {G} Name Color",
        f"String {{{G}}}",
        f"String {{{G}}} Name",
        f"String {{{G}}} Name ",
        f"String {{{G}}} Color",
        f"String {{{G[:-1]}}} Name Color",
        f"String {{{G[:-1]}-}} Name Color",
        f"Text {{{G}}} Name Color",
        f"BooleanArray {{{G}}} Name Color",
        f"Null {{{G}}} Name Color",
        f"Integer {{{G}}} Id 0x7fff",
        f"Integer {{{G}}} Id 0xffff",
        f"Integer {{{G}}} Id 1",
        f"Integer {{{G}}} Id 0x",
        f"String {{{G}}} Name {'x' * 256}",
        "String 0x0000",
        "String 0x8000",
        "String 4001",
        "String 0x123456789",
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"property|numbers|name|GUID|tags"):
        parse_property_id(text)


@given(some.text(max_size=80))
def test_any_text_is_an_id_or_refused(text: str) -> None:
    try:
        found = parse_property_id(text)
    except ValueError:
        return
    assert parse_property_id(found.key) == found


@pytest.mark.parametrize(
    ("type", "good", "bad"),
    [
        ("Integer", ["12", "-2147483648", "+5"], ["", "x", "1.5", "2147483648", "١", " 1"]),
        ("Short", ["-32768"], ["32768"]),
        ("Long", ["9223372036854775807"], ["9223372036854775808", "1" * 40]),
        ("Currency", ["0"], ["0.5"]),
        ("Double", ["1.5", "-2", "3e10", "1."], ["x", "nan", "1e999", "", ".5e", "0x1"]),
        ("Boolean", ["true", "False", "0"], ["yes", ""]),
        ("CLSID", [G, G.upper()], ["x", ""]),
        ("SystemTime", ["2026-11-23T10:00:00Z", "2026-11-23T10:00:00.1234567+01:00", "2026-11-23"], ["yesterday", ""]),
        ("Binary", ["", "AAEC"], ["A", "@@@@", "ü"]),
        ("String", ["", "anything"], []),
    ],
)
def test_values(type: str, good: list[str], bad: list[str]) -> None:
    assert [text for text in good if not TYPES[type](text)] == []
    assert [text for text in bad if TYPES[type](text)] == []


@given(some.sampled_from(sorted(TYPES)), some.text(max_size=40))
def test_any_text_is_a_value_or_not(type: str, text: str) -> None:
    assert TYPES[type](text) in (True, False)
