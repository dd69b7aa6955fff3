"""Who a caller is: validates an access token (RFC 9068, Entra's access-token claims) into a `model.Caller`.

One road for every issuer: the development issuer's key set comes from memory, an outside issuer's from its `jwks_uri`;
`TrustedIssuer.keys` hides which. Every fault of a token, however malformed, is `refusals.TokenInvalid` with a message
that says what is wrong and never repeats the token.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import Key, KeySet
from joserfc.jws import JWSRegistry

from folkmoot.model import Caller
from folkmoot.refusals import TokenInvalid

GRAPH: Final = "https://graph.microsoft.com"
GRAPH_APP_ID: Final = "00000003-0000-0000-c000-000000000000"
GRAPH_AUDIENCES: Final = frozenset({GRAPH, GRAPH + "/", GRAPH_APP_ID})
PERSONAL_TENANT: Final = "9188040d-6c67-4c5b-b112-36a304b66dad"  # the tenant of personal Microsoft accounts

# Asymmetric only: "none" proves nothing; with HS256 anyone could sign with the published public key (RFC 8725 §3.1).
ALGORITHMS: Final = {name: JWSRegistry.algorithms[name] for name in ("RS256", "ES256")}
MAX_TOKEN: Final = 16 * 1024  # characters
CACHED: Final = 4096  # validated tokens that are remembered
EXP_SKEW: Final = 60  # seconds that a token is taken after its exp
NBF_SKEW: Final = 300  # seconds that a token is taken before its nbf, as Entra's validators do

_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_ORIGIN = re.compile(r"https?://[^/?#@\s]+")
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class AnyOrigin(Container[str]):
    """The `iss` values of one issuer under every origin: `https://…` and then exactly `path`.

    Our own issuer names itself by the origin under which the client reached it (localhost, an address, a forwarded
    port). Only its key can sign for it, so the origin in `iss` decides nothing.
    """

    def __init__(self, path: str) -> None:
        """`path` such as `/{tenant_id}/v2.0`."""
        self._path = path

    def __contains__(self, iss: object) -> bool:
        if not isinstance(iss, str) or not iss.endswith(self._path):
            return False
        return _ORIGIN.fullmatch(iss.removesuffix(self._path)) is not None


@dataclass(frozen=True)
class TrustedIssuer:
    """An issuer whose tokens are taken: its `iss` values, the `aud` values meant for us, and its public keys now."""

    issuers: Container[str]
    audiences: frozenset[str]
    keys: Callable[[], KeySet]


class _Header(msgspec.Struct):
    alg: str
    kid: str | None = None
    typ: str | None = None
    crit: Any = None


class _Claims(msgspec.Struct):
    """The claims that are read, with the types that RFC 7519 §4.1 and Entra give them. Others are skipped."""

    iss: str
    aud: str | list[str]
    exp: int | float
    nbf: int | float | None = None
    tid: str = ""
    oid: str = ""
    appid: str = ""
    azp: str = ""
    scp: str | None = None
    roles: list[str] | None = None
    idtyp: str = ""
    idp: str = ""
    cnf: Any = None
    name: str = ""
    upn: str = ""
    preferred_username: str = ""
    unique_name: str = ""


@dataclass(frozen=True)
class Signed:
    """A token taken apart: its header, the bytes of its claims, the text that was signed, and the signature."""

    header: _Header
    payload: bytes
    text: bytes
    signature: bytes


NOT_TRUSTED: Final = "The access token's issuer (iss) is not trusted by this server."
UNKNOWN_KEY: Final = "The access token's signing key (kid) is not one of its issuer's keys."
EXPIRED: Final = "Lifetime validation failed, the token is expired."
TOO_EARLY: Final = "Lifetime validation failed, the token is not yet valid."
_NO_OBJECTS = "The access token's header and claims are not JSON objects in base64url."
_NOT_JSON = (msgspec.DecodeError, binascii.Error, UnicodeDecodeError, RecursionError, OverflowError)

_decode_header = msgspec.json.Decoder(_Header).decode
_decode_claims = msgspec.json.Decoder(_Claims).decode


class Validator:
    """Validates access tokens. Used from one event loop; remembers validated tokens until they expire."""

    def __init__(
        self, issuers: Sequence[TrustedIssuer], clock: Callable[[], float], *, exp_skew: int = EXP_SKEW
    ) -> None:
        """`clock` answers seconds since the epoch. `exp_skew`: 0 to 300 seconds; ValueError otherwise."""
        if not 0 <= exp_skew <= 300:
            raise ValueError("exp_skew must be 0 to 300 seconds")
        self._issuers = tuple(issuers)
        self._clock = clock
        self._exp_skew = exp_skew
        self._seen: dict[str, tuple[Caller, float]] = {}  # by token, oldest first: (caller, not taken from then on)

    def known(self, token: str) -> Caller | None:
        """The caller of a token that was validated before and has not expired since."""
        seen = self._seen.get(token)
        return seen[0] if seen is not None and self._clock() < seen[1] else None

    def caller(self, token: str) -> Caller:
        """The caller that the compact JWT `token` names. TokenInvalid when it is not to be trusted, for any cause."""
        seen = self._seen.get(token)
        now = self._clock()
        if seen is not None:
            if now < seen[1]:
                return seen[0]
            self._seen.pop(token, None)
        claims = self._verified(token, now)
        caller = _caller(claims)
        while len(self._seen) >= CACHED:
            self._seen.pop(next(iter(self._seen)), None)
        self._seen[token] = (caller, claims.exp + self._exp_skew)
        return caller

    def _verified(self, token: str, now: float) -> _Claims:
        signed = open_token(token)
        try:
            claims = _decode_claims(signed.payload)
        except msgspec.ValidationError as error:  # its text names types and the claim, no values of ours or theirs
            raise TokenInvalid(f"The access token has a wrong header or claim: {error}.") from None
        except _NOT_JSON:
            raise TokenInvalid(_NO_OBJECTS) from None
        self._check_signature(signed, claims)
        self._check_claims(claims, now)
        return claims

    def _check_signature(self, signed: Signed, claims: _Claims) -> None:
        check_header(signed, ALGORITHMS)
        trusted = [each for each in self._issuers if claims.iss in each.issuers]
        if not trusted:
            raise TokenInvalid(NOT_TRUSTED)
        found = next(((each, key) for each in trusted if (key := _key(each.keys(), signed.header.kid))), None)
        if found is None:
            raise TokenInvalid(UNKNOWN_KEY)
        issuer, key = found
        check_signature(signed, key, ALGORITHMS)
        check_audience(claims.aud, issuer.audiences)
        check_unbound(claims.cnf)

    def _check_claims(self, claims: _Claims, now: float) -> None:
        if now >= claims.exp + self._exp_skew:
            raise TokenInvalid(EXPIRED)
        if claims.nbf is not None and now < claims.nbf - NBF_SKEW:
            raise TokenInvalid(TOO_EARLY)
        for claim, value in (("oid", claims.oid), ("tid", claims.tid), ("appid or azp", claims.appid or claims.azp)):
            if not GUID.fullmatch(value.lower()):
                raise TokenInvalid(f"The access token's claim {claim} is missing or not a GUID.")


# ── for tokens of every issuer ───────────────────────────────────────────────────────────────────────────────────────


def open_token(token: str) -> Signed:
    """The parts of a compact JWT, none of them believed yet. TokenInvalid when it is no such thing."""
    if len(token) > MAX_TOKEN:
        raise TokenInvalid(f"The access token is longer than {MAX_TOKEN} characters.")
    match = _COMPACT.fullmatch(token)
    if match is None:
        raise TokenInvalid("The access token is not a JSON Web Token: three base64url parts with dots between them.")
    try:
        header, payload, signature = (_base64url(part) for part in match.groups())
        return Signed(_decode_header(header), payload, token[: match.end(2)].encode("ascii"), signature)
    except msgspec.ValidationError as error:
        raise TokenInvalid(f"The access token has a wrong header or claim: {error}.") from None
    except _NOT_JSON:
        raise TokenInvalid(_NO_OBJECTS) from None


def check_header(signed: Signed, algorithms: Container[str]) -> None:
    """Raise TokenInvalid for an algorithm that is not one of `algorithms`, and for critical headers."""
    if signed.header.alg not in algorithms:
        raise TokenInvalid(f"The access token's algorithm is not allowed; it must be {_either(algorithms)}.")
    if signed.header.crit is not None:  # RFC 7515 §4.1.11: what must be understood and is not, is refused
        raise TokenInvalid("The access token has a critical header that this server does not understand.")


def check_signature(signed: Signed, key: Key, algorithms: Mapping[str, Any]) -> None:
    """Raise TokenInvalid unless `key` made the signature; the header was checked before."""
    algorithm = algorithms[signed.header.alg]
    try:
        algorithm.check_key(key)
        genuine = algorithm.verify(signed.text, signed.signature, key)
    except (JoseError, ValueError, TypeError):
        genuine = False
    if not genuine:
        raise TokenInvalid("The access token's signature is not valid.")


def check_audience(aud: str | list[str], audiences: frozenset[str]) -> None:
    """Raise TokenInvalid unless one of the token's audiences is one of `audiences`."""
    if audiences.isdisjoint([aud] if isinstance(aud, str) else aud):
        meant = ", ".join(sorted(audiences))
        raise TokenInvalid(f"Access token validation failure. Invalid audience: aud must be one of {meant}.")


