"""Markup that takes a parser of HTML more than its length: told apart by counting, and nested plainly.

The algorithm of the standard (WHATWG HTML §13.2.6) walks along all open elements for most tags, and opens formatting
elements that a block left open again in each block that follows: 64 kB of `<div>` take seconds, and 64 kB of `<i id=1>`
and `<p>` gigabytes.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict

# What a parser may be given as it is: tags, and tags times formatting elements. Some tenths of a second at worst.
_TAGS = 3_000
_PRODUCT = 100_000
# Elements within one another; what is deeper loses its tag and keeps its text. Browsers stop at 512.
DEPTH = 256

_FORMATTING = re.compile(r"<(?:a|b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)[\s/>]", re.IGNORECASE)
_NEVER_TEXT = "script|style|title|template|iframe|noembed|noframes"
_LEFT_OUT = re.compile(
    rf"<!--(?:-?>|.*?(?:--!?>|\Z))|<[!?][^>]*+(?:>|\Z)|<(?P<raw>{_NEVER_TEXT})\b.*?(?:</(?P=raw)\b[^>]*+(?:>|\Z)|\Z)",
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
# By the name of an element that a tag ends: what such a tag does not reach out of; others out of no cell.
_WITHIN = {"table": frozenset[str](), **dict.fromkeys(("td", "th", "caption", "tr", "tbody", "thead", "tfoot"), _TABLE)}


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
    there: defaultdict[str, list[int]] = defaultdict(list)  # by name, how many are around each that is open
    flattened: Counter[str] = Counter()
    at = 0

    def end(ended: frozenset[str], outside: frozenset[str]) -> None:
        """End the innermost of `ended`, and all that is in it, unless it is outside of one of the others."""
        depth = innermost(ended)
        if depth >= 0 and depth > innermost(outside):
            while len(open_) > depth:
                name = open_.pop()
                there[name].pop()
                found.append(f"</{name}>")

    def innermost(names: frozenset[str]) -> int:
        return max([there[name][-1] for name in names if there[name]], default=-1)

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
            else:
                end(frozenset((name,)), _WITHIN.get(name, _CELL))
            continue
        for ended, outside in _ENDING.get(name, ()):
            end(ended, outside)
        rest = token["rest"] if _PLAIN.fullmatch(token["rest"]) else ""
        if name in _VOID:
            found.append(f"<{name}{rest}>")
        elif len(open_) < DEPTH:
            there[name].append(len(open_))
            open_.append(name)
            found.append(f"<{name}{rest}>")
        else:
            flattened[name] += 1
    found.append(markup[at:].replace("<", "&lt;"))
    found += [f"</{name}>" for name in reversed(open_)]
    return "".join(found)
