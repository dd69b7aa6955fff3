"""The Graph door: a plain ASGI application with its own resolver.

A request goes: token → path → row of the surface → permission → options and body → verb or read → envelope. General
routers cost two to three times the bare request, and this surface is nouns, not routes.
"""

from __future__ import annotations

import asyncio
from codecs import BOM_UTF8
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import lru_cache, partial
from typing import Any, NamedTuple, TypeVar

import msgspec

from folkmoot.auth.identities import Identities
from folkmoot.graph import body as bodies
from folkmoot.graph import ids
from folkmoot.graph.call import Call, missing
from folkmoot.graph.compressed import GROWTH, unpacked
from folkmoot.graph.consistency import checked
from folkmoot.graph.content import filled
from folkmoot.graph.cross_origin import preflight
from folkmoot.graph.describe_service import described
from folkmoot.graph.envelope import Answer, Area, Events, failed, refused
from folkmoot.graph.feeds import FEEDS
from folkmoot.graph.limits import OFF, Limits, Throttle
from folkmoot.graph.notifications import Notifications
from folkmoot.graph.reads import Count, Page
from folkmoot.graph.replay import fingerprint, once, read_key
from folkmoot.graph.resolve import Resolved, resolve
from folkmoot.graph.road import Road
from folkmoot.graph.room import Room, Share
from folkmoot.graph.sending import Receive, Send, send_answer, send_events
from folkmoot.graph.stream_reads import Listener
from folkmoot.graph.streaming import Streams
from folkmoot.graph.surface import BEYOND_THE_CLOUD, BY_ADDRESS, Row
from folkmoot.model import Caller, Profile
from folkmoot.observe import APPLICATION, OPERATION, log
from folkmoot.observe import request_id as logged_id
from folkmoot.odata.path import parse_path
from folkmoot.odata.prefer import parse_prefer
from folkmoot.odata.query import Options, parse_options
from folkmoot.ops import access, grants
from folkmoot.ops.directory import LONGEST_UNIQUE_NAME
from folkmoot.outgoing import Outgoing
from folkmoot.refusals import (
    BadBody,
    BadClause,
    BodyTooLarge,
    Busy,
    MethodNotAllowed,
    NoSuchObject,
    NotAllowed,
    PersonRequired,
    PrivilegeMissing,
    Refusal,
    TokenMissing,
    UnknownSegment,
)
from folkmoot.store import everywhere
from folkmoot.store.db import Hint, Snapshot, Store
from folkmoot.store.ids import RandomIds

VERSION = "/v1.0"
_PARSE_ELSEWHERE = 65_536  # a body longer than this is parsed and sanitised off the event loop
_PROFILE_SECONDS = 10.0
_ECHOED = 200
_LONGEST_DOCUMENT = 40  # characters of a path that could name a document of the service
_LONG_TOKEN = 4096  # bytes of an Authorization header that is not remembered: anybody can send one
_IN_SEVERAL_LINES = (b"prefer", b"if-match")  # as lists may come (RFC 9110 §5.3)
_SHORT_QUERY = 256  # bytes of a query whose options are remembered
_SHORT_PATH = 1024  # characters of a path that is remembered: ids of ours fit, and anybody can send a longer one


class _Asked(NamedTuple):
    """A request, as ASGI has it, with the row that it found and who sent it."""

    row: Row
    resolved: Resolved
    caller: Caller
    scope: MutableMapping[str, Any]
    headers: Mapping[bytes, bytes]
    receive: Receive
    share: Share | None  # where it has a body


