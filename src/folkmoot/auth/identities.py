"""Who comes with an access token of our own issuer, or of an outside one, where everybody has other names.

A token that was seen a moment ago costs a look into a dictionary. Only the first look at one of an outside issuer may
wait, for the issuer's keys and for the directory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from joserfc.jws import JWSRegistry

from folkmoot.auth import claims as read
from folkmoot.auth import published
from folkmoot.auth.claims import Claims
from folkmoot.auth.published import Fetch, PublishedKeys
from folkmoot.auth.tokens import (
    EXPIRED,
    NOT_TRUSTED,
    TOO_EARLY,
    UNKNOWN_KEY,
    Signed,
    Validator,
    check_audience,
    check_header,
    check_signature,
    check_unbound,
    open_token,
)
from folkmoot.auth.trust import Trust
from folkmoot.model import Admission, Application, Arrival, Caller, Person
from folkmoot.ops import identities as people
from folkmoot.refusals import Busy, NotAdmitted, Refusal, TokenInvalid
from folkmoot.store import everywhere, identities
from folkmoot.store.db import Snapshot, Store, Tx

CACHED: Final = 4096  # callers that are remembered
# For so long a caller is believed without looking: a key that is withdrawn, a person who is renamed, an application
# that is registered anew counts after this at the latest. What a person may do is asked of the directory each time.
REMEMBERED_SECONDS: Final = 30

_ALGORITHMS = {name: JWSRegistry.algorithms[name] for name in published.ALGORITHMS}
# RFC 9068 §2.1; many issuers say plain JWT. Other kinds of tokens (logout+jwt, secevent+jwt, …) open nothing.
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
# Keycloak names the use of a token in its payload. An ID token is signed by the same key and is for its client alone.
_NOT_FOR_ACCESS = frozenset({"id", "refresh", "offline", "logout"})


class _Registered(msgspec.Struct):
    """The claims of RFC 7519 §4.1 that decide whether a token is taken, with the types that it gives them."""

    iss: str
    aud: str | list[str]
    exp: int | float
    nbf: int | float | None = None


_registered = msgspec.json.Decoder(_Registered).decode


class Outside:
    """One outside issuer."""

    def __init__(
        self,
        trust: Trust,
        clock: Callable[[], float],
        *,
        domain: str,
        loopback_http: bool = False,
        fetch: Fetch = published.fetch,
    ) -> None:
        """`domain`: the tenant's. `loopback_http`: its keys may come from this machine without TLS."""
        self.trust = trust
        self.keys = PublishedKeys(trust, clock, fetch, loopback_http=loopback_http)
        self.admission = Admission(
            link=trust.link,
            provision=trust.provision == "first-sign-in",
            guest=trust.provision_as == "guest",
            domains=tuple(domain.lower() for domain in trust.provision_domains),
            update=trust.update,
            domain=domain,
        )
        self._audiences = frozenset(trust.audience)

    async def verified(self, signed: Signed, now: float) -> tuple[Claims, float]:
        """The claims of a token of this issuer, and when it ends. TokenInvalid when it is not to be trusted."""
        check_header(signed, _ALGORITHMS)
        if signed.header.typ is not None and signed.header.typ.lower() not in _TYPES:
            raise TokenInvalid("The token is not an access token: its header says another type (typ).")
        try:
            registered = _registered(signed.payload)
            claims: dict[str, Any] = msgspec.json.decode(signed.payload)
        except msgspec.ValidationError as error:
            raise TokenInvalid(f"The access token has a wrong header or claim: {error}.") from None
        except UnicodeDecodeError:  # in a claim that nobody had read yet
            raise TokenInvalid("The access token's claims are not UTF-8.") from None
        key = await self.keys.find(signed.header.kid) if signed.header.kid is not None else None
        if key is None or signed.header.alg not in key.algorithms:
            raise TokenInvalid(UNKNOWN_KEY)
        check_signature(signed, key.key, _ALGORITHMS)
        check_audience(registered.aud, self._audiences)
        check_unbound(claims.get("cnf"))
        if str(claims.get("typ", "")).lower() in _NOT_FOR_ACCESS or "at_hash" in claims:
            raise TokenInvalid("The token is not an access token but an ID token or another one of its issuer's.")
        ends = registered.exp + self.trust.clock_skew
        if now >= ends:
            raise TokenInvalid(EXPIRED)
        if registered.nbf is not None and now < registered.nbf - self.trust.clock_skew:
            raise TokenInvalid(TOO_EARLY)
        return claims, ends


