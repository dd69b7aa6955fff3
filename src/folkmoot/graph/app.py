"""The Graph door: a plain ASGI application with its own resolver.

A request goes: token → path → row of the surface → permission → options and body → verb or read → envelope. General
routers cost two to three times the bare request, and this surface is nouns, not routes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from folkmoot.auth.identities import Identities
from folkmoot.graph import body as bodies
from folkmoot.graph import ids
from folkmoot.graph.call import Call
from folkmoot.graph.envelope import JSON, Answer, Area, encode, failed, refused
from folkmoot.graph.reads import Page
from folkmoot.graph.resolve import Resolved, resolve
from folkmoot.graph.road import Road
from folkmoot.graph.surface import BY_ADDRESS, Row
from folkmoot.model import Caller, Profile
from folkmoot.observe import log
from folkmoot.odata.path import parse_path
from folkmoot.odata.prefer import parse_prefer
from folkmoot.odata.query import Options, parse_options
from folkmoot.refusals import (
    BadClause,
    BodyTooLarge,
    MethodNotAllowed,
    NotAllowed,
    PersonRequired,
    PrivilegeMissing,
    Refusal,
    TokenMissing,
    UnknownSegment,
)
from folkmoot.store import everywhere
from folkmoot.store.db import Hint, Store

# ASGI's own shapes.
Message = dict[str, Any]
Receive = Callable[[], Any]
Send = Callable[[Message], Any]

VERSION = "/v1.0"
_PARSE_ELSEWHERE = 65_536  # a body longer than this is parsed and sanitised off the event loop
_PROFILE_SECONDS = 10.0
_ECHOED = 200


class GraphDoor:
    """Serves `/v1.0/…`.

    `root` gives the service root (`https://localhost:8443/v1.0`) under which a request reached the server; `domain` is
    the mail domain of new groups; `max_body` the largest request body in bytes.
    """

    def __init__(
        self,
        store: Store,
        identities: Identities,
        *,
        root: Callable[[Mapping[str, Any], bytes], str],
        domain: str,
        max_body: int,
    ) -> None:
        self._store = store
        self._identities = identities
        self._root = root
        self._domain = domain
        self._max_body = max_body
        self._profiles: dict[str, tuple[Profile, float]] = {}

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request; whatever happens, in Graph's envelope."""
        answer, request_id, client_request_id = await self.answer(scope, receive)
        await _send(answer, scope["method"], request_id, client_request_id, send)

    async def answer(self, scope: Mapping[str, Any], receive: Receive) -> tuple[Answer, str, str]:
        """What one request is answered, its request-id and its client-request-id. Refusals are answers, too."""
        headers = _headers(scope)
        request_id = self._store.ids.new(self._store.clock())
        client_request_id = headers.get(b"client-request-id", b"").decode("latin-1")[:_ECHOED] or request_id
        area: Area = "mail"
        try:
            resolved = None
            caller = await self._caller(headers)
            resolved = _resolved(scope["raw_path"].decode("latin-1"))
            row = _row(resolved, scope["method"], caller.profile)
            area = row.area
            answer = await self._answer(row, resolved, caller, scope, headers, receive)
        except Refusal as refusal:
            if resolved is not None:
                area = next(iter(BY_ADDRESS[resolved.address].values())).area
            answer = refused(refusal, area, request_id=request_id, client_request_id=client_request_id)
        except Exception:
            log.exception("request %s failed: %s %s", request_id, scope["method"], scope["path"])
            message = f"The server failed unexpectedly; its log holds the reason under request-id {request_id}."
            answer = failed(
                500, "generalException", message, None, (), request_id=request_id, client_request_id=client_request_id
            )
        return answer, request_id, client_request_id

    async def _caller(self, headers: Mapping[bytes, bytes]) -> Caller:
        given = headers.get(b"authorization", b"").decode("latin-1")
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise TokenMissing
        caller = await self._identities.caller(token.strip())
        profile = await self._profile(caller.application)
        return caller if profile == caller.profile else msgspec.structs.replace(caller, profile=profile)

    async def _profile(self, application: str) -> Profile:
        now = self._store.clock()
        known = self._profiles.get(application)
        if known is None or known[1] < now:
            found = await self._store.read(
                lambda snapshot: everywhere.application_profile(snapshot, application), quick=True
            )
            known = (found, now + _PROFILE_SECONDS)
            if len(self._profiles) > 1000:
                self._profiles.clear()
            self._profiles[application] = known
        return known[0]

    async def _answer(
        self,
        row: Row,
        resolved: Resolved,
        caller: Caller,
        scope: Mapping[str, Any],
        headers: Mapping[bytes, bytes],
        receive: Receive,
    ) -> Answer:
        _permit(row, resolved, caller)
        options = parse_options(scope["query_string"].decode("latin-1"))
        if row.read is not None:
            options = _directory_rules(row, options, headers)
        call = Call(
            caller=caller,
            keys=resolved.keys,
            road=Road(self._root(scope, headers.get(b"host", b"")), resolved.steps),
            options=options,
            hops=resolved.hops,
            domain=self._domain,
            headers=headers,
            prefer=parse_prefer(headers.get(b"prefer", b"").decode("latin-1")) if b"prefer" in headers else {},
        )
        if row.read is not None:
            read = row.read
            return await self._store.read(lambda snapshot: read(snapshot, call), quick=read.quick(call))
        _no_options(options)
        raw = await self._body(headers, receive)
        if row.takes is not None:
            content_type = headers.get(b"content-type", b"").decode("latin-1")
            if row.slow or len(raw) > _PARSE_ELSEWHERE:
                prepared = await asyncio.to_thread(_prepare, row, raw, content_type)
            else:
                prepared = _prepare(row, raw, content_type)
            call = msgspec.structs.replace(call, body=prepared)
        write = row.write
        assert write is not None  # noqa: S101  (a row either reads or writes)
        hint = _hint(call) if self._store.takes_hints else None
        return await self._store.write(lambda tx: write(tx, call), key=call.keys.get("group", ""), hint=hint)

    async def _body(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self._max_body:
            raise self._too_large()
        message = await receive()
        parts = [message.get("body", b"")]
        length = len(parts[0])
        while message.get("more_body"):
            message = await receive()
            parts.append(message.get("body", b""))
            length += len(parts[-1])
            if length > self._max_body:
                raise self._too_large()
        return b"".join(parts)

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"The request body is larger than the {self._max_body} bytes that this server accepts.")