class GraphDoor:
    """Serves `/v1.0/…`.

    `root` gives the service root (`https://localhost:8443/v1.0`) under which a request reached the server; `domain` is
    the mail domain of new groups; `outgoing` sends to URLs that clients name, `notifications` what is said there;
    `max_body` is the largest request body, `max_attachment` the largest attachment, both in bytes. `limits` say how
    much applications may ask for (None: as much as they like). No more than `max_requests` are answered at the same
    time, and their bodies have no more than `room`; what is beyond is refused at once. In `development`
    a request may say under which profile it is answered: `Prefer: folkmoot.profile=strict` or `=extended`. `streams`
    are those of whoever follows changes.
    """

    def __init__(
        self,
        store: Store,
        identities: Identities,
        outgoing: Outgoing,
        notifications: Notifications,
        *,
        root: Callable[[Mapping[str, Any], bytes], str],
        domain: str,
        max_body: int,
        max_attachment: int,
        limits: Mapping[Profile, Limits] | None = None,
        max_requests: int = 1000,
        room: Room | None = None,
        development: bool = False,
        streams: Streams | None = None,
    ) -> None:
        self.streams = Streams(store) if streams is None else streams
        self.waits = store.dialect != "sqlite"
        self._store = store
        self._identities = identities
        self._outgoing = outgoing
        self._notifications = notifications
        self._root = root
        self._domain = domain
        self._max_body = max_body
        self._max_attachment = max_attachment
        self._development = development
        self._throttle = Throttle(limits or {"strict": OFF, "extended": OFF}, store.clock)
        self._max_requests = max_requests
        self._requests = 0
        self._room = room or Room(256 * 1024 * 1024)
        self._profiles: dict[str, tuple[Profile, float]] = {}
        self._request_ids = RandomIds()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request; whatever happens, in Graph's envelope."""
        if self._requests >= self._max_requests:
            # Told at once, and cheaply: who waits for an answer that comes too late has asked again meanwhile.
            ids = self.request_ids(_headers(scope))
            busy = refused(Busy(), "mail", request_id=ids[0], client_request_id=ids[1])
            await send_answer(busy, *ids, scope, send)
            return
        self._requests += 1
        try:
            answer, request_id, client_request_id = await self.answer(scope, receive)
        finally:
            self._requests -= 1
        if isinstance(answer.body, Events):
            await send_events(answer, answer.body, (request_id, client_request_id), scope, receive, send)
        else:
            sending = send_answer(answer, request_id, client_request_id, scope, send)
            del answer  # however long the client takes, only what is still to be sent is kept
            await sending

    async def answer(
        self, scope: MutableMapping[str, Any], receive: Receive, sender: Caller | None = None
    ) -> tuple[Answer, str, str]:
        """What one request is answered, its request-id and its client-request-id. Refusals are answers, too.

        `sender` is who sent it where that is known: by the batch that it is in.
        """
        headers = _headers(scope)
        request_id, client_request_id = self.request_ids(headers)
        # Whether it may say how it is answered, and does.
        prefers = self._development and b"prefer" in headers
        area: Area = "mail"
        profile: Profile = "strict"
        try:
            resolved = None
            if (known := preflight(scope, headers) or self._described(scope, headers)) is not None:
                return known, request_id, client_request_id
            caller = sender if sender is not None and not prefers else await self._caller(headers)
            scope[APPLICATION] = caller.application
            profile = caller.profile
            resolved = _resolved(scope["raw_path"].decode("latin-1"), profile)
            row = _row(resolved, scope["method"], caller.profile)
            area = row.area
            scope[OPERATION] = row.address
            # An item of a batch has a part of the batch's.
            share = Share(self._room) if b"content-length" in headers or b"transfer-encoding" in headers else None
            asked = _Asked(row, resolved, caller, scope, headers, receive, share)
            # Of a batch the items are counted, as they come in by the same door.
            counted = row.address != "$batch" and self._throttle.counts(caller)
            answer = await (self._admit(asked) if counted or share is not None else self._answer(asked))
        except Refusal as refusal:
            if resolved is not None:
                area = next(iter(BY_ADDRESS[resolved.address].values())).area
            answer = refused(refusal, area, request_id=request_id, client_request_id=client_request_id, profile=profile)
        except Exception:
            log.exception("request %s failed: %s %s", request_id, scope["method"], scope.get(OPERATION, "?"))
            message = f"The server failed unexpectedly; its log holds the reason under request-id {request_id}."
            answer = failed(
                500, "generalException", message, None, (), request_id=request_id, client_request_id=client_request_id
            )
        if prefers and resolved is not None and (preferred := self._asked_profile(headers)) is not None:
            # RFC 7240 §3. Said of refusals, too: they are what the profile decides.
            answer = _applied(answer, f"folkmoot.profile={preferred}")
        return answer, request_id, client_request_id

    def _described(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> Answer | None:
        """A document of the service, for anybody."""
        if len(scope["raw_path"]) > _LONGEST_DOCUMENT:
            return None
        path = scope["raw_path"].decode("latin-1")
        if path != VERSION and not path.startswith(f"{VERSION}/"):
            return None
        root = self._root(scope, headers.get(b"host", b""))
        return described(scope["method"], path[len(VERSION) :], scope["query_string"].decode("latin-1"), root)

    async def _admit(self, asked: _Asked) -> Answer:
        """Answer a request that is counted, or has a body, where there is room for it."""
        resolved = asked.resolved
        mailbox = None
        if resolved.address != "$batch":
            content = asked.row.area == "mail"
            mailbox = self._throttle.admit(asked.caller, resolved.address, _group(resolved), content=content)
        share = asked.share
        try:
            if share is not None:
                # One that is too large is not read, and needs no room.
                share.expect(min(_length(asked.headers), self._max_body))
            return await self._answer(asked)
        finally:
            if share is not None:
                share.hold(0)
            if mailbox is not None:
                self._throttle.leave(mailbox)

    def at_once(self, caller: Caller) -> int:
        """How many requests to one group a caller may have under way."""
        return self._throttle.at_once(caller) or self._max_requests

    def request_ids(self, headers: Mapping[bytes, bytes]) -> tuple[str, str]:
        """A new request-id, and the client-request-id: the client's own, or the same where it sent none."""
        request_id = self._request_ids.new()
        logged_id.set(request_id)
        return request_id, headers.get(b"client-request-id", b"").decode("latin-1")[:_ECHOED] or request_id

    def _asked_profile(self, headers: Mapping[bytes, bytes]) -> Profile | None:
        """The profile that a request prefers, where that is heard."""
        given = headers.get(b"prefer")
        if not self._development or given is None:
            return None
        asked = parse_prefer(given.decode("latin-1")).get("folkmoot.profile", "").lower()
        return "strict" if asked == "strict" else "extended" if asked == "extended" else None

    async def _caller(self, headers: Mapping[bytes, bytes]) -> Caller:
        given = headers.get(b"authorization", b"")
        token = _known_bearer(given) if len(given) <= _LONG_TOKEN else _bearer(given)
        if not token:
            raise TokenMissing
        caller = await self._identities.caller(token)
        profile = self._asked_profile(headers) or await self._profile(caller.application)
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

    async def _answer(self, asked: _Asked) -> Answer:
        row, resolved, caller, scope, headers, receive, share = asked
        serves_itself = row.serve is not None and not row.delegated
        unless_granted = None
        if not (serves_itself or _permitted(row, resolved, caller)):
            unless_granted = await self._lacking(row, resolved, caller)
        if "uniqueName" in resolved.keys:
            prefer = parse_prefer(headers.get(b"prefer", b"").decode("latin-1"))
            named = await self._named(row, resolved, caller, prefer, unless_granted)
            if named is not resolved:
                try:
                    return await self._answer(asked._replace(resolved=named))
                except NoSuchObject as refusal:
                    # Who may not see the group does not hear its id either.
                    if refusal.id == named.keys["group"]:
                        raise NoSuchObject(resolved.keys["uniqueName"]) from None
                    raise
        options = _options(scope["query_string"])
        if row.read is not None and row.method == "GET":
            options = _directory_rules(row, options, headers, caller.profile)
        prefer = parse_prefer(headers.get(b"prefer", b"").decode("latin-1")) if b"prefer" in headers else {}
        call = Call(
            caller=caller,
            keys=resolved.keys,
            road=Road(self._root(scope, headers.get(b"host", b"")), resolved.steps),
            options=options,
            hops=resolved.hops,
            domain=self._domain,
            largest_attachment=self._max_attachment,
            headers=headers,
            prefer=prefer,
            lacking=unless_granted,
            notifications=self._notifications,
        )
        row_read = row.read
        if row_read is not None and row.method == "GET":
            read = _fitting(_granted(row_read, row, unless_granted), row, resolved)
            answer = await self._store.read(lambda snapshot: read(snapshot, call), quick=row_read.quick(call))
            return filled(answer, self._store) if _may_hold_content(row, options) else answer
        if row.method != "GET":
            _no_options(options)
        raw = await self._body(headers, receive, share)
        if raw and row.area == "mail" and (group := _group(resolved)) is not None:
            self._throttle.sent(caller, group, len(raw))
        if row.serve is not None:
            return await row.serve(self, call, scope, raw)
        if row.takes is not None:
            content_type = headers.get(b"content-type", b"").decode("latin-1")
            if row.slow or len(raw) > _PARSE_ELSEWHERE:
                prepared = await asyncio.to_thread(_prepare, row, raw, content_type)
            else:
                prepared = _prepare(row, raw, content_type)
            call = msgspec.structs.replace(call, body=prepared)
        if row_read is not None:
            work = _granted(row_read, row, unless_granted)
            return await self._store.read(lambda snapshot: work(snapshot, call))
        if row.before is not None:
            done = await row.before(self._store, self._outgoing, call)
            call = call if done is None else msgspec.structs.replace(call, body=done)
        write = row.write
        assert write is not None  # noqa: S101  (a row reads, writes or serves)
        if row.once and caller.profile == "extended" and (key := read_key(headers)) is not None:
            write = once(write, key, await _fingerprint(row, resolved, raw))
        write = _fitting(_granted(write, row, unless_granted), row, resolved)
        hint = _hint(row, call) if self._store.takes_hints else None
        turn = call.keys.get("group", "")

        def commit(call: Call) -> Awaitable[Answer]:
            return self._store.write(lambda tx: write(tx, call), key=turn, hint=hint)

        try:
            answer = await commit(call)
        except Exception as error:
            if not self._store.raced(error):
                raise
            answer = await commit(call)
        while answer.rest:
            answer = await commit(msgspec.structs.replace(call, rest=answer.rest))
        return filled(answer, self._store) if _may_hold_content(row, options) else answer

    async def admitted(self, scope: Mapping[str, Any]) -> Listener:
        """Who sent a request, as of now, and the grant that it rests on. Raises the refusal that it would meet now."""
        caller = await self._caller(_headers(scope))
        resolved = _resolved(scope["raw_path"].decode("latin-1"), caller.profile)
        row = _row(resolved, scope["method"], caller.profile)
        if _permitted(row, resolved, caller):
            return Listener(caller, None)
        refusal = await self._lacking(row, resolved, caller)
        if "uniqueName" in resolved.keys:
            resolved = await self._named(row, resolved, caller, {}, refusal)
        group = ids.directory_id(resolved.keys["group"])
        return Listener(caller, lambda snapshot: grants.require(snapshot, caller, group, row.grants, refusal))

    async def _lacking(self, row: Row, resolved: Resolved, caller: Caller) -> NotAllowed:
        """Raise the refusal of a token that carries no permission that the row asks for.

        Where a grant in the group would be enough instead, the refusal is returned; the transaction decides.
        """
        denied = NotAllowed if row.area == "mail" else PrivilegeMissing
        if caller.personal:
            raise denied
        enough = _enough(row, resolved, caller)
        if caller.profile == "strict" and not await self._store.read(
            lambda snapshot: _administers(snapshot, caller), quick=True
        ):
            # The cloud says no more than that.
            raise denied
        by_grant = row.grants if caller.kind == "app" and caller.profile == "extended" else frozenset()
        refusal = denied(missing(caller, enough, by_grant))
        if not by_grant:
            raise refusal
        return refusal

    async def _named(
        self,
        row: Row,
        resolved: Resolved,
        caller: Caller,
        prefer: Mapping[str, str],
        unless_granted: NotAllowed | None,
    ) -> Resolved:
        """The path with the id of the group in place of its unique name, which never changes.

        It stays as it is where a group of that name may be made. Raises `NoSuchObject`, also where the caller may not
        see the group: names can be guessed, as ids cannot. Who needs a grant hears `unless_granted` of any name.
        """
        name = resolved.keys["uniqueName"]

        def look(snapshot: Snapshot) -> tuple[tuple[str, bool] | None, bool]:
            found = everywhere.by_unique_name(snapshot, name)
            return found, found is not None and not found[1] and access.sees_group(snapshot, caller, found[0])

        found, seen = await self._store.read(look, quick=True)
        if found is None or not seen:
            if unless_granted is not None:
                raise unless_granted
            free = found is None or found[1]
            if free and (row.method, row.address) == ("PATCH", "group") and "create-if-missing" in prefer:
                return resolved
            raise NoSuchObject(name)
        keys = {noun: key for noun, key in resolved.keys.items() if noun != "uniqueName"}
        steps = tuple((step, found[0] if key == name else key) for step, key in resolved.steps[:1])
        return msgspec.structs.replace(resolved, keys={**keys, "group": found[0]}, steps=(*steps, *resolved.steps[1:]))

    async def _body(self, headers: Mapping[bytes, bytes], receive: Receive, share: Share | None) -> bytes:
        """The body, unpacked. `share`, if there is one, holds of it what has come."""
        if _length(headers) > self._max_body:
            raise self._too_large()
        parts: list[bytes] = []
        length = 0
        more = True
        while more:
            message = await self._received(receive)
            if message["type"] == "http.disconnect" and parts:
                raise BadBody("The request body did not come whole.")
            parts.append(message.get("body", b""))
            length += len(parts[-1])
            if length > self._max_body:
                raise self._too_large()
            if share is not None:
                share.hold(length)
            more = message.get("more_body", False)
        raw = b"".join(parts)
        if (coding := headers.get(b"content-encoding")) is not None:
            if share is not None:
                share.hold(min(length * GROWTH, self._max_body))  # what it may become
            unpack = partial(unpacked, raw, coding.decode("latin-1"), self._max_body)
            raw = await asyncio.to_thread(unpack) if length > _PARSE_ELSEWHERE else unpack()
            if len(raw) > self._max_body:
                raise self._too_large()
            if share is not None:
                share.hold(len(raw))
        # Editors and .NET write one before UTF-8; JSON lets a reader pass over it (RFC 8259 §8.1).
        return raw.removeprefix(BOM_UTF8)

    async def _received(self, receive: Receive) -> Any:
        """The next message. Until it has come the request is not one of those that are answered: it costs a connection
        and what it holds already, and who sends slowly keeps nobody out."""
        self._requests -= 1
        try:
            message = await receive()
        finally:
            self._requests += 1
        if self._requests > self._max_requests:
            raise Busy
        return message

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"The request body is larger than the {self._max_body} bytes that this server accepts.")


