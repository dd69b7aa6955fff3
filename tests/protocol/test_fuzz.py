"""Whatever is sent, to every row: never a failure of the server, always an answer in Graph's form.

The examples are the same in every run. When one fails, Hypothesis prints it at its smallest. To look further, with
other examples each time: FOLKMOOT_FUZZ=300 (for each row) in the environment.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import quote, quote_from_bytes, unquote

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from folkmoot.graph.feeds import FEEDS
from folkmoot.graph.surface import SURFACE
from folkmoot.odata.edm import Complex, Edm, Entity
from tests.harness import Answer, Client, Graph
from tests.protocol.library import Library
from tests.protocol.rows import EVERYTHING, REQUESTS, Request, each
from tests.protocol.shapes import refused, well_formed

bounded = settings(
    derandomize="FOLKMOOT_FUZZ" not in os.environ,
    database=None,
    deadline=None,
    max_examples=int(os.environ.get("FOLKMOOT_FUZZ", "5")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.large_base_example],
)

NAMES = """id topic hasAttachments lastDeliveredDateTime uniqueSenders preview isLocked toRecipients ccRecipients posts
threads body from sender newParticipants categories changeKey receivedDateTime conversationId inReplyTo displayName mail
groupTypes classification jobTitle members owners memberOf from/emailAddress/address body/contentType nope @odata.type
mailNickname passwordProfile userPrincipalName members@odata.bind owners@odata.bind @odata.id post Post comment
toRecipients emailAddress address name contentType content visibility theme description accountEnabled attachments
extensions mobilePhone businessPhones userType posts@odata.context""".split()  # noqa: SIM905  (readable as words)

strange = st.text(max_size=12) | st.sampled_from(
    [
        "",
        " ",
        "\0",
        "\ud800",
        "'",
        "''",
        '"',
        "\\",
        "%",
        "%00",
        "(",
        ")",
        "$",
        "é",
        "日本",
        "🙂",
        "\u202e",
        "\ufeff",
        "../..",
        "x" * 3000,
    ]
)
numbers = st.sampled_from(
    [0, 1, -1, 999, 1000, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 10**30, -(10**30), 1.5, 1e300, 5e-324]
)


def sound(answer: Answer) -> None:
    """A success in its form, or a refusal in Graph's."""
    assert answer.status < 500 or (answer.status == 501 and "not supported yet" in answer.error["message"]), answer
    if answer.status >= 400:
        refused(answer, answer.status, answer.error["code"], answer.target)
    else:
        well_formed(answer)


def authorised(client: Client) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", f"Bearer {client.token}".encode())]


# ── paths ────────────────────────────────────────────────────────────────────────────────────────────────────────────

words = st.sampled_from(
    """groups users me conversations threads posts inReplyTo reply forward members owners memberOf transitiveMembers
    $count $ref $value $batch $metadata delta delta() microsoft.graph.reply graph.user microsoft.graph.group attachments
    groups('x') users(userPrincipalName='x') threads(id='x') me-token-to-replace / // ( ) ('') . ..""".split()  # noqa: SIM905
)
noise = st.binary(max_size=6).map(lambda raw: quote_from_bytes(raw, safe=""))


@st.composite
def mangled(draw: st.DrawFn, path: str) -> bytes:
    """The path with some segments changed, dropped, doubled or put between."""
    segments = path.split("/")
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(segments) - 1))
        new = draw(words | noise | st.sampled_from(segments))
        what = draw(st.sampled_from(["put", "drop", "insert", "cut", "case"]))
        if what == "put":
            segments[at] = new
        elif what == "insert":
            segments.insert(at, new)
        elif what == "cut":
            segments[at] = segments[at][: draw(st.integers(0, 90))]
        elif what == "case":
            segments[at] = segments[at].swapcase()
        elif len(segments) > 1:
            del segments[at]
    return f"/v1.0{'/'.join(segments)}".encode("ascii", "replace").replace(b"?", b"%3F")


@each(REQUESTS)
@bounded
@given(data=st.data())
def test_any_path(any_library: Library, request_: Request, data: st.DataObject) -> None:
    path = data.draw(mangled(request_.path(any_library.launch).partition("?")[0]))
    sound(any_library.graph.send_raw("GET", path, headers=authorised(any_library.as_("AdeleV"))))


# ── query options ────────────────────────────────────────────────────────────────────────────────────────────────────

