"""Request bodies: from JSON to the structs of `inputs`, and from those to what verbs take.

Property names and enumeration values are matched without regard to case (Graph: "Use query parameters"; the SDKs send
`Post` where the documentation has `post`). Unknown and read-only properties are left aside, as official examples send
them; a value of the wrong type is refused with the path of its property.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Literal, TypeVar

import msgspec

from folkmoot.graph import extending, inputs
from folkmoot.graph.attached import attachment_drafts
from folkmoot.graph.depth import MAX_DEPTH, too_deep
from folkmoot.mime import html
from folkmoot.model import EmailAddress, PostDraft, Recipient, ThreadDraft
from folkmoot.ops.posts import LONGEST_LIST
from folkmoot.refusals import BadBody, NotJson
from folkmoot.store import search

T = TypeVar("T", bound=msgspec.Struct)

# Characters. All that a page shows of an item but its content is held at once, so none of it may be as long as a body.
LONGEST_TOPIC = 4_096
LONGEST_RECIPIENT = 1_024  # name and address together

_AT = re.compile(r" - at `(?:key in )?\$?\.?(?P<path>[^`]*)`$")
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")


def decode(raw: bytes, takes: type[T], content_type: str = "application/json") -> T:
    """The body as `takes`. Raises `BadBody` naming the property at fault, or `NotJson` for another content type."""
    require_json(content_type)
    whole = issubclass(takes, inputs.OpenIn)
    if _NUL not in raw and not whole:
        # Most bodies are spelt as documented and right; only others are looked at property by property.
        try:
            quick: T = _decoder(takes).decode(raw)
            return quick
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    if not raw.strip():
        raw = b"{}"
    try:
        loose = msgspec.json.decode(raw)
    except RecursionError:
        raise BadBody("The request body is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadBody(f"Unable to read the JSON request payload: {error}.") from None
    if not isinstance(loose, dict):
        raise BadBody("The request body must be a JSON object.")
    if whole:
        return takes(given=_fit(loose, None, "", 0))
    fitted = _fit(loose, takes, "", 0)
    try:
        return msgspec.convert(fitted, takes)
    except msgspec.ValidationError as error:
        raise _refusal(str(error)) from None


# How JSON writes U+0000, which PostgreSQL cannot store; the raw character is not JSON.
_NUL = b"\\u0000"


@lru_cache(maxsize=64)
def _decoder(takes: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(takes)


# What the decoder calls by Python's names.
_JSON_WORDS = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "dict": "object"}
_WORD = re.compile(r"\b(?:str|int|float|bool|dict)\b")


def require_json(content_type: str) -> None:
    """Raise `NotJson` for a content type that is given and is not JSON."""
    if content_type and not is_json(content_type):
        raise NotJson(f"The request body must be sent as application/json, not as '{content_type[:80]}'.")


def is_json(content_type: str) -> bool:
    """Whether a content type is JSON, whatever its parameters."""
    media = content_type.partition(";")[0].strip().lower()
    return media == "application/json" or media.endswith("+json")


def _refusal(text: str) -> BadBody:
    found = _AT.search(text)
    path = found["path"] if found else ""
    problem = text[: found.start()] if found else text
    missing = _MISSING.match(problem)
    if missing:
        path = f"{path}.{missing['name']}".lstrip(".")
        return BadBody(f"The property '{path}' is required.", target=path)
    problem = problem.replace("`", "'")
    if problem.startswith("Expected"):
        problem = _WORD.sub(lambda match: _JSON_WORDS[match[0]], problem)
    return BadBody(f"Invalid value specified for property '{path}': {problem}.", target=path or None)


@lru_cache(maxsize=256)
def _parts(kind: Any) -> Mapping[str, tuple[str, Any]]:
    """A struct's properties by lower-case name: how each is spelt, and its type."""
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return {}
    return {f.encode_name.lower(): (f.encode_name, f.type) for f in msgspec.structs.fields(kind)}


@lru_cache(maxsize=256)
def _shape(kind: Any) -> tuple[Any, Any, Mapping[str, str]]:
    """Of a type: the struct in it, the item type of the list in it, and its enumeration values by lower case."""
    struct, item, values = None, None, {}
    options = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
    for option in options:
        if typing.get_origin(option) is list:
            item = typing.get_args(option)[0]
        elif typing.get_origin(option) is Literal:
            values = {value.lower(): value for value in typing.get_args(option)}
        elif isinstance(option, type) and issubclass(option, msgspec.Struct):
            struct = option
    return struct, item, values


@lru_cache(maxsize=256)
def _is_binary(kind: Any) -> bool:
    return kind is bytes or bytes in typing.get_args(kind)