def _applied(answer: Answer, preference: str) -> Answer:
    """The answer, which says of one more preference that it was heard; in one line, as a batch has one of a name."""
    said = [value for name, value in answer.headers if name == "Preference-Applied"]
    others = [header for header in answer.headers if header[0] != "Preference-Applied"]
    return msgspec.structs.replace(answer, headers=(*others, ("Preference-Applied", ", ".join((*said, preference)))))


def _headers(scope: Mapping[str, Any]) -> dict[bytes, bytes]:
    listed = scope["headers"]
    headers = dict(listed)
    if len(headers) < len(listed):
        for name in _IN_SEVERAL_LINES:
            if name in headers:
                headers[name] = b", ".join([value for given, value in listed if given == name])
    return headers


def _length(headers: Mapping[bytes, bytes]) -> int:
    """Bytes of the body as the client declares them; 0 where it does not."""
    declared = headers.get(b"content-length", b"")
    return int(declared) if declared.isdigit() else 0


def _bearer(authorization: bytes) -> str:
    """The access token of an Authorization header (RFC 6750 §2.1); "" where there is none."""
    scheme, _, token = authorization.decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


# The same text each time has its hash ready wherever it is looked up.
_known_bearer = lru_cache(maxsize=512)(_bearer)


def _resolved(raw_path: str, profile: Profile) -> Resolved:
    return (_known_path if len(raw_path) <= _SHORT_PATH else _walked)(raw_path, profile)


