"""HTML from outside: what is taken out, what stays, and the first words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.mime.html import _CLEANER, _SIMPLE, PREVIEW_LENGTH, clean, preview_of_html, preview_of_text, text_of_html

_WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="<>&\xa0"), max_size=12)
_TEXT = st.lists(_WORDS | st.sampled_from(["&amp;", "&lt;", "&gt;", "&nbsp;", "\n"]), max_size=4).map("".join)
_TAGS = ("b", "i", "u", "em", "strong", "code")
_PLAIN = st.text("ab ", max_size=12)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("<p>Hi <b>there</b></p>", "<p>Hi <b>there</b></p>"),
        ("<p onclick='go()'>Hi</p>", "<p>Hi</p>"),
        ("<script>alert(1)</script><p>Hi</p>", "<p>Hi</p>"),
        ("<style>p{color:red}</style><p>Hi</p>", "<p>Hi</p>"),
        ("<a href='javascript:alert(1)'>x</a>", '<a rel="noopener noreferrer">x</a>'),
        ("<img src='cid:logo@x' alt='logo'>", '<img src="cid:logo@x" alt="logo">'),
        ("<iframe src='https://x'></iframe>after", "after"),
        ("<form action='https://x'><input name='p'></form>Hi", "Hi"),
        ("<p style='color:red; position:fixed'>Hi</p>", '<p style="color:red">Hi</p>'),
        ("<html><body><div>Hi</div></body></html>", "<div>Hi</div>"),
        ("<html><head><title>Draft 3</title></head><body>Hi</body></html>", "Hi"),
        ("<!-- hidden -->Hi", "Hi"),
        ("1 < 2", "1 &lt; 2"),
        ("<svg><script>alert(1)</script></svg>ok", "ok"),
    ],
)
def test_what_could_act_is_taken_out(given: str, kept: str) -> None:
    assert clean(given) == kept


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        ("<p>Shall we meet on <b>Friday</b>?</p>", "Shall we meet on Friday?"),
        ("<p>One</p><p>Two</p>", "One Two"),
        ("Line<br>break", "Line break"),
        ("<ul><li>a</li><li>b</li></ul>", "a b"),
        ('<a title="x > y" href="https://x">link</a>', "link"),
        ("Caf&eacute; &amp; cr&egrave;me", "Café & crème"),
        ("", ""),
    ],
)
def test_the_preview_is_the_first_words(markup: str, words: str) -> None:
    assert preview_of_html(clean(markup)) == words


def test_a_preview_is_one_line_and_short() -> None:
    assert preview_of_text("a\r\n\tb  c\n") == "a b c"
    assert len(preview_of_text("word " * 1000)) == PREVIEW_LENGTH
    assert preview_of_text(" " * 1000 + "word " * 2) == "word word"
    assert preview_of_text("a" + " " * 1000 + "b" * 300) == "a " + "b" * (PREVIEW_LENGTH - 2)


@given(st.lists(st.text("ab ", max_size=300), max_size=6).map("\n".join))
def test_a_preview_is_the_beginning_of_the_words(text: str) -> None:
    assert preview_of_text(text) == " ".join(text.split())[:PREVIEW_LENGTH]


@given(st.lists(st.tuples(st.sampled_from((*_TAGS, "p")), _PLAIN), max_size=6))
def test_text_of_simple_markup(pieces: list[tuple[str, str]]) -> None:
    markup = "".join(f"<{tag}>{inner}</{tag}>" for tag, inner in pieces)
    assert text_of_html(markup) == "".join(f" {inner} " if tag == "p" else inner for tag, inner in pieces)


_PIECE = _TEXT | st.just("<br>") | st.tuples(st.sampled_from(_TAGS), _TEXT).map(lambda p: f"<{p[0]}>{p[1]}</{p[0]}>")
_PARAGRAPH = st.lists(_PIECE, max_size=4).map("".join).map(lambda inner: f"<p>{inner}</p>")


@given(st.lists(_TEXT | _PARAGRAPH, max_size=4).map("".join))
def test_simple_markup_is_what_the_cleaner_would_give_too(markup: str) -> None:
    assert _SIMPLE.fullmatch(markup)
    assert _CLEANER.clean(markup) == markup


@given(st.text(st.sampled_from("<>/&;pbi =\"'ascriptonerr\r"), max_size=40))
def test_whatever_is_kept_as_it_is_the_cleaner_keeps_too(markup: str) -> None:
    assert clean(markup) == _CLEANER.clean(markup)


def test_a_long_post_is_previewed_by_its_first_words() -> None:
    assert preview_of_html(clean("<p>" + "<b></b>" * 400 + "Late words</p>")) == "Late words"
    assert preview_of_html(clean("<p>word " * 100_000)).startswith("word word")
    assert "<" not in preview_of_html(clean("<a href='https://x.example'>y</a>" * 400))


# ── markup that takes more than its length ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "markup",
    [
        "<p>" + "".join(f"<i id={n}>" for n in range(3_000)) + "</p>" + "<p>x" * 3_000,
        "<font size=1><p>" * 4_000,
        "".join(f"<li><b id={n}>" for n in range(4_000)),
        "".join(f"<td><u id={n}>" for n in range(4_000)),
        "".join(f"<a href=x><b id={n}>" for n in range(4_000)),
        "".join(f"<b id={n}><div>" for n in range(4_000)) + "</b>x" * 4_000,
        "<p><td>" + "<b>" * 250 + "<hr>" * 4_000,
    ],
    ids=["left open", "font", "li", "td", "a", "div", "hr"],
)
def test_formatting_that_is_left_open_is_not_opened_again_and_again(markup: str) -> None:
    """As the standard has it each `x` of the first would be in three thousand elements: two hundred megabytes."""
    assert len(clean(markup)) < 3 * len(markup)


@pytest.mark.parametrize("tag", ["div", "ul", "span", "blockquote", "b"])
def test_what_is_nested_too_deeply_keeps_its_text(tag: str) -> None:
    cleaned = clean(f"<{tag}>" * 500_000 + "deep" + f"</{tag}>" * 500_000 + "<p>after</p>")
    assert cleaned.count(f"<{tag}>") <= 256
    assert text_of_html(cleaned).split() == ["deep", "after"]
    assert cleaned.endswith(f"</{tag}><p>after</p>")


LETTER = (
    '<div style="color:red"><table border=1><tr><td><b>A</b> &lt;b&gt;<td>1 < 2 & 3<tr><th>C<th>'
    "<font color=blue>D</font>"
    '</table><!--[if mso]><b>no</b><![endif]--><ul><li>one<li>two <i>three</i></ul><p>A <a href="https://x/?a=1&amp;b=/">'
    'link</a><p>B<br>C <img src=cid:logo alt="it\'s"><blockquote><p>Quoted</blockquote></div><style>p{}</style>'
)


def test_a_long_letter_is_what_its_parts_are() -> None:
    assert clean(LETTER * 400) == clean(LETTER) * 400


@pytest.mark.parametrize(
    "markup",
    [
        "<b><table><tbody><tr><td>one</b></td><td>two</td></tr></tbody></table></b>",
        "<div><table><tbody><tr><td>one</div></font></td><td>two</td></tr></tbody></table></div>",
        "<table><tbody><tr><td><ul><li>one</td></tr></tbody></table><p>two</p>",
        "<!-->one<!--[if mso]>no<![endif]-->, <!--->two",
        "one <svg width=1 /> two",
        "one <select><option>two</select> <noscript>three</noscript>",
    ],
    ids=["end of b in a cell", "ends in a cell", "end of a cell", "comments", "drawing", "choice"],
)
def test_a_long_letter_loses_nothing_that_a_short_one_has(markup: str) -> None:
    assert clean("<br>" * 3_000 + markup) == "<br>" * 3_000 + clean(markup)


def test_a_long_letter_is_as_safe_as_a_short_one() -> None:
    evil = (
        "<img src=x onerror=alert(1)><script>alert(1)</script><a href=javascript:alert(1)>x</a>"
        '<p title="><img src=x onerror=alert(1)>">y</p><svg><style><img src=x onerror=alert(1)></style></svg>'
        "<!--><img src=x onerror=alert(1)>--><textarea><img src=x onerror=alert(1)></textarea>"
        "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript><style><a title='</style><b>"
    )
    cleaned = clean(LETTER * 400 + evil)
    for word in ("<script", "javascript:", "<svg", "<style", "<textarea", "<noscript"):
        assert word not in cleaned
    assert re.search(r"<[^>]*\son", cleaned) is None
    assert clean(cleaned) == cleaned
