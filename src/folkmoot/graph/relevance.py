"""How well posts match the words of a `$search`: the measure for SQLite.

FTS5's own (`bm25`) asks its index how many posts there are with each word, which goes through all of them. This is the
same formula (Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009), where what is
compared stands for the whole; a word in a topic or in an author's name counts for several.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from folkmoot.odata.search import And, Node, Or, Words
from folkmoot.store import search

# What a word is worth that stands there rather than in the body.
_WORTH = {search.BODY: 1, search.TOPIC: 4, search.CONVERSATION_TOPIC: 4, search.AUTHOR: 2}
# The formula's usual parameters: how soon more of the same word counts less, and how much length counts against a post.
_K1, _B = 1.2, 0.75


def scores(text: Node | None, indexed: Sequence[str]) -> list[float]:
    """How well each of some posts matches; more is better. `indexed` are their words as they are stored; 0 for
    all where no words are asked for."""
    found = [0.0] * len(indexed)
    if text is None or not indexed:
        return found
    lengths = [len(each) for each in indexed]
    mean = sum(lengths) / len(lengths)
    burdens = [_K1 * (1 - _B + _B * length / mean) for length in lengths]
    for term in _terms(text):
        counts = _counted(term, indexed)
        having = len(counts) - counts.count(0)
        rarity = math.log(1 + (len(counts) - having + 0.5) / (having + 0.5))
        for number, (count, burden) in enumerate(zip(counts, burdens, strict=True)):
            if count:
                found[number] += rarity * count * (_K1 + 1) / (count + burden)
    return found


def _terms(node: Node) -> Iterator[Words]:
    """What a post is better for having."""
    if isinstance(node, Words):
        yield node
    elif isinstance(node, And | Or):
        for part in node.parts:
            yield from _terms(part)


def _counted(term: Words, indexed: Sequence[str]) -> list[int]:
    """How often each post has a term, by what that is worth; the same word twice running may count once."""
    if len(term.words) > 1:
        indexed = [" ".join(each.split()) for each in indexed]  # of blanks there may be several
    counts = [0] * len(indexed)
    for mark in search.FIELDS[term.field]:
        worth, last = _WORTH[mark], " " + " ".join([mark + word for word in term.words])
        if term.beginning:
            counts = [count + worth * each.count(last) for count, each in zip(counts, indexed, strict=True)]
        else:
            spelt = last + " "
            counts = [
                count + worth * (each.count(spelt) + each.endswith(last))
                for count, each in zip(counts, indexed, strict=True)
            ]
    return counts