def _fit(value: Any, kind: Any, path: str, depth: int) -> Any:
    """`value` with names and enumeration values spelt as `kind` spells them, and text that can be stored."""
    if depth > MAX_DEPTH:
        raise too_deep(path)
    if isinstance(value, str):
        if "\x00" in value:
            raise BadBody(f"The property '{path}' holds the character U+0000, which cannot be stored.", target=path)
        if kind is not None and _is_binary(kind):
            # Some encoders break lines (Ruby's encode64, MIME); the cloud's decoder passes over blanks as well.
            return "".join(value.split())
        values = _shape(kind)[2] if kind is not None else {}
        return values.get(value.lower(), value) if values else value
    if isinstance(value, dict):
        parts = _parts(_shape(kind)[0]) if kind is not None else {}
        fitted = {}
        for name, below in value.items():
            spelt, of = parts.get(name.lower(), (name, None))
            found = _fit(below, of, f"{path}.{spelt}" if path else spelt, depth + 1)
            if not parts or name.lower() in parts:
                fitted[spelt] = found
        return fitted
    if isinstance(value, list):
        item = _shape(kind)[1] if kind is not None else None
        return [_fit(each, item, f"{path}[{n}]", depth + 1) for n, each in enumerate(value)]
    return value


# ── drafts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def post_draft(post: inputs.PostIn, path: str) -> PostDraft:
    """A post as verbs take it: HTML made safe, its first words taken.

    `path` is where it stood in the body, "" where it was the body.
    """
    body = post.body or inputs.ItemBodyIn()
    content = body.content or ""
    if body.content_type == "html":
        content = html.clean(content)
        text = html.text_of_html(content)
    else:
        text = content
    return PostDraft(
        content_type=body.content_type or "text",
        content=content,
        preview=html.preview_of_text(text),
        words=search.text_words(text),
        sender=None if post.sender is None else _recipient(post.sender, f"{path}.sender".lstrip(".")),
        from_=None if post.from_ is None else _recipient(post.from_, f"{path}.from".lstrip(".")),
        new_participants=recipients(post.new_participants, f"{path}.newParticipants".lstrip(".")),
        categories=categories(post.categories, f"{path}.categories".lstrip(".")),
        extensions=extending.extension_drafts(post.extensions, f"{path}.extensions".lstrip(".")),
        single_values=extending.single_value_drafts(
            post.single_value_extended_properties, f"{path}.singleValueExtendedProperties".lstrip(".")
        ),
        multi_values=extending.multi_value_drafts(
            post.multi_value_extended_properties, f"{path}.multiValueExtendedProperties".lstrip(".")
        ),
        attachments=attachment_drafts(post.attachments, f"{path}.attachments".lstrip(".")),
    )


def thread_draft(thread: inputs.ThreadIn, path: str = "") -> ThreadDraft:
    """A thread with its first post. Raises `BadBody` unless there is exactly one."""
    where = f"{path}.posts" if path else "posts"
    return ThreadDraft(
        topic=topic(thread.topic, f"{path}.topic".lstrip(".")),
        post=post_draft(_only(thread.posts, where, "post"), f"{where}[0]"),
        to_recipients=recipients(thread.to_recipients, f"{path}.toRecipients".lstrip(".")),
        cc_recipients=recipients(thread.cc_recipients, f"{path}.ccRecipients".lstrip(".")),
    )


def conversation_draft(conversation: inputs.ConversationIn) -> tuple[str, ThreadDraft]:
    """A conversation's topic and its first thread. Raises `BadBody` unless there is exactly one."""
    thread = thread_draft(_only(conversation.threads, "threads", "thread"), "threads[0]")
    own = topic(conversation.topic)
    return own if own is not None else thread.topic or "", thread


def topic(given: str | None, path: str = "topic") -> str | None:
    """A topic as verbs take it. Raises `BadBody` for one that is too long."""
    _bounded((given or "",), path, LONGEST_TOPIC)
    return given


def categories(given: Iterable[str] | None, path: str = "categories") -> tuple[str, ...]:
    """Categories as verbs take them. Raises `BadBody` where they are too long together."""
    found = tuple(given or ())
    _bounded(found, path, LONGEST_LIST)
    return found


def recipients(given: list[inputs.RecipientIn] | None, path: str) -> tuple[Recipient, ...]:
    """Recipients as verbs take them. Raises `BadBody` for one without an address, and where they are too long."""
    found = tuple(_recipient(each, f"{path}[{n}]") for n, each in enumerate(given or ()))
    texts = [f"{each.email_address.name or ''}{each.email_address.address}" for each in found]
    _bounded(texts, path, LONGEST_LIST)
    return found


def _bounded(texts: Iterable[str], path: str, most: int) -> None:
    length = sum(map(len, texts))
    if length > most:
        raise BadBody(f"The property '{path}' is {length} characters long; at most {most} are supported.", target=path)


def _only(given: list[Any] | None, path: str, noun: str) -> Any:
    if not given or len(given) != 1:
        raise BadBody(f"The property '{path}' must hold exactly one {noun}, not {len(given or ())}.", target=path)
    return given[0]


def _recipient(given: inputs.RecipientIn, path: str) -> Recipient:
    address = given.email_address and given.email_address.address
    if not given.email_address or not address or not _ADDRESS.fullmatch(address):
        where = f"{path}.emailAddress.address"
        raise BadBody(f"The property '{where}' must be an SMTP address.", target=where)
    _bounded((given.email_address.name or "", address), f"{path}.emailAddress", LONGEST_RECIPIENT)
    return Recipient(EmailAddress(given.email_address.name, address))


# Enough to tell an address from a name; what may be delivered is decided where mail is sent.
_ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+")
