"""An outside issuer's public keys: where they are published, and how long they are kept.

They are fetched when a token names a key that is not known, and again as they grow old. Strangers can make up key
ids, so what they make the server ask for is limited; an issuer that is away costs nobody the keys fetched before.
"""

from __future__ import annotations

import asyncio
import ssl
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from folkmoot.auth.keys import KEY_BITS
from folkmoot.auth.trust import Trust, may_be_fetched
from folkmoot.observe import log
from folkmoot.refusals import Busy

UNKNOWN_SECONDS: Final = 30  # between two fetches because of unknown keys; they may be anybody's invention
FIRST_SECONDS: Final = 5  # the same while there are no keys at all: an issuer may just be starting beside us
WHOLE_SECONDS: Final = 10  # for one document, from the connection to the last byte
MAX_DOCUMENT: Final = 512 * 1024  # bytes
MAX_KEYS: Final = 100

# Asymmetric only (see `tokens.ALGORITHMS`); by kind of key, since a key is good for what it was made for.
_ALGORITHMS: Final[Mapping[str, tuple[type[RSAKey | ECKey | OKPKey], tuple[str, ...]]]] = {
    "RSA": (RSAKey, ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
    "EC": (ECKey, ("ES256", "ES384", "ES512")),
    "OKP": (OKPKey, ("EdDSA", "Ed25519")),
}
_CURVES: Final = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",), "Ed25519": ("EdDSA", "Ed25519")}
ALGORITHMS: Final = tuple(name for _, names in _ALGORITHMS.values() for name in names)


class PublicKey(msgspec.Struct, frozen=True):
    """A key, and the signature algorithms (`alg`) that it is good for."""

    key: Key
    algorithms: tuple[str, ...]


Keys = Mapping[str, PublicKey]
Fetch = Callable[[str], Awaitable[bytes]]


class NotPublished(Exception):
    """The keys cannot be had; the text says why, and goes to the log."""


class PublishedKeys:
    """The keys of one issuer by their id, as of the last time that they could be fetched. For one event loop."""

    def __init__(self, trust: Trust, clock: Callable[[], float], fetch: Fetch, *, loopback_http: bool) -> None:
        """`clock` answers seconds since the epoch. `loopback_http`: this machine may publish without TLS."""
        self._trust = trust
        self._clock = clock
        self._fetch = fetch
        self._loopback_http = loopback_http
        self._keys: Keys | None = None
        self._fetched_at = 0.0
        self._asked_at: float | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._complained = False

    async def find(self, kid: str) -> PublicKey | None:
        """The key with this id, or None. Raises `Busy` while the issuer's keys could never be fetched."""
        keys = self._keys
        if keys is not None and kid in keys:
            if not self._fresh(self._fetched_at, self._trust.refresh_seconds) and self._may_ask():
                self._begin()  # nobody waits for it: what is known is good until the issuer says otherwise
            return keys[kid]
        if self._under_way() or self._may_ask():
            if keys is not None and not self._under_way():
                self._asked_at = self._clock()
            # Shielded: many wait for one fetch, and any of them may go away.
            await asyncio.shield(self._begin())
        if self._keys is None:
            raise Busy("The keys of the access token's issuer cannot be fetched now; try again.")
        return self._keys.get(kid)

    async def keep(self) -> None:
        """Fetch the keys now and whenever they grow old, for as long as the server runs."""
        while True:
            await asyncio.shield(self._begin())
            ready = self._keys is not None and not self._complained
            await asyncio.sleep(self._trust.refresh_seconds if ready else UNKNOWN_SECONDS)

    def _may_ask(self) -> bool:
        return self._asked_at is None or not self._fresh(
            self._asked_at, FIRST_SECONDS if self._keys is None else UNKNOWN_SECONDS
        )

    def _fresh(self, since: float, seconds: float) -> bool:
        # A clock that was set back must not keep the keys for ever.
        return 0 <= self._clock() - since < seconds

    def _under_way(self) -> bool:
        return self._fetching is not None and not self._fetching.done()

    def _begin(self) -> asyncio.Task[None]:
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.get_running_loop().create_task(self._renew())
        return self._fetching

    async def _renew(self) -> None:
        try:
            self._keys = await self._published()
        except NotPublished as error:
            self._asked_at = self._clock()
            if not self._complained:
                kept = "tokens are refused until they can be" if self._keys is None else "the known ones stay in use"
                log.warning("the keys of issuer %s cannot be fetched, %s: %s", self._trust.issuer, kept, error)
            self._complained = True
            return
        self._fetched_at = self._clock()
        if self._complained:
            log.info("the keys of issuer %s were fetched", self._trust.issuer)
        self._complained = False

    async def _published(self) -> Keys:
        trust = self._trust
        if trust.jwks_file is not None:
            try:
                return parse_keys(await asyncio.to_thread(Path(trust.jwks_file).read_bytes))
            except OSError as error:
                raise NotPublished(f"{trust.jwks_file}: {error.strerror}") from error
        url = trust.jwks_uri or await self._discovered()
        return parse_keys(await self._document(url))

    async def _discovered(self) -> str:
        """The `jwks_uri` of the issuer's discovery document (OpenID Connect Discovery 1.0 §4)."""
        url = f"{self._trust.issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            said = msgspec.json.decode(await self._document(url), type=_Discovery)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise NotPublished(f"{url} is not a discovery document: {error}") from error
        if said.issuer != self._trust.issuer:  # §4.3: "MUST exactly match"
            raise NotPublished(f"{url} is of the issuer '{said.issuer[:200]}'; set issuer to that if it is meant")
        return said.jwks_uri

    async def _document(self, url: str) -> bytes:
        if not may_be_fetched(url, loopback_http=self._loopback_http):
            raise NotPublished(f"'{url[:200]}' is not an https URL")
        try:
            async with asyncio.timeout(WHOLE_SECONDS):
                return await self._fetch(url)
        except TimeoutError as error:
            raise NotPublished(f"{url} did not answer within {WHOLE_SECONDS} seconds") from error


class _Discovery(msgspec.Struct):
    issuer: str
    jwks_uri: str


async def fetch(url: str) -> bytes:
    """The document at `url`: 200 from there and nowhere else, at most `MAX_DOCUMENT` bytes. Raises `NotPublished`."""
    import httpx  # loads slowly, and only servers with an outside issuer need it

    # What the system trusts, so that an organisation's own authority counts.
    trusted = await asyncio.to_thread(ssl.create_default_context)
    try:
        async with (
            httpx.AsyncClient(verify=trusted, timeout=5, follow_redirects=False) as client,
            client.stream("GET", url, headers={"Accept": "application/json"}) as answer,
        ):
            if answer.status_code != 200:
                raise NotPublished(f"{url} answered with status {answer.status_code}")
            content = bytearray()
            async for part in answer.aiter_bytes():
                content += part
                if len(content) > MAX_DOCUMENT:
                    raise NotPublished(f"{url} is longer than {MAX_DOCUMENT} bytes")
            return bytes(content)
    # An ImportError or ValueError: of a proxy that the environment names, or of a host name that is none.
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ImportError, ValueError) as error:
        raise NotPublished(f"{url}: {error or type(error).__name__}") from error


