"""An outside issuer in memory: its keys, its tokens, and what it publishes where."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
from joserfc import jws
from joserfc.jwk import ECKey, Key, RSAKey

from folkmoot.auth.published import NotPublished

ISSUER = "https://id.example.org/realms/moot"
AUDIENCE = "api://moot"
DISCOVERY = f"{ISSUER}/.well-known/openid-configuration"
JWKS = "https://keys.example.org/jwks"


def ec_key(kid: str) -> ECKey:
    """A new key; making one takes no time."""
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig"}, private=True)


def public(*keys: Key) -> bytes:
    """The JWK set of `keys`."""
    return msgspec.json.encode({"keys": [key.as_dict(private=False) for key in keys]})


def signed(key: ECKey | RSAKey, claims: dict[str, Any], **header: Any) -> str:
    """A token; `header` adds to alg, kid and typ, or changes them."""
    said = {"alg": "ES256", "kid": key.kid, "typ": "at+jwt", **header}
    return jws.serialize_compact(said, msgspec.json.encode(claims), key, [said["alg"]])


@dataclass
class FakeIssuer:
    """What an issuer publishes, and how often it was asked. `away` makes every document fail."""

    keys: list[ECKey] = field(default_factory=lambda: [ec_key("first")])
    discovery: dict[str, Any] = field(default_factory=lambda: {"issuer": ISSUER, "jwks_uri": JWKS})
    away: bool = False
    asked: list[str] = field(default_factory=list)

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if self.away:
            raise NotPublished(f"{url}: the connection was refused")
        if url == DISCOVERY:
            return msgspec.json.encode(self.discovery)
        assert url == JWKS
        return public(*self.keys)

    @property
    def fetched(self) -> int:
        """How often the key set was asked for."""
        return self.asked.count(JWKS)

    def rotate(self, kid: str) -> None:
        """Sign with a new key from now on, and publish only that."""
        self.keys = [ec_key(kid)]

    def token(self, now: float, *, key: ECKey | None = None, header: dict[str, Any] | None = None, **more: Any) -> str:
        """An access token of Ada's; a claim of None is left out."""
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": int(now),
            "exp": int(now) + 600,
            "sub": "ada",
            "client_id": "moot-web",
            "scope": "openid User.Read Group.Read.All",
            "name": "Ada Byron",
            "preferred_username": "ada",
            "email": "ada@example.org",
            "email_verified": True,
        } | more
        said = {name: value for name, value in claims.items() if value is not None}
        return signed(key or self.keys[0], said, **(header or {}))