class Identities:
    """Finds the caller of an access token. Used from one event loop."""

    def __init__(self, store: Store, own: Validator | None, outside: Sequence[Outside], *, tenant: str) -> None:
        """`own`: the development issuer's tokens, None where there is none. `tenant`: the tenant's GUID."""
        self._store = store
        self._own = own
        self._outside = {each.trust.issuer: each for each in outside}
        self._tenant = tenant
        self._seen: dict[str, tuple[Caller, float]] = {}
        self._keeping: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to fetch the outside issuers' keys, and keep them young until the event loop ends."""
        loop = asyncio.get_running_loop()
        self._keeping = [loop.create_task(each.keys.keep()) for each in self._outside.values()]

    async def caller(self, token: str) -> Caller:
        """The caller that an access token names, under the strict profile.

        Raises `TokenInvalid` when it is not to be trusted, `NotAdmitted` when it is, but whom it names is not known
        here or may not come in, `Busy` when that cannot be found out now.
        """
        if not self._outside and self._own is not None:
            return self._own.caller(token)
        now = self._store.clock()
        seen = self._seen.get(token)
        if seen is not None and now < seen[1]:
            return seen[0]
        if self._own is not None and (known := self._own.known(token)) is not None:
            return known
        signed = open_token(token)
        outside = self._outside.get(_issuer(signed))
        if outside is None:
            if self._own is None:
                raise TokenInvalid(NOT_TRUSTED)
            return self._own.caller(token)
        claims, ends = await outside.verified(signed, now)
        caller = await self._named(outside, claims)
        self._seen.pop(token, None)
        while len(self._seen) >= CACHED:
            self._seen.pop(next(iter(self._seen)))
        self._seen[token] = (caller, min(ends, now + REMEMBERED_SECONDS))
        return caller

    async def _named(self, outside: Outside, claims: Claims) -> Caller:
        trust = outside.trust
        client = read.application(claims, trust)
        app = read.is_app(claims, trust)
        arrival = None if app else read.arrival(claims, trust)

        def look(snapshot: Snapshot) -> tuple[str, Application | None, Person | None]:
            id = identities.object_of(snapshot, trust.issuer, "app", client)
            id = id or read.guid(client) or people.made_id(trust.issuer, "app", client)
            known = None if arrival is None else people.known(snapshot, arrival)
            return id, everywhere.application(snapshot, id), known

        id, application, person = await self._store.read(look, quick=True)
        if application is None and trust.applications == "registered":
            raise NotAdmitted(
                f"The application '{client}' of the access token is not registered on this server; an operator can "
                "register it with `folkmoot app add`."
            )
        permissions = read.permissions(claims, trust, app=app)
        if application is not None and trust.permissions_from == "registration":
            permissions |= frozenset(application.roles if app else application.scopes)
        if arrival is None:
            principal = people.made_id(trust.issuer, "app", f"{client}#principal")
            return Caller(
                kind="app",
                oid=principal if application is None else application.principal,
                tenant=self._tenant,
                application=id,
                permissions=permissions,
                personal=read.personal(claims),
            )
        if person is None:
            people.require_way_in(outside.admission)
        if person is None or people.outdated(person, arrival, outside.admission):
            person = await self._arrived(outside, arrival)
        return Caller(
            kind="person",
            oid=person.id,
            tenant=self._tenant,
            application=id,
            permissions=permissions,
            name=person.name,
            upn=person.upn,
            personal=read.personal(claims),
        )

    async def _arrived(self, outside: Outside, arrival: Arrival) -> Person:
        def arrive(tx: Tx) -> Person:
            return people.arrive(tx, arrival, outside.admission)

        # By one key, so that two first requests of a person are one after the other and the second finds them there.
        key = f"{arrival.issuer} {arrival.subject}"
        again = 2
        while True:
            try:
                return await self._store.write(arrive, key=key)
            except Exception as error:
                # Another server on this database may have been quicker: what it wrote looked like somebody else's, or
                # took a key that was free a moment before. Of two that stood in each other's way neither may be there
                # yet; the next time one is.
                person = await self._store.read(lambda snapshot: people.known(snapshot, arrival), quick=True)
                if person is not None:
                    return person
                if not again or (isinstance(error, Refusal) and not isinstance(error, Busy)):
                    raise
                again -= 1


def _issuer(signed: Signed) -> str:
    """Whom the token says that it is of; nothing of it is believed yet."""
    try:
        return _of(signed.payload).iss
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise TokenInvalid("The access token's claims are not a JSON object that names its issuer (iss).") from None


class _Of(msgspec.Struct):
    iss: str


_of = msgspec.json.Decoder(_Of).decode
