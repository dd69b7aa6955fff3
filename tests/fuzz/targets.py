"""What is fuzzed: each target takes any bytes, and may do anything with them but fail.

A target refuses as the server does (`Refusal`) or returns; whatever else it raises is a finding. `SEEDS` are examples
to begin with.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import select

from folkmoot.auth.keys import SigningKey
from folkmoot.auth.tokens import GRAPH_AUDIENCES, AnyOrigin, TrustedIssuer, Validator
from folkmoot.graph import clauses, directory_search, ids, inputs, positions
from folkmoot.graph.body import conversation_draft, decode, post_draft, thread_draft
from folkmoot.graph.feeds import FEEDS
from folkmoot.graph.property_ids import parse_property_id
from folkmoot.mime import html
from folkmoot.odata import batch, parser, path, prefer, query, search, tokens, words
from folkmoot.refusals import BadClause, Refusal
from folkmoot.store.db import Statement

_GROUP = "02bd9fd6-8f93-4758-87c3-1fb73740a315"


def _text(raw: bytes) -> str:
    """Any text, lone surrogates among it, as a JSON string or a percent-encoded name may hold them."""
    return raw.decode("utf-8", "surrogatepass") if _is_text(raw) else raw.decode("utf-8", "replace")


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def _filter(raw: bytes) -> None:
    expression = parser.parse_filter(_text(raw))
    assert str(expression)
    for name in ("posts", "conversations", "groups", "members"):
        try:
            condition = clauses.condition(FEEDS[name], expression, 0)
        except BadClause:
            continue
        statement = Statement(select(FEEDS[name].noun.key).select_from(FEEDS[name].source).where(condition))
        statement.compiled("sqlite")
        statement.compiled("postgresql")


def _query(raw: bytes) -> None:
    found = query.parse_options(raw.decode("latin-1"))
    for name in ("posts", "conversations", "groups"):
        try:
            clauses.order(FEEDS[name], found)
            clauses.selected(FEEDS[name], found)
        except BadClause:
            continue


def _search(raw: bytes) -> None:
    text = _text(raw)
    search.alternatives(search.parse_search(text))


def _directory_search(raw: bytes) -> None:
    directory_search.condition(FEEDS["groups"], _text(raw))


def _path(raw: bytes) -> None:
    path.parse_path("/" + raw.decode("latin-1"))


def _batch(raw: bytes) -> None:
    for item in batch.parse_batch(raw):
        batch.split_url(item.url, "/v1.0", frozenset(("localhost:8443",)), "url")


def _body(raw: bytes) -> None:
    kinds: tuple[tuple[type[Any], Callable[[Any], object] | None], ...] = (
        (inputs.ConversationIn, conversation_draft),
        (inputs.ThreadIn, thread_draft),
        (inputs.ReplyIn, lambda given: post_draft(given.post, "post")),
        (inputs.ForwardIn, None),
        (inputs.PostPatchIn, None),
        (inputs.OpenIn, None),
        (inputs.GroupIn, None),
        (inputs.UserIn, None),
        (inputs.SubscriptionIn, None),
        (inputs.UploadSessionIn, None),
    )
    for kind, draft in kinds:
        try:
            found = decode(raw, kind)
            if draft is not None:
                draft(found)
        except Refusal:
            continue


def _ids(raw: bytes) -> None:
    text = _text(raw)
    for read in (ids.read_conversation_id, ids.read_thread_id, ids.read_post_id, ids.read_attachment_id):
        for group in (_GROUP, None):
            try:
                if group is None:
                    ids.read_any(read, text)
                else:
                    read(text, group)
            except Refusal:
                continue
    ids.guid(text)
    for each in (ids.directory_id, lambda text: ids.read_change_key(text, _GROUP)):
        try:
            each(text)
        except Refusal:
            continue
    with suppress(ValueError):  # what it raises for what is none
        parse_property_id(text)


@cache
def _validator() -> tuple[Validator, SigningKey]:
    key = SigningKey.generate()
    trusted = TrustedIssuer(AnyOrigin("tenant/v2.0"), GRAPH_AUDIENCES, key.key_set)
    return Validator([trusted], lambda: 0.0), key


def _token(raw: bytes) -> None:
    """As it is; with the bytes as header and claims; and signed, so that the claims are looked at."""
    validator, key = _validator()
    header, _, claims = raw.partition(b"\n")
    taken_apart = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (header, claims, b"x"))
    for token in (raw.decode("latin-1"), taken_apart, signed(key, claims)):
        try:
            validator.caller(token)
        except Refusal:
            continue


def signed(key: SigningKey, claims: bytes) -> str:
    """A token whose claims are any bytes, signed as the issuer would."""
    from joserfc import jws

    return jws.serialize_compact({"typ": "JWT", "alg": "RS256", "kid": key.kid}, claims, key._private, ["RS256"])


def _skiptoken(raw: bytes) -> None:
    text = raw.decode("latin-1")
    for read in (
        lambda: tokens.decode(text, "shape"),
        lambda: tokens.decode(
            base64.urlsafe_b64encode(b'["' + tokens._hash("shape").encode() + b'",' + raw + b"]").decode().rstrip("="),
            "shape",
            types=(str, int),
        ),
        lambda: positions.read_number(text, "since"),
        lambda: positions.read_mine(text, "since"),
    ):
        try:
            read()
        except Refusal:
            continue


def _html(raw: bytes) -> None:
    text = raw.decode("utf-8", "replace")
    cleaned = html.clean(text)
    assert html.clean(cleaned) == cleaned, "what was made safe is safe"
    html.preview_of_html(cleaned)
    html.text_of_html(cleaned)
    html.preview_of_text(text)
    words.words(text)


def _prefer(raw: bytes) -> None:
    prefer.parse_prefer(raw.decode("latin-1"))


# ── the whole server, in this process ────────────────────────────────────────────────────────────────────────────────

_asked = count()


@cache
def _workshop() -> Any:
    from tests.harness import Workshop

    return Workshop(Path(tempfile.mkdtemp(prefix="folkmoot-fuzz-")))


def _door(raw: bytes) -> None:
    """A request to a row of the surface, with its path, query, body or token overwritten: never a 500."""
    from tests.fuzz.door import ask

    ask(_workshop().graph("sqlite") if next(_asked) % 200 == 0 else None, _workshop, raw)


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "filter": _filter,
    "query": _query,
    "search": _search,
    "directory-search": _directory_search,
    "path": _path,
    "batch": _batch,
    "body": _body,
    "ids": _ids,
    "token": _token,
    "skiptoken": _skiptoken,
    "html": _html,
    "prefer": _prefer,
    "door": _door,
}

SEEDS: Mapping[str, tuple[bytes, ...]] = {
    "filter": (
        b"topic eq 'x' and not (hasAttachments eq true)",
        b"threads/any(t:t/isLocked) or threads/$count gt 1",
        b"receivedDateTime ge 2026-11-23T10:00:00Z sub duration'P1D'",
        b"contains(tolower(from/emailAddress/address),'a''b')",
        b"id in ('a','b') and length(topic) add 1 gt -3 mod 2",
        b"year(receivedDateTime) div 2 eq 1.5e3 or changeKey eq null",
    ),
    "query": (
        b"$filter=topic%20eq%20'x'&$select=id,topic&$orderby=topic%20desc&$top=3",
        b"$expand=threads($expand=posts($select=id;$filter=hasAttachments);$top=1)&$count=true",
        b"$skiptoken=x&$search=%22a%22&$skip=1",
    ),
    "search": (b'"a b" OR NOT subject:x* AND received>=2026-01-01', b"hasAttachments:true from:(a OR b)"),
    "directory-search": (b'"displayName:sales" AND ("description:x" OR "mail:y")',),
    "path": (b"groups('x')/threads/a%2Fb/microsoft.graph.reply", b"users/$count", b"groups/x/posts(id='a''b')/$value"),
    "batch": (
        b'{"requests":[{"id":"1","method":"GET","url":"/me"},{"id":"2","method":"POST","url":"/groups/x/threads",'
        b'"headers":{"Content-Type":"application/json"},"body":{"topic":"x"},"dependsOn":["1"]}]}',
    ),
    "body": (
        b'{"topic":"New","threads":[{"posts":[{"body":{"contentType":"html","content":"<p>x</p>"},"newParticipants":'
        b'[{"emailAddress":{"name":"A","address":"a@b.c"}}]}]}]}',
        b'{"post":{"body":{"contentType":"text","content":"\\u0000\\ud800"},"categories":["a"],"attachments":[{'
        b'"@odata.type":"#microsoft.graph.fileAttachment","name":"x","contentBytes":"eA=="}]}}',
        b'{"displayName":"x","displayName":1e999,"DISPLAYNAME":[[[[[[]]]]]],"mailEnabled":true}',
    ),
    "ids": (
        ids.conversation_id(_GROUP, _GROUP).encode(),
        ids.thread_id(_GROUP, _GROUP, _GROUP).encode(),
        ids.post_id(_GROUP, _GROUP, _GROUP).encode(),
        ids.change_key(_GROUP, 7).encode(),
        b"String {00020329-0000-0000-c000-000000000046} Name x",
    ),
    "token": (
        b'{"typ":"JWT","alg":"RS256","kid":"x"}\n{"iss":"https://a/tenant/v2.0","aud":"https://graph.microsoft.com",'
        b'"exp":1000,"nbf":0,"tid":"02bd9fd6-8f93-4758-87c3-1fb73740a315","oid":"02bd9fd6-8f93-4758-87c3-1fb73740a315",'
        b'"appid":"02bd9fd6-8f93-4758-87c3-1fb73740a315","scp":"Group.Read.All","roles":["x"],"cnf":null}',
    ),
    "skiptoken": (tokens.encode(["a", 1], "shape").encode(), b'"a",1', b"12"),
    "html": (b"<p onclick=x>a<script>b</script><a href='javascript:c'>d</a>&amp;&#0;</p>",),
    "prefer": (b'return=minimal, respond-async; wait=10, odata.maxpagesize="5"',),
    "door": (
        b"\x00\x00/x?$filter=a",
        b"\x08\x02" + b'{"topic":"x"}',
        b"\x10\x01$top=1",
        b"\x20\x03eyJhbGciOiJub25lIn0",
    ),
}