def _walked(raw_path: str, profile: Profile) -> Resolved:
    if raw_path != VERSION and not raw_path.startswith(f"{VERSION}/"):
        raise UnknownSegment(f"Resource not found for '{raw_path[:120]}'; the service root is {VERSION}.")
    return resolve(parse_path(raw_path[len(VERSION) :]), extended=profile == "extended")


_known_path = lru_cache(maxsize=4096)(_walked)


def _options(query: bytes) -> Options:
    # Programs ask the same few questions; a next link is asked once.
    return _asked_often(query) if len(query) <= _SHORT_QUERY else parse_options(query.decode("latin-1"))


@lru_cache(maxsize=1024)
def _asked_often(query: bytes) -> Options:
    return parse_options(query.decode("latin-1"))


def _row(resolved: Resolved, method: str, profile: Profile) -> Row:
    rows = BY_ADDRESS[resolved.address]
    if profile == "strict" and resolved.address in BEYOND_THE_CLOUD:
        raise UnknownSegment(f"Resource not found for the segment '{resolved.address.rpartition('/')[2]}'.")
    row = rows.get(method)
    if row is None or (row.only_extended and profile == "strict"):
        raise MethodNotAllowed(
            tuple(name for name, each in rows.items() if profile == "extended" or not each.only_extended)
        )
    return row


