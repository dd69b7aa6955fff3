"""Preferences from text."""

from __future__ import annotations

import pytest

from folkmoot.odata.prefer import parse_prefer


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("return=minimal", {"return": "minimal"}),
        ("respond-async", {"respond-async": ""}),
        ('outlook.body-content-type="text", IdType="Imm"', {"outlook.body-content-type": "text", "idtype": "Imm"}),
        ("odata.maxpagesize=2,return=representation", {"odata.maxpagesize": "2", "return": "representation"}),
        ("Return = minimal ; x=1, RETURN=representation", {"return": "minimal"}),
        (r'a="b\"c, d"; e="f,g", h', {"a": 'b"c, d', "h": ""}),
        ("a=1, =, b=2", {"a": "1"}),
        ('a="open', {}),
    ],
)
def test_it_reads(text: str, found: dict[str, str]) -> None:
    assert parse_prefer(text) == found
