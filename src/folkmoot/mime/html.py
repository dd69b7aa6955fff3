"""HTML that comes from outside: made safe once, when it is stored, and put into plain words for previews."""

from __future__ import annotations

import html
import re

import nh3

from folkmoot.mime import nesting

# What the cloud's examples show: 241 to 243 characters with markup and line breaks gone.
PREVIEW_LENGTH = 242

# What mail uses to look as it does. Scripts, forms, frames and event handlers are not in it.
_TAGS = nh3.ALLOWED_TAGS | {"font", "html", "head", "body", "title", "address", "main", "section", "s", "u", "big"}
_TAGS -= {"html", "head", "body", "title"}
_KNOWN = frozenset(_TAGS)
_ATTRIBUTES = {tag: set(names) for tag, names in nh3.ALLOWED_ATTRIBUTES.items()}
_ATTRIBUTES["*"] = {"style", "class", "id", "dir", "lang", "title", "align", "valign", "width", "height", "bgcolor"}
_ATTRIBUTES["font"] = {"color", "face", "size"}
_ATTRIBUTES.setdefault("table", set()).update({"border", "cellpadding", "cellspacing"})
_STYLES = {
    *("color", "background-color", "font", "font-family", "font-size", "font-style", "font-weight", "line-height"),
    *("text-align", "text-decoration", "text-indent", "vertical-align", "white-space", "list-style-type"),
    *("margin", "margin-top", "margin-right", "margin-bottom", "margin-left"),
    *("padding", "padding-top", "padding-right", "padding-bottom", "padding-left"),
    *("border", "border-top", "border-right", "border-bottom", "border-left", "border-collapse", "border-color"),
    *("border-style", "border-width", "width", "max-width", "height", "display"),
}
_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    # These go with what is in them: a title is no part of the text. Mail is often a whole document.
    clean_content_tags={"script", "style", "title"},
    attributes=_ATTRIBUTES,
    filter_style_properties=_STYLES,
    url_schemes={"http", "https", "mailto", "cid", "tel"},
    link_rel="noopener noreferrer",
)

# Markup that the cleaner gives back as it is, which most programs send: paragraphs of text with emphasis, no attribute
# anywhere, nothing inside that could need closing. Telling it apart costs a tenth of cleaning it.
_TEXT = r"(?:[^<>&\r\x00\xa0]++|&(?:amp|lt|gt|nbsp);)*+"
_EMPHASIS = "|".join(rf"<{tag}>{_TEXT}</{tag}>" for tag in ("b", "i", "u", "em", "strong", "code"))
_SIMPLE = re.compile(rf"(?:{_TEXT}<p>(?:{_TEXT}(?:<br>|{_EMPHASIS}))*+{_TEXT}</p>)*+{_TEXT}")

# After the cleaner every `<` opens a tag and every attribute stands in double quotes.
_TAG = re.compile(r'<(?:[^>"]|"[^"]*")*>')
_BLOCK = re.compile(
    r"</?(?:p|div|br|hr|li|ul|ol|dl|dt|dd|tr|td|th|table|h[1-6]|blockquote|pre|section|main|address)"
    r'\b(?:[^>"]|"[^"]*")*>'
)
# The tags that simple markup has, spelt as the cleaner spells them, the most frequent first. Blocks part words,
# emphasis does not.
_SIMPLE_TAGS = (
    *((tag, " ") for tag in ("<p>", "</p>", "<br>")),
    *((f"<{end}{tag}>", "") for tag in ("b", "i", "strong", "em", "u", "code") for end in ("", "/")),
)


def clean(markup: str) -> str:
    """`markup` with everything taken out that could act in a reader's browser."""
    if _SIMPLE.fullmatch(markup):
        return markup
    return _CLEANER.clean(nesting.plain(markup, _KNOWN) if nesting.is_costly(markup) else markup)


def preview_of_html(cleaned: str) -> str:
    """The first words of markup that `clean` has given."""
    # The beginning nearly always holds enough words; the rest of a long post need not be looked at.
    for length in (1_500, 60_000):
        words = preview_of_text(_words(cleaned[:length]))
        if len(words) == PREVIEW_LENGTH or len(cleaned) <= length:
            break
    return words


def text_of_html(cleaned: str) -> str:
    """The text of markup that `clean` has given."""
    return _words(cleaned)


def preview_of_text(text: str) -> str:
    """The first words of plain text, on one line."""
    # Nearly always the beginning fills it, and cutting its last word cuts nothing of what is shown.
    words = " ".join(text[: 2 * PREVIEW_LENGTH].split())
    if len(words) < PREVIEW_LENGTH and len(text) > 2 * PREVIEW_LENGTH:
        # So many words fill it, however short they are.
        words = " ".join(text[:8_192].split(None, PREVIEW_LENGTH // 2 + 1)[: PREVIEW_LENGTH // 2 + 1])
    return words[:PREVIEW_LENGTH]


def _words(markup: str) -> str:
    """The text of the beginning of some markup, with a space where a block begins or ends."""
    start = markup.rfind("<")
    if start > markup.rfind(">"):
        markup = markup[:start]  # a tag that was cut in two
    if "<" in markup:
        text = markup
        for tag, instead in _SIMPLE_TAGS:
            text = text.replace(tag, instead)
            if "<" not in text:
                return html.unescape(text)
    return html.unescape(_TAG.sub("", _BLOCK.sub(" ", markup)))
