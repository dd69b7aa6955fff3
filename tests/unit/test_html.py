"""HTML from outside: what is taken out, what stays, and the first words."""

from __future__ import annotations

import pytest

from folkmoot.mime.html import PREVIEW_LENGTH, clean, preview_of_html, preview_of_text


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