def check_unbound(cnf: Any) -> None:
    """Raise TokenInvalid for a token that is bound to a key of its client (RFC 7800 `cnf`).

    Taken as a bearer token it would open what its binding is there to close, should it be stolen (RFC 9449 §7.1 for
    DPoP, RFC 8705 §3 for certificates). This server checks no proof of such a key.
    """
    if cnf is not None:
        raise TokenInvalid(
            "The access token is bound to a key of its client (cnf), and this server takes bearer tokens only: ask the "
            "issuer for one that is not bound."
        )


def _either(algorithms: Any) -> str:
    *others, last = algorithms
    return f"{', '.join(others)} or {last}" if others else str(last)


def _caller(claims: _Claims) -> Caller:
    """A token with `scp` acts for a person; without, or with `idtyp` "app", for the application itself.

    Source: Entra, "Access token claims reference" (idtyp is optional there, scp is "only included for user tokens").
    """
    is_app = claims.idtyp == "app" or (claims.scp is None and claims.idtyp != "user")
    permissions = claims.roles or () if is_app else (claims.scp or "").split()
    tenant = claims.tid.lower()
    return Caller(
        kind="app" if is_app else "person",
        oid=claims.oid.lower(),
        tenant=tenant,
        application=(claims.appid or claims.azp).lower(),
        permissions=frozenset(permissions),
        name=claims.name,
        upn=claims.upn or claims.preferred_username or claims.unique_name,
        personal=tenant == PERSONAL_TENANT or claims.idp == "live.com",
    )


def _key(keys: KeySet, kid: str | None) -> Key | None:
    if kid is None:  # never tried against every key: a token says by which one it was signed
        return None
    try:
        return keys.get_by_kid(kid)
    except InvalidKeyIdError:
        return None


def _base64url(text: str) -> bytes:
    """RFC 4648 §5 without padding; binascii.Error when the length is impossible. The alphabet is checked before."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
