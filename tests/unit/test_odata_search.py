"""`$search`: words, the grammar, and what a tree comes to, as text pairs."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.odata.search import (
    Alternative,
    And,
    Attached,
    Node,
    Not,
    Or,
    Received,
    Words,
    alternatives,
    parse_search,
)
from folkmoot.odata.words import LONGEST, asked, in_place, words
from folkmoot.refusals import BadClause


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ""),
        ("Hello, World!", "hello world"),
        ("O'Brien's e-mail_address", "o brien s e mail address"),
        ("Straße STRASSE", "strasse strasse"),
        ("ÆØÅ æøå Łódź Đà œuvre Þór", "aeoa aeoa lodz da oeuvre thor"),
        ("İSTANBUL Istanbul ıstanbul istanbul", "istanbul istanbul istanbul istanbul"),
        ("café cafe\u0301 CAFÉ", "cafe cafe cafe"),
        ("ﬁne ２０２６ x²", "fine 2026 x2"),
        ("Σίσυφος ΣΊΣΥΦΟΣ", "σισυφοσ σισυφοσ"),
        ("Йод ёж", "иод еж"),
        ("שָׁלוֹם", "שלום"),
        ("हिन्दी", "हिन्दी"),
        ("日本語", "日本 本語 語"),
        ("語", "語"),
        ("がか カﾞ", "がか か ガ"),
        ("한국어", "한국 국어 어"),
        ("ภาษา", "ภา าษ ษา า"),
        ("第3章abc中文", "第 3 章 abc 中文 文"),
        ("soft\u00adhyphen zero\u200bwidth", "softhyphen zerowidth"),
        ("x" * 100, "x" * LONGEST),
        ("🙂 -- …", ""),
    ],
)
def test_words(text: str, found: str) -> None:
    assert " ".join(words(text)) == found


@given(st.lists(st.text("aB1éß,ı \t字", max_size=90), max_size=4).map(" ".join) | st.text())
def test_words_in_place_are_the_words(text: str) -> None:
    found = in_place(text)
    assert found is None or found.split() == words(text)


@pytest.mark.parametrize(
    ("text", "none"),
    [("A word, an ÉTÉ.", False), ("", False), ("a" * LONGEST, False), ("a" * (LONGEST + 1), True), ("字", True),
     (" " * 99 + "a" * LONGEST + " b", False), ("b " + "a" * (LONGEST + 1) + " " * 99, True)],
)  # fmt: skip
def test_words_in_place_of_most_texts(text: str, none: bool) -> None:
    assert (in_place(text) is None) is none


@pytest.mark.parametrize(
    ("text", "found", "beginning"),
    [
        ("hello", "hello", False),
        ("日", "日", True),
        ("日本", "日本", False),
        ("日本語", "日本 本語", False),
        ("第3章", "第 3 章", True),
        ("日本 plan", "日本 本 plan", False),
        ("!", "", False),
    ],
)
def test_words_of_a_question(text: str, found: str, beginning: bool) -> None:
    assert asked(text) == (tuple(found.split()), beginning)


@given(st.text(max_size=30), st.text(max_size=10), st.text(max_size=10))
def test_any_part_is_found_in_the_whole(inner: str, before: str, after: str) -> None:
    """What is cut out between blanks follows each other in the words of the whole."""
    whole = words(f"{before} {inner} {after}")
    part, beginning = asked(inner)
    if part:
        ends = part[-1]
        assert any(
            tuple(whole[at : at + len(part) - 1]) == part[:-1]
            and (whole[at + len(part) - 1].startswith(ends) if beginning else whole[at + len(part) - 1] == ends)
            for at in range(len(whole) - len(part) + 1)
        )


def spelt(node: Node) -> str:
    """A tree on one line."""
    match node:
        case Words(given, field, beginning):
            return (f"{field}:" if field else "") + "_".join(given) + ("*" if beginning else "")
        case Received(since, until):
            return f"[{'' if since is None else since}..{'' if until is None else until}]"
        case Attached(value):
            return f"attached={value}"
        case And(parts):
            return f"({' & '.join(spelt(part) for part in parts)})"
        case Or(parts):
            return f"({' | '.join(spelt(part) for part in parts)})"
        case Not(part):
            return f"!{spelt(part)}"
    raise AssertionError(node)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("launch", "launch"),
        ("  launch  plan ", "(launch & plan)"),
        ("launch AND plan", "(launch & plan)"),
        ("launch and plan", "(launch & and & plan)"),
        ("a OR b c", "(a | (b & c))"),
        ("(a OR b) c", "((a | b) & c)"),
        ("a NOT b", "(a & !b)"),
        ("NOT NOT a", "!!a"),
        ("a -b +c", "(a & !b & c)"),
        ("a - b", "(a & b)"),
        ("-(a b)", "!(a & b)"),
        ("well-known", "well_known"),
        ('"launch plan" b', "(launch_plan & b)"),
        ('"launch plan"', "(launch & plan)"),
        (r'"\"launch plan\""', "launch_plan"),
        (r'"from:adele \"the plan\" -x"', "(from:adele & the_plan & !x)"),
        (r'"a\"b c\"d"', "(a & b_c & d)"),
        ('"a" OR "b"', "(a | b)"),
        ('a"b c"', "(a & b_c)"),
        ("laun*", "laun*"),
        ('"the laun"* x', "(the_laun* & x)"),
        ("*", None),
        ("from:adele", "from:adele"),
        ("FROM:AdeleV@contoso.com", "from:adelev_contoso_com"),
        ('sender:"Adele Vance" x', "(from:adele_vance & x)"),
        ("from: adele", "from:adele"),
        ("subject:a topic=b body:c*", "(subject:a & subject:b & body:c*)"),
        ("http://example.org/x", "http_example_org_x"),
        ("a=b 1:2", "(a_b & 1_2)"),
        ("received:2026-01-01", "[1767225600..1767312000]"),
        ("received=2026-01-01", "[1767225600..1767312000]"),
        ("received>2026-01-01", "[1767312000..]"),
        ("received>=2026-01-01", "[1767225600..]"),
        ("received<2026-01-01", "[..1767225600]"),
        ("received<=2026-01-01", "[..1767312000]"),
        ("received:2026-01-01..2026-01-02", "[1767225600..1767398400]"),
        ("received>=2026-01-01T10:00Z", "[1767261600..]"),
        ("received>2026-01-01T10:00:30+02:00", "[1767254431..]"),
        ("hasAttachments:true", "attached=True"),
        ("hasattachment=FALSE", "attached=False"),
        ("a & b", "(a & b)"),
        ("a OR &", "a"),
        ("ORANGE ANDES NOTE", "(orange & andes & note)"),
        ("日本 語", "(日本 & 語*)"),
    ],
)
def test_trees(text: str, tree: str | None) -> None:
    if tree is None:
        with pytest.raises(BadClause):
            parse_search(text)
    else:
        assert spelt(parse_search(text)) == tree


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nothing to look for at position 1"),
        ('"  "', "nothing to look for at position 4"),
        ("--", "no letters or digits to look for at position 1"),
        ("a (b", "'(' is not closed at position 3"),
        ("a) b", "')' closes nothing at position 2"),
        ("()", "a term is missing at position 2"),
        ("OR a", "a term is missing at position 1"),
        ("a OR OR b", "a term is missing at position 6"),
        ("a NOT", "a term is missing at position 6"),
        ('a "b', "the quote is not closed at position 3"),
        ('"a \\"b"', "the quote is not closed at position 4"),
        ("x to:adele", "'to' is not a property that can be searched at position 3"),
        ("a from:", "from: needs a value at position 3"),
        ("from:(a b)", "from: takes one word or phrase at position 6"),
        ("body>a", "'>' is not supported for body"),
        ("received:yesterday", "'received:yesterday' cannot be read at position 1"),
        ("received>2026-01-01..2026-02-01", "cannot be read"),
        ("received:2026-13-01", "cannot be read"),
        ("hasAttachments:2", "cannot be read"),
        ("a " * 51, "more than 50 terms"),
        ("(" * 21 + "a", "nested too deeply"),
        ("NOT " * 30 + "a", "nested too deeply"),
    ],
)
def test_what_is_wrong_and_where(text: str, message: str) -> None:
    with pytest.raises(BadClause) as refusal:
        parse_search(text)
    assert message in refusal.value.message
    assert refusal.value.target == "$search"


NOTHING = Alternative(since=0, until=0)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a OR -b", [Alternative(text=parse_search("a OR -b"))]),
        ("a received>=2026-01-01", [Alternative(parse_search("a"), since=1767225600)]),
        ("received>=2026-01-01 received<2026-01-02", [Alternative(since=1767225600, until=1767312000)]),
        ("received<2026-01-01 received>2026-01-02", [NOTHING]),
        ("hasAttachments:true hasAttachments:false", [NOTHING]),
        ("a OR b OR hasAttachments:true", [Alternative(parse_search("a OR b")), Alternative(attached=True)]),
        ("NOT received:2026-01-01", [Alternative(until=1767225600), Alternative(since=1767312000)]),
        ("NOT (a hasAttachments:true)", [Alternative(parse_search("NOT a")), Alternative(attached=False)]),
        ("NOT NOT hasAttachments:true", [Alternative(attached=True)]),
    ],
)
def test_alternatives(text: str, found: list[Alternative]) -> None:
    assert list(alternatives(parse_search(text))) == found


PIECES = """a b* "c d" \\" " ( ) OR AND NOT - + : from: received >= 2026-01-01 hasAttachments:true 日本 é * = .. \\"""
pieces = st.sampled_from([*PIECES.split(), " ", " "])


@given(st.lists(pieces, max_size=20).map("".join) | st.text(max_size=40))
def test_anything_is_read_or_refused(text: str) -> None:
    for whole in (text, f'"{text}"'):
        with contextlib.suppress(BadClause):
            assert 1 <= len(alternatives(parse_search(whole))) <= 16
