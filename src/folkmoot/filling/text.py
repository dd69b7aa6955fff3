"""Made-up text that looks real: sentences are made once for a number, with their words cut, and posts are put together
from them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from random import Random
from typing import NamedTuple

from folkmoot.filling import phrases
from folkmoot.filling.phrases import Phrases
from folkmoot.mime.html import PREVIEW_LENGTH
from folkmoot.odata.words import words

_GAP = re.compile(r"\{(\w+)\}")
_SENTENCES = 6_000  # of each language; low numbers come more often
_PRODUCTS = 30_000
# A post has at most so many sentences beside greeting and closing.
_LONGEST = 14


class Body(NamedTuple):
    """A post's body as it is stored, its preview, and the words under which it is found, between blanks."""

    content_type: str
    content: str
    preview: str
    words: str


class Sentence(NamedTuple):
    """A sentence and its words, between blanks."""

    text: str
    words: str


class Writer:
    """Writes in one language; the same for the same seed."""

    def __init__(self, seed: int, number: int) -> None:
        self._key = f"{seed} {number}"
        self._phrases: Phrases = phrases.LANGUAGES[number][0]
        self._sentence = lru_cache(maxsize=_SENTENCES)(self._made)
        self._short = [_cut(text) for text in self._phrases.short]
        self._ticket = self._phrases.ticket.split("{number}")

    def body(self, dice: Random, first: str, number: int) -> Body:
        """A post by somebody called `first`; `number` is told in some of them."""
        roll = dice.random
        if roll() < 0.3:
            lines = [[self._short[int(roll() * len(self._short))]]]
            if roll() < 0.5:
                lines[0].append(self._some(roll))
        else:
            count = min(_LONGEST, 1 + int(1.6 / (1.02 - roll()) ** 0.7))
            said = [self._some(roll) for _ in range(count)]
            lines = [self._opened(dice, first), *(said[at : at + 3] for at in range(0, count, 3))]
            if roll() < 0.6:
                lines.append([_closing(self._phrases, int(roll() * len(self._phrases.closings)), first)])
        if roll() < 0.25:
            before, after = self._ticket
            lines.append([_cut(f"{before}{number}{after}")])
        space = self._phrases.space
        paragraphs = [space.join([each.text for each in line]) for line in lines]
        found = " ".join([each.words for line in lines for each in line])
        preview = " ".join(paragraphs)[:PREVIEW_LENGTH]
        if roll() < 0.3:
            return Body("text", "\n\n".join(paragraphs), preview, found)
        if roll() < 0.2:
            paragraphs[-1] = f"<b>{paragraphs[-1]}</b>"
        return Body("html", f"<p>{'</p><p>'.join(paragraphs)}</p>", preview, found)

    def topic(self, dice: Random) -> str:
        """What a conversation is about."""
        return _filled(dice.choice(self._phrases.topics), self._phrases, dice)

    def _opened(self, dice: Random, first: str) -> list[Sentence]:
        # Whoever is greeted is somebody else.
        greeted = phrases.FIRST_NAMES[int(dice.random() * len(phrases.FIRST_NAMES))]
        number = int(dice.random() * len(self._phrases.greetings))
        return [_greeting(self._phrases, number, greeted if greeted != first else "Kim")]

    def _some(self, roll: object) -> Sentence:
        at: float = roll()  # type: ignore[operator]
        return self._sentence(int(_SENTENCES * at * at * at))

    def _made(self, number: int) -> Sentence:
        dice = Random(f"{self._key} {number}")  # noqa: S311  (made-up text)
        return _cut(_filled(dice.choice(self._phrases.sentences), self._phrases, dice))


def _cut(text: str) -> Sentence:
    return Sentence(text, " ".join(words(text)))


@lru_cache(maxsize=4096)
def _greeting(language: Phrases, number: int, first: str) -> Sentence:
    return _cut(language.greetings[number].format(first=first))


@lru_cache(maxsize=65_536)
def _closing(language: Phrases, number: int, first: str) -> Sentence:
    return _cut(language.closings[number].format(first=first))


def _filled(text: str, language: Phrases, dice: Random) -> str:
    def gap(found: re.Match[str]) -> str:
        match found[1]:
            case "name":
                return f"{dice.choice(phrases.FIRST_NAMES)} {dice.choice(phrases.LAST_NAMES)}"
            case "number":
                return str(dice.randrange(100, 90_000))
            case "small":
                return str(dice.randrange(2, 13))
            case "product":
                return product(int(_PRODUCTS * dice.random() ** 3))
            case kind:
                choices: tuple[str, ...] = getattr(language, f"{kind}s")
                return dice.choice(choices)

    return _GAP.sub(gap, text)


def product(number: int) -> str:
    """A made-up name of a firm or a product, another for each number."""
    parts = []
    number += 2 * len(phrases.SYLLABLES)
    while number:
        number, rest = divmod(number, len(phrases.SYLLABLES))
        parts.append(phrases.SYLLABLES[rest])
    return "".join(parts).capitalize()
