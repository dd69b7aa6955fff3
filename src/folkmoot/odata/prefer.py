"""The Prefer header: preferences that a client states and a server may honour.

Source: RFC 7240 §2 (grammar; the first of several equal names counts, names in any case).
"""

from __future__ import annotations

import re

# token [ BWS "=" BWS word ], parameters after ";" are left aside; a word is a token or a quoted string.
_PREFERENCE = re.compile(
    r"\s*(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*(?:\"(?P<quoted>(?:[^\"\\]|\\.)*)\"|(?P<word>[^\s,;\"]*)))?"
    r"(?P<rest>(?:\s*;(?:[^,\"]|\"(?:[^\"\\]|\\.)*\")*)?)\s*(?:,|$)"
)
_ESCAPED = re.compile(r"\\(.)")


def parse_prefer(text: str) -> dict[str, str]:
    """`return=minimal, odata.maxpagesize=5` → each preference by lower-case name; one without a value has "".

    What cannot be read is left aside with all that follows it: a preference is never an error.
    """
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _PREFERENCE.match(text, at)
        if match is None:
            break
        at = match.end()
        value = match["quoted"] if match["quoted"] is not None else match["word"] or ""
        found.setdefault(match["name"].lower(), _ESCAPED.sub(r"\1", value))
    return found