def parse_keys(document: bytes) -> Keys:
    """The keys of a JWK set (RFC 7517 §5) that can verify signatures. `NotPublished` when it is none, or has none.

    Keys of other kinds, for encryption, without an id, private, or too weak are left aside, as §5 has it.
    """
    try:
        listed = msgspec.json.decode(document, type=_KeySet).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotPublished(f"the key set cannot be read: {error}") from error
    found: dict[str, PublicKey] = {}
    for said in listed[:MAX_KEYS]:
        key = _usable(said)
        if key is not None:
            found.setdefault(said["kid"], key)
    if not found:
        raise NotPublished("the key set has no key with an id (kid) that can verify signatures")
    return found


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


def _usable(said: Mapping[str, Any]) -> PublicKey | None:
    kind = _ALGORITHMS.get(str(said.get("kty")))
    if kind is None or not isinstance(said.get("kid"), str) or said.get("use", "sig") != "sig" or "d" in said:
        return None
    operations = said.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    made, algorithms = kind
    if said["kty"] != "RSA":
        algorithms = _CURVES.get(str(said.get("crv")), ())
    if "alg" in said:  # RFC 7517 §4.4
        algorithms = tuple(name for name in algorithms if name == said["alg"])
    if not algorithms:  # the library knows fewer curves than issuers publish, and fails on the others
        return None
    try:
        if made is RSAKey and not _long(str(said.get("n"))):
            return None
        key = made.import_key(dict(said))
    except (JoseError, ValueError, TypeError, OverflowError):
        return None
    return PublicKey(key, algorithms)


def _long(modulus: str) -> bool:
    """Whether an RSA modulus in base64url has enough bits."""
    return int.from_bytes(urlsafe_b64decode(modulus + "=" * (-len(modulus) % 4)), "big").bit_length() >= KEY_BITS
