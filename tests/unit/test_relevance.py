"""The measure of relevance for SQLite: what is better than what."""

from __future__ import annotations

import pytest

from folkmoot.graph import relevance
from folkmoot.odata.search import parse_search

_PLACE = "†g1 †c2 †t3 †p4"


def order(text: str, *posts: str) -> list[int]:
    """The numbers of posts, the best first."""
    found = relevance.scores(parse_search(text), [f"{_PLACE} {post}" for post in posts])
    return sorted(range(len(posts)), key=lambda number: -found[number])


@pytest.mark.parametrize(
    ("text", "posts"),
    [
        ("walrus", ("a walrus and a walrus here", "a walrus and a seal here", "a seal")),
        ("walrus", ("a walrus", "a walrus " + "among many others " * 20)),
        ("walrus", ("text §walrus", "walrus §text", "seal §text")),
        ("walrus", ("text ¶walrus", "walrus ¶text")),
        ("subject:walrus", ("text ‡walrus", "walrus walrus ¶walrus §text")),
        ("from:walrus", ("text §text ¶some ¶walrus", "walrus §walrus ¶text")),
        ("body:walrus", ("walrus §text", "text §walrus ¶walrus")),
        ("walr*", ("a walrus and walruses", "a walrus and seals", "a seal")),
        (r'"\"the walrus\""', ("see the    walrus now", "see a walrus and the seal")),
        (r'"from:\"the walrus\""', ("text ¶the ¶walrus", "the walrus ¶the ¶seal")),
        # What few have tells more than what all have.
        ("common OR rare", ("rare one", "common one", "common two", "common three", "common four")),
        ("walrus NOT seal", ("a walrus", "seal seal seal")),
        ("(walrus OR tusk) AND whisker", ("walrus tusk whisker", "walrus or whisker", "nothing of that")),
    ],
)
def test_the_first_is_better(text: str, posts: tuple[str, ...]) -> None:
    assert order(text, *posts)[0] == 0
    assert order(text, *reversed(posts))[0] == len(posts) - 1


def test_nothing_is_better_where_no_words_are_asked_for() -> None:
    assert relevance.scores(None, ["a", "b"]) == [0.0, 0.0]
    assert relevance.scores(parse_search("walrus"), []) == []