def _enough(row: Row, resolved: Resolved, caller: Caller) -> frozenset[str]:
    """The permissions of which the token must carry one. Raises `PersonRequired` where only a person has a self."""
    if caller.kind == "person" and not row.own:
        return row.delegated
    about_me = "user" not in resolved.keys and bool(resolved.steps) and resolved.steps[0][0] == "me"
    if caller.kind == "app":
        if about_me:
            raise PersonRequired
        return row.application if caller.profile == "strict" else row.extended
    oneself = about_me or resolved.keys.get("user", "").lower() in (caller.oid, caller.upn.lower())
    return row.delegated | row.own if oneself else row.delegated


def _permitted(row: Row, resolved: Resolved, caller: Caller) -> bool:
    """Whether the token carries a permission that the row asks for. Raises as `_enough`."""
    return not caller.personal and not caller.permissions.isdisjoint(_enough(row, resolved, caller))


def _administers(snapshot: Snapshot, caller: Caller) -> bool:
    """Whether the caller is a person who runs the organisation; asked only to word a refusal."""
    person = None if caller.kind == "app" else everywhere.person(snapshot, caller.oid)
    return person is not None and person.enabled and person.admin


Work = TypeVar("Work", bound=Snapshot)


def _granted(
    work: Callable[[Work, Call], Answer], row: Row, refusal: NotAllowed | None
) -> Callable[[Work, Call], Answer]:
    """`work`; where the token alone does not permit it, `refusal` unless the application has a grant in the group."""
    if refusal is None or row.judges:
        return work

    def where_granted(snapshot: Work, call: Call) -> Answer:
        grants.require(snapshot, call.caller, ids.directory_id(call.keys["group"]), row.grants, refusal)
        return work(snapshot, call)

    return where_granted