texts = strange.map(lambda text: "'" + text.replace("'", "''") + "'")
moments = st.sampled_from(
    """2026-11-23 2026-11-23T10:00:00Z 2026-11-24T11:01:02.5%2B02:00 9999-12-31T23:59:59Z 0001-01-01T00:00:00Z now()
    maxdatetime() 2026-11-23T10:00:00Z%20sub%20duration'P1D'""".split()  # noqa: SIM905
).map(lambda text: unquote(text))
orders = st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le"])
equals = st.sampled_from(["eq", "ne"])
whole = numbers.map(str) | st.sampled_from(["3 add 4", "7 mod 0", "1 div 0", "2 mul 9223372036854775807", "-5"])


def about(entity: Entity) -> st.SearchStrategy[str]:
    """Conditions that fit the properties of an entity, as far as one can say so beforehand."""
    found: list[st.SearchStrategy[str]] = []
    for path, kind, many in _leaves(entity):
        found += _alone(path, kind, many)
    for nav in entity.navs:
        if nav.filter:
            found.append(_joined(f"{nav.name}/$count", orders, whole))
            found.append(texts.map(_inside(nav.name)))
    return st.recursive(
        st.one_of(found),
        lambda inner: (
            inner.map(lambda text: f"not ({text})")
            | st.tuples(inner, st.sampled_from([" and ", " or "]), inner).map("".join)
            | inner.map(lambda text: f"(({text}) eq true)")
        ),
        max_leaves=4,
    )


