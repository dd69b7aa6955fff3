"""Paths: text pairs, refusals, and arbitrary text."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.odata.path import Segment, parse_path
from folkmoot.refusals import UnknownSegment

S = Segment


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("", ()),
        ("/", ()),
        ("groups", (S("groups"),)),
        ("groups//2998/threads/", (S("groups"), S("2998"), S("threads"))),
        ("threads/AAQkAD_x-y%3D%3D/posts/$count", (S("threads"), S("AAQkAD_x-y=="), S("posts"), S("$count"))),
        ("threads/AAQ=", (S("threads"), S("AAQ="))),
        ("threads/a%2Fb", (S("threads"), S("a/b"))),
        ("threads/a%252Fb", (S("threads"), S("a%2Fb"))),
        ("threads/a+b", (S("threads"), S("a+b"))),
        ("users/Ann%23EXT%23@x.org", (S("users"), S("Ann#EXT#@x.org"))),
        ("groups('id')/threads", (S("groups", "id"), S("threads"))),
        ("groups(id)", (S("groups", "id"),)),
        ("threads(AAQ==)", (S("threads", "AAQ=="),)),
        ("groups('')", (S("groups", ""),)),
        ("groups('let''s')", (S("groups", "let's"),)),
        ("users('$x@y.com')", (S("users", "$x@y.com"),)),
        ("groups('a/b')/c", (S("groups", "a/b"), S("c"))),
        ("groups('a''/b')/c", (S("groups", "a'/b"), S("c"))),
        ("groups(%27a/b%27)/c", (S("groups", "a/b"), S("c"))),
        ("groups%28%27id%27%29", (S("groups", "id"),)),
        ("extensions/com.x%281%29", (S("extensions"), S("com.x(1)"))),
        ("groups(uniqueName='x')", (S("groups", None, (("uniqueName", "x"),)),)),
        ("groups/(uniqueName='x')/threads", (S("groups", None, (("uniqueName", "x"),)), S("threads"))),
        ("f(a=1, b='x,y')", (S("f", None, (("a", "1"), ("b", "x,y"))),)),
        ("groups/delta()", (S("groups"), S("delta"))),
        ("groups/microsoft.graph.delta()", (S("groups"), S("microsoft.graph.delta"))),
        ("members/graph.user", (S("members"), S("graph.user"))),
    ],
)
def test_path(raw: str, expected: tuple[Segment, ...]) -> None:
    assert parse_path(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        *("a%", "a%2", "a%zz", "%ff", "%c3%28", "a%00", "a%0a", "a\x00", "a\ud800", "a%20\ud800", "%ed%a0%80", "g('a'"),
        *("g(a", "g(a)b", "g('a'b)", "g(x='a',)", "(x='a')", "g('a')/('b')", "g(a,b)", "g(''')", "groups('a/b"),
    ],
)
def test_refused(raw: str) -> None:
    with pytest.raises(UnknownSegment, match="Resource not found for the segment"):
        parse_path(raw)


@given(st.text() | st.text("/()'%27=,ab "))
def test_any_text(raw: str) -> None:
    try:
        parse_path(raw)
    except UnknownSegment as refusal:
        refusal.message.encode()


@given(st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=["Cc"]), min_size=1))
def test_a_quoted_key_comes_back(key: str) -> None:
    assert parse_path(f"groups('{quote(key.replace(chr(39), chr(39) * 2))}')/x") == (S("groups", key), S("x"))