def _headers(scope: Mapping[str, Any]) -> dict[bytes, bytes]:
    return dict(scope["headers"])


@lru_cache(maxsize=4096)
def _resolved(raw_path: str) -> Resolved:
    if raw_path != VERSION and not raw_path.startswith(f"{VERSION}/"):
        raise UnknownSegment(f"Resource not found for '{raw_path[:120]}'; the service root is {VERSION}.")
    return resolve(parse_path(raw_path[len(VERSION) :]))


def _row(resolved: Resolved, method: str, profile: Profile) -> Row:
    rows = BY_ADDRESS[resolved.address]
    row = rows.get(method)
    if row is None or (row.only_extended and profile == "strict"):
        raise MethodNotAllowed(
            tuple(name for name, each in rows.items() if profile == "extended" or not each.only_extended)
        )
    return row


def _permit(row: Row, resolved: Resolved, caller: Caller) -> None:
    """Raise unless the token carries a permission that the row asks for."""
    denied = NotAllowed if row.area == "mail" else PrivilegeMissing
    if caller.personal:
        raise denied
    about_me = "user" not in resolved.keys and bool(resolved.steps) and resolved.steps[0][0] == "me"
    if caller.kind == "app":
        if about_me:
            raise PersonRequired
        enough = row.application if caller.profile == "strict" else row.extended
    else:
        oneself = about_me or resolved.keys.get("user", "").lower() in (caller.oid, caller.upn.lower())
        enough = row.delegated | row.own if oneself and row.own else row.delegated
    if caller.permissions.isdisjoint(enough):
        raise denied


def _directory_rules(row: Row, options: Options, headers: Mapping[bytes, bytes]) -> Options:
    """Counting directory objects needs ConsistencyLevel: eventual (Graph: advanced query capabilities).

    Without it `$count=true` is left aside.
    """
    if row.area != "directory" or headers.get(b"consistencylevel", b"").strip().lower() == b"eventual":
        return options
    if row.address.endswith("/$count"):
        raise BadClause("$count is not currently supported. Send the header ConsistencyLevel: eventual.")
    return msgspec.structs.replace(options, count=False) if options.count and isinstance(row.read, Page) else options


def _hint(call: Call) -> Hint | None:
    """What the write will read first; None where the path does not say, or says it wrongly."""
    group = ids.guid(call.keys.get("group", ""))
    if group is None:
        return None
    try:
        thread = ids.read_thread_id(call.keys["thread"], group) if "thread" in call.keys else None
    except Refusal:
        thread = None
    return Hint(group, call.caller.oid, thread)


def _no_options(options: Options) -> None:
    """Query options belong to GET (Graph: query parameters)."""
    if options.texts:
        name = options.texts[0][0]
        raise BadClause(f"{name} is supported on GET requests only.", target=name)


def _prepare(row: Row, raw: bytes, content_type: str) -> Any:
    assert row.takes is not None  # noqa: S101  (asked before)
    given = bodies.decode(raw, row.takes, content_type)
    return given if row.prepare is None else row.prepare(given)


async def _send(answer: Answer, method: str, request_id: str, client_request_id: str, send: Send) -> None:
    headers = [
        (b"request-id", request_id.encode()),
        (b"client-request-id", client_request_id.encode("latin-1")),
        (b"odata-version", b"4.0"),
    ]
    content = b""
    if isinstance(answer.body, bytes):
        content = answer.body
        headers.append((b"content-type", (answer.content_type or "application/octet-stream").encode("latin-1")))
    elif isinstance(answer.body, str):
        content = answer.body.encode()
        headers.append((b"content-type", b"text/plain"))
    elif answer.body is not None:
        content = encode(answer.body)
        headers.append((b"content-type", JSON.encode()))
    elif answer.status != 204:
        # As the published example of reply: clients parse JSON only where the type says so.
        headers.append((b"content-type", b"text/plain"))
    if answer.status != 204:
        headers.append((b"content-length", str(len(content)).encode()))
    headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else content})