def _fitting(work: Callable[[Work, Call], Answer], row: Row, resolved: Resolved) -> Callable[[Work, Call], Answer]:
    """`work`; where the object's kind says which permissions count, only with one of those."""
    kinds = row.kinds
    if kinds is None:
        return work

    def where_fit(snapshot: Work, call: Call) -> Answer:
        enough = _enough(row, resolved, call.caller) & kinds.fits[kinds.find(snapshot, call)]
        if call.caller.permissions.isdisjoint(enough):
            told = call.caller.profile == "extended" or _administers(snapshot, call.caller)
            raise PrivilegeMissing(missing(call.caller, enough, frozenset()) if told else None)
        return work(snapshot, call)

    return where_fit


async def _fingerprint(row: Row, resolved: Resolved, raw: bytes) -> str:
    if len(raw) > _PARSE_ELSEWHERE:
        return await asyncio.to_thread(fingerprint, row.method, row.address, resolved.keys, raw)
    return fingerprint(row.method, row.address, resolved.keys, raw)


def _directory_rules(row: Row, options: Options, headers: Mapping[bytes, bytes], profile: Profile) -> Options:
    """The options that hold for a collection of the directory (see `consistency`)."""
    if row.area != "directory" or not isinstance(row.read, Page | Count):
        return options
    eventual = headers.get(b"consistencylevel", b"").strip().lower() == b"eventual"
    return checked(FEEDS[row.read.feed].noun, row.address, options, eventual=eventual, profile=profile)


def _may_hold_content(row: Row, options: Options) -> bool:
    """Whether the answer may have holes in it (see `content`): looking for them costs what encoding it does."""
    return bool(options.expand) or "attachment" in row.address


def _group(resolved: Resolved) -> str | None:
    """The group that a path is about, as limits know it: its id, or its unique name.

    They remember it, so what is too long to be one is cut.
    """
    found = resolved.keys.get("group") or resolved.keys.get("uniqueName")
    return None if found is None else found[:LONGEST_UNIQUE_NAME].lower()


def _hint(row: Row, call: Call) -> Hint | None:
    """What the write will read first; None where the path does not say, or says it wrongly."""
    group = ids.guid(call.keys.get("group", ""))
    if group is None:
        return None
    try:
        thread = ids.read_thread_id(call.keys["thread"], group) if "thread" in call.keys else None
    except Refusal:
        thread = None
    return Hint(group, call.caller.oid, thread, brief=row.method == "POST")


def _no_options(options: Options) -> None:
    """Query options belong to GET (Graph: query parameters)."""
    if options.texts:
        name = options.texts[0][0]
        raise BadClause(f"{name} is supported on GET requests only.", target=name)


def _prepare(row: Row, raw: bytes, content_type: str) -> Any:
    assert row.takes is not None  # noqa: S101  (asked before)
    given = bodies.decode(raw, row.takes, content_type)
    return given if row.prepare is None else row.prepare(given)
