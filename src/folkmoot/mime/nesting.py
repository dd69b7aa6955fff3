"""Markup that takes a parser of HTML more than its length: told apart by counting, and nested plainly.

The algorithm of the standard (WHATWG HTML §13.2.6) walks along all open elements for most tags, and opens formatting
elements that a block left open again in each block that follows: 64 kB of `<div>` take seconds, and 64 kB of `<i id=1>`
and `<p>` gigabytes.
"""

from __future__ import annotations

import re
from collections import Counter

# What a parser may be given as it is: tags, and tags times formatting elements. Some tenths of a second at worst.
_TAGS = 3_000
_PRODUCT = 100_000
# Elements within one another; what is deeper loses its tag and keeps its text. Browsers stop at 512.
DEPTH = 256

_FORMATTING = re.compile(r"<(?:a|b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)[\s/>]", re.IGNORECASE)
_NEVER_TEXT = "script|style|title|textarea|xmp|iframe|noembed|noframes|noscript|plaintext|svg|math|select|template"
_LEFT_OUT = re.compile(
    rf"<!--.*?(?:--!?>|\Z)|<[!?][^>]*+(?:>|\Z)|<(?P<raw>{_NEVER_TEXT})\b.*?(?:</(?P=raw)\b[^>]*+(?:>|\Z)|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_TOKEN = re.compile(r"<(?P<end>/?)(?P<name>[a-zA-Z][a-zA-Z0-9]*)(?P<rest>[^<>]*+)>")
# Attributes that everybody reads in the same way.
_PLAIN = re.compile(r"""(?:\s++[^\s"'<>/=]++(?:\s*+=\s*+(?:"[^"<>]*+"|'[^'<>]*+'|[^\s"'=<>`]++))?+)*+\s*+/?+""")
_VOID = frozenset(("area", "br", "col", "hr", "img", "wbr"))
_CELL = frozenset(("table", "td", "th", "caption"))
_TABLE = frozenset(("table",))
_ENDS_P = frozenset(
    (
        *(
            "address",
            "article",
            "aside",
            "blockquote",
            "center",
            "dd",
            "details",
            "div",
            "dl",
            "dt",
            "figure",
            "footer",
        ),
        *("h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section"),
        *("summary", "table", "ul"),
    )
)
# By an element that begins: which ones end there though nothing says so, unless they are outside of one of the others.
_ENDS = {
    "a": (frozenset(("a",)), _CELL),
    "li": (frozenset(("li",)), _CELL | {"ul", "ol"}),
    **dict.fromkeys(("dt", "dd"), (frozenset(("dt", "dd")), _CELL | {"dl"})),
    **dict.fromkeys(("td", "th", "caption"), (frozenset(("td", "th", "caption")), _TABLE)),
    "tr": (frozenset(("tr", "caption")), _TABLE),
    **dict.fromkeys(("tbody", "thead", "tfoot"), (frozenset(("tbody", "thead", "tfoot", "caption")), _TABLE)),
    "table": (_TABLE, _CELL - _TABLE),
}
_P = (frozenset(("p",)), _CELL)
_ENDING = {
    name: ((_ENDS[name],) if name in _ENDS else ()) + ((_P,) if name in _ENDS_P else ())
    for name in _ENDS_P | set(_ENDS)
}


def is_costly(markup: str) -> bool:
    """Whether a parser might take much longer for it than for other markup of its length."""
    tags = markup.count("<")
    return tags > _TAGS or tags * sum(1 for _ in _FORMATTING.finditer(markup)) > _PRODUCT


def plain(markup: str, known: frozenset[str]) -> str:
    """`markup` with the tags `known` alone, each element ended within the one that it began in, `DEPTH` deep at most.

    Comments go, and what is never shown as text. Takes as long as the markup is long.
    """
    found: list[str] = []
    open_: list[str] = []
    there: Counter[str] = Counter()
    flattened: Counter[str] = Counter()
    at = 0

    def end() -> None:
        name = open_.pop()
        there[name] -= 1
        found.append(f"</{name}>")

    markup = _LEFT_OUT.sub("", markup)
    for token in _TOKEN.finditer(markup):
        found.append(markup[at : token.start()].replace("<", "&lt;"))
        at = token.end()
        name = token["name"].lower()
        if name not in known:
            continue
        if token["end"]:
            if flattened[name]:
                flattened[name] -= 1
            elif there[name]:
                while open_[-1] != name:
                    end()
                end()
            continue
        for ended, outside in _ENDING.get(name, ()):
            if any(there[each] for each in ended):
                for _ in range(_above(open_, ended, outside)):
                    end()
        rest = token["rest"] if _PLAIN.fullmatch(token["rest"]) else ""
        if name in _VOID:
            found.append(f"<{name}{rest}>")
        elif len(open_) < DEPTH:
            open_.append(name)
            there[name] += 1
            found.append(f"<{name}{rest}>")
        else:
            flattened[name] += 1
    found.append(markup[at:].replace("<", "&lt;"))
    while open_:
        end()
    return "".join(found)


def _above(open_: list[str], ended: frozenset[str], outside: frozenset[str]) -> int:
    """How many of the open elements end with the innermost of `ended` that is not outside of one of the others."""
    for number, name in enumerate(reversed(open_), 1):
        if name in ended:
            return number
        if name in outside:
            return 0
    return 0
