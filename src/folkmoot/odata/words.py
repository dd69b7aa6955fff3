"""Text → the words under which it is found, alike for what is stored and for what is asked.

Done here and not by a database, so that both find the same. Case, accents and ligatures are folded (Unicode NFKD, UAX
#15); scripts that put no space between words are cut into overlapping pairs of characters.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

# A word that is longer is found by its beginning.
LONGEST = 64

# What has no decomposition, as people type it who lack the key. The dotless i is an i: İstanbul, Istanbul, ıstanbul.
_LETTERS = str.maketrans(
    {"æ": "ae", "ø": "o", "œ": "oe", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ħ": "h", "ŧ": "t", "ı": "i", "ŋ": "n"}
)
# Accents, and the vowel points of Hebrew and Arabic, which are seldom typed. Other scripts' marks are letters to them.
_MARKS = re.compile(
    "[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"
    "\u00ad\u200b-\u200d]"  # and what is not seen at all
)
# Han, kana, Hangul, Thai, Lao, Burmese, Khmer: no spaces, or words that nobody looks for whole.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUN = rf"[{_UNSPACED}]+|(?:[^\W_{_UNSPACED}]++|[\u0900-\u0dff]++)++"
# Of ASCII: capitals as small letters, what is no letter or digit as a blank.
_PLAIN = "".join(chr(code).lower() if chr(code).isalnum() else " " for code in range(128))
_PAIRED = f"[{_UNSPACED}]"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """One of the last two: what takes long is compiled when a text is not ASCII, and not at the start."""
    return re.compile(pattern)


def fold(text: str) -> str:
    """`text` without case and accents."""
    if text.isascii():
        return text.lower()
    plain = _MARKS.sub("", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", plain.translate(_LETTERS))


def words(text: str) -> list[str]:
    """The words of `text` in their order, as they are indexed. An unspaced run ends in its last character alone."""
    # Most text is ASCII, or is once it is folded, and this is done for every post.
    folded = text if text.isascii() else fold(text)
    if folded.isascii():
        plain = folded.translate(_PLAIN).split()
        return plain if max(map(len, plain), default=0) <= LONGEST else [word[:LONGEST] for word in plain]
    found: list[str] = []
    for run in _compiled(_RUN).findall(folded):
        if _compiled(_PAIRED).match(run):
            found += [run[at : at + 2] for at in range(len(run))]
        else:
            found.append(run[:LONGEST])
    return found


def in_place(text: str) -> str | None:
    """`text` with nothing but its words and blanks, for one that is ASCII once it is folded; else None.

    None also where a word is longer than is kept of it. It spares most posts a list of their words.
    """
    folded = text if text.isascii() else fold(text)
    if not folded.isascii():
        return None
    plain = folded.translate(_PLAIN)
    begins = 0
    while len(plain) - begins > LONGEST:
        begins = plain.rfind(" ", begins, begins + LONGEST + 1) + 1
        if not begins:
            return None
    return plain


def asked(text: str) -> tuple[tuple[str, ...], bool]:
    """The words of a question, which must follow each other, and whether the last is only a beginning of one.

    A question may end inside an unspaced run, so the run's last character stands with any after it.
    """
    found = words(text)
    folded = fold(text)
    runs = _compiled(_RUN).findall(folded)
    if not runs or not _compiled(_PAIRED).match(runs[-1]):
        return tuple(found), False
    if len(runs[-1]) == 1:
        return tuple(found), True
    return tuple(found[:-1]), False