def _joined(before: str, *rest: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(st.just(before), *rest).map(" ".join)


def _called(names: str, path: str, *rest: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(st.sampled_from(names.split()), *rest).map(lambda p: f"{p[0]}({','.join((path, *p[1:]))})")


def _inside(path: str, part: str = "x/id") -> Callable[[str], str]:
    return lambda text: f"{path}/any(x:contains({part},{text}) or {part} eq {text})"


def _alone(path: str, kind: Any, many: bool) -> Iterator[st.SearchStrategy[str]]:
    """Conditions on one property."""
    yield _joined(path, equals, st.just("null"))
    if many:
        yield texts.map(_inside(path, "x" if kind is Edm.STRING else "x/emailAddress/address"))
        yield st.just(f"{path}/all(x:x eq 'y')")
        yield _joined(f"{path}/$count", orders, whole)
    elif kind is Edm.STRING:
        yield _joined(path, orders, texts)
        yield _called("contains startswith endswith", f"tolower({path})", texts)
        yield _joined(f"substring(concat({path},'x'),2)", orders, texts)
        yield _joined(f"length({path})", orders, whole)
        yield _joined(
            path, st.just("in"), st.lists(texts, min_size=1, max_size=3).map(lambda each: f"({','.join(each)})")
        )
    elif kind is Edm.DATETIME:
        yield _joined(path, orders, moments)
        parts = _called("year month day hour minute second fractionalseconds", path)
        yield st.tuples(parts, orders, whole).map(" ".join)
    elif kind is Edm.BOOLEAN:
        yield st.just(path)
        yield _joined(path, equals, st.just("true"))
    else:
        yield _joined(path, equals, texts)


def _leaves(entity: Entity) -> Iterator[tuple[str, Any, bool]]:
    for field in entity.fields:
        if isinstance(field.type, Complex) and isinstance(field.sql, Mapping):
            yield from ((f"{field.name}/{below}", Edm.STRING, False) for below in field.sql)
        else:
            yield field.name, field.type, field.many


@cache
def queries(row: str) -> st.SearchStrategy[list[tuple[str, str]]]:
    """Query options that a row could take, and some that it could not."""
    read = next((each.read for each in SURFACE if f"{each.method} {each.address}" == row), None)
    entity = FEEDS[read.feed].noun.entity if read else FEEDS["conversations"].noun.entity
    own = st.sampled_from([field.name for field in entity.fields])
    navs = st.sampled_from([nav.name for nav in entity.navs] or ["nothing"])
    names = own | navs | st.sampled_from(NAMES) | strange
    lists = st.lists(own, min_size=1, max_size=3).map(",".join) | st.lists(names, min_size=1, max_size=3).map(",".join)
    ordered = st.lists(st.tuples(own, st.sampled_from(["", " desc", " asc"])).map("".join), min_size=1, max_size=3)
    expanded = st.recursive(
        navs | lists,
        lambda inner: st.tuples(navs, inner, st.sampled_from(["$expand", "$select", "$orderby", "$filter"])).map(
            lambda p: f"{p[0]}({p[2]}={p[1]};$top=1)"
        ),
        max_leaves=3,
    )
    return st.lists(
        st.tuples(st.just("$filter"), about(entity))
        | st.tuples(st.just("$filter"), strange | names)
        | st.tuples(st.just("$select"), lists)
        | st.tuples(st.just("$orderby"), ordered.map(",".join) | lists)
        | st.tuples(st.just("$expand"), expanded)
        | st.tuples(st.sampled_from(["$top", "$skip"]), st.sampled_from(["1", "2", "5"]) | numbers.map(str))
        | st.tuples(st.just("$count"), st.sampled_from(["true", "false", "x"]))
        | st.tuples(st.sampled_from(["$skiptoken", "$search", "$format", "$apply", "filter", "@id", "x"]), strange),
        min_size=1,
        max_size=3,
    )


def encoded(pairs: list[tuple[str, str]], plainly: bool) -> bytes:
    """As a client writes it, or with everything in it that an HTTP server lets through."""
    if plainly:
        text = "&".join(f"{name}={value}" for name, value in pairs)
        return text.encode("utf-8", "surrogatepass").replace(b"#", b"%23").replace(b" ", b"%20")
    quoted = [f"{name}={quote(value.encode('utf-8', 'surrogatepass'))}" for name, value in pairs]
    return "&".join(quoted).encode()


@each([request for request in REQUESTS if request.method in ("GET", "DELETE")])
@bounded
@given(data=st.data(), plainly=st.booleans())
def test_any_query(library: Library, request_: Request, data: st.DataObject, plainly: bool) -> None:
    pairs = data.draw(queries(request_.row))
    headers = [*authorised(library.as_("AdeleV", scopes=EVERYTHING)), (b"consistencylevel", b"eventual")]
    path = f"/v1.0{request_.path(library.launch)}".partition("?")[0].encode()
    if request_.method == "DELETE":
        pairs = [(name, value) for name, value in pairs if name == "@id"] or [("@id", pairs[0][1])]
        headers = authorised(library.as_("IsaiahL", scopes=EVERYTHING))  # who may delete nothing of it
    sound(library.graph.send_raw(request_.method, path, encoded(pairs, plainly), headers=headers))


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────────────────

leaves = (
    st.none() | st.booleans() | numbers | strange.map(lambda text: text.replace("\ud800", "")) | st.sampled_from(NAMES)
)
things = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def altered(draw: st.DrawFn, body: Any) -> Any:
    """The body with something in it replaced, added, dropped or spelt otherwise."""
    body = copy.deepcopy(body)
    for _ in range(draw(st.integers(1, 2))):
        within = body
        while isinstance(within, (dict, list)) and within:
            key = draw(st.sampled_from(list(within) if isinstance(within, dict) else list(range(len(within)))))
            below = within[key]
            if not isinstance(below, (dict, list)) or draw(st.booleans()):
                what = draw(st.sampled_from(["put", "drop", "add", "case"]))
                if what == "put":
                    within[key] = draw(things)
                elif what == "drop":
                    del within[key]
                elif isinstance(within, list):
                    within.append(draw(things))
                elif what == "add":
                    within[draw(st.sampled_from(NAMES))] = draw(things)
                else:
                    within[str(key).swapcase()] = within.pop(key)
                break
            within = below
    return body


@each([request for request in REQUESTS if request.body is not None])
@bounded
@given(data=st.data())
def test_any_body(graph: Graph, request_: Request, data: st.DataObject) -> None:
    place = graph.as_("AdeleV").start()
    body = msgspec.json.encode(data.draw(altered(request_.body) | things))
    if data.draw(st.integers(0, 3)) == 0:
        at = data.draw(st.integers(0, len(body)))
        body = body[:at] + data.draw(st.binary(max_size=3)) + body[at + data.draw(st.integers(0, 3)) :]
    who = graph.as_("admin" if "users" in request_.row else "AdeleV", scopes=EVERYTHING)
    sound(who.with_body(request_.method, request_.path(place), body, request_.headers or {}))


@each([request for request in REQUESTS if request.body is not None])
@bounded
@given(
    parts=st.lists(st.binary(max_size=40), max_size=4),
    kind=st.sampled_from(["application/json", "text/json", "", "é", "x/y"]),
)
def test_any_bytes(any_library: Library, request_: Request, parts: list[bytes], kind: str) -> None:
    who = any_library.as_("IsaiahL", scopes=EVERYTHING)
    headers = [*authorised(who), (b"content-type", kind.encode("latin-1"))]
    path = f"/v1.0{request_.path(any_library.private)}".encode()
    sound(any_library.graph.send_raw(request_.method, path, headers=headers, parts=parts))
