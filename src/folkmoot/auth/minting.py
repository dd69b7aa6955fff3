"""The tokens that the development issuer makes: access, id and refresh tokens, and the answer that carries them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from joserfc import jws
from joserfc.errors import JoseError

from folkmoot.auth.entra import OAuthError
from folkmoot.auth.keys import SigningKey
from folkmoot.auth.scopes import Scopes
from folkmoot.auth.tokens import GRAPH, PERSONAL_TENANT
from folkmoot.model import Application, SignIn

LIFETIME: Final = 3599  # seconds; what Entra most often answers as expires_in
REFRESH_LIFETIME: Final = 90 * 24 * 3600  # seconds, Entra's for all but single-page applications
# Refresh tokens carry an audience that no API takes, and a type of their own (RFC 8725 §3.11–12), so that one can
# never pass for an access token nor the other way about.
REFRESH_AUDIENCE: Final = "urn:folkmoot:refresh"
REFRESH_TYPE: Final = "rt+jwt"


def mint(
    key: SigningKey,
    *,
    base: str,
    tenant_id: str,
    application: Application,
    person: SignIn | None,
    permissions: Iterable[str],
    lifetime: int,
    now: float,
    personal: bool = False,
) -> str:
    """An access token of this issuer for the Graph, with Entra's v2.0 claims.

    `person` is None for the application itself: then `permissions` become `roles`, otherwise `scp`. `base` is the
    origin in `iss`; `lifetime` is in seconds from `now`, seconds since the epoch. `personal` makes a token like that of
    a personal Microsoft account, to try how it is refused.
    """
    issued = int(now)
    claims: dict[str, Any] = {
        "aud": GRAPH,
        "iss": f"{base}/{tenant_id}/v2.0",
        "iat": issued,
        "nbf": issued,
        "exp": issued + lifetime,
        "tid": PERSONAL_TENANT if personal else tenant_id,
        "appid": application.id,
        "azp": application.id,
        "appidacr": "0" if application.secret_hash is None else "1",
        "azpacr": "0" if application.secret_hash is None else "1",
        "app_displayname": application.name,
        "uti": secrets.token_urlsafe(16),
        "ver": "2.0",
    }
    if person is None:
        claims |= {"idtyp": "app", "oid": application.principal, "sub": application.principal}
        claims["roles"] = list(permissions)
    else:
        claims |= {"idtyp": "user", "oid": person.oid, "sub": _pairwise(person, application)}
        claims |= {"scp": " ".join(permissions), "name": person.name, "upn": person.upn}
        claims |= {"unique_name": person.upn, "preferred_username": person.upn}
    return key.sign(claims)


def app_answer(key: SigningKey, base: str, tenant_id: str, application: Application, now: float) -> dict[str, Any]:
    """The token answer of the client credentials grant (RFC 6749 §4.4.3: no refresh token)."""
    token = mint(
        key,
        base=base,
        tenant_id=tenant_id,
        application=application,
        person=None,
        permissions=application.roles,
        lifetime=LIFETIME,
        now=now,
    )
    return {"token_type": "Bearer", "expires_in": LIFETIME, "ext_expires_in": LIFETIME, "access_token": token}


def person_answer(
    key: SigningKey,
    *,
    base: str,
    tenant_id: str,
    application: Application,
    person: SignIn,
    scopes: Scopes,
    consented: Scopes,
    nonce: str,
    client_info: bool,
    now: float,
) -> dict[str, Any]:
    """The token answer for a person: `scopes` are granted now, `consented` what the refresh token is good for.

    An id token comes with `openid`, a refresh token with `offline_access`, `client_info` when it was asked for.
    """
    permissions = [*scopes.granted(application), *sorted(scopes.openid - {"offline_access"})]
    token = mint(
        key,
        base=base,
        tenant_id=tenant_id,
        application=application,
        person=person,
        permissions=permissions,
        lifetime=LIFETIME,
        now=now,
    )
    answer: dict[str, Any] = {
        "token_type": "Bearer",
        "scope": scopes.answer(application),
        "expires_in": LIFETIME,
        "ext_expires_in": LIFETIME,
        "access_token": token,
    }
    if "openid" in scopes.openid:
        answer["id_token"] = _id_token(key, base, tenant_id, application, person, scopes, nonce, now)
    if "offline_access" in scopes.openid:
        answer["refresh_token"] = _refresh_token(key, tenant_id, application, person, consented, now)
    if client_info:
        answer["client_info"] = client_information(person, tenant_id)
    return answer


def client_information(person: SignIn, tenant_id: str) -> str:
    """MSAL's `client_info`: unpadded base64url of `{"uid": oid, "utid": tid}`."""
    text = json.dumps({"uid": person.oid, "utid": tenant_id})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _id_token(
    key: SigningKey,
    base: str,
    tenant_id: str,
    application: Application,
    person: SignIn,
    scopes: Scopes,
    nonce: str,
    now: float,
) -> str:
    """OpenID Connect Core §2, with Entra's claims. `nonce` is in it when and only when one was sent."""
    claims: dict[str, Any] = {
        "iss": f"{base}/{tenant_id}/v2.0",
        "aud": application.id,
        "sub": _pairwise(person, application),
        "oid": person.oid,
        "tid": tenant_id,
        "preferred_username": person.upn,
        "name": person.name,
        "iat": int(now),
        "nbf": int(now),
        "exp": int(now) + LIFETIME,
        "uti": secrets.token_urlsafe(16),
        "ver": "2.0",
    }
    if nonce:
        claims["nonce"] = nonce
    if "email" in scopes.openid and person.mail:
        claims["email"] = person.mail
    return key.sign(claims)


class _Refresh(msgspec.Struct):
    """The claims of a refresh token."""

    iss: str
    aud: str
    sub: str
    azp: str
    scope: str
    exp: int
    pwd: str = ""  # the password's `SignIn.password`


def _refresh_token(
    key: SigningKey, tenant_id: str, application: Application, person: SignIn, consented: Scopes, now: float
) -> str:
    """A signed statement of what was consented to: nothing is kept, so it survives a restart of the server."""
    expires = int(now) + REFRESH_LIFETIME
    claims = _Refresh(
        iss=tenant_id,
        aud=REFRESH_AUDIENCE,
        sub=person.oid,
        azp=application.id,
        scope=consented.text(),
        exp=expires,
        pwd=person.password,
    )
    return key.sign(msgspec.structs.asdict(claims) | {"jti": secrets.token_urlsafe(16)}, typ=REFRESH_TYPE)


def read_refresh_token(
    key: SigningKey, tenant_id: str, application: Application, token: str, now: float
) -> tuple[str, str, str]:
    """The person's oid and `SignIn.password`, and the consented scopes, as text.

    OAuthError `invalid_grant` when it is not good (any more).
    """
    malformed = OAuthError("invalid_grant", 9002313, "Invalid request. The refresh token is malformed or not ours.")
    try:
        # The header is looked at before joserfc parses it: its JSON parser has no limit of depth of its own.
        header = msgspec.json.decode(_part(token, 0), type=dict[str, str])
        if header != {"typ": REFRESH_TYPE, "alg": "RS256", "kid": key.kid}:
            raise malformed
        payload = jws.deserialize_compact(token, key.key_set(), ["RS256"]).payload
        claims = msgspec.json.decode(payload, type=_Refresh)
    except (JoseError, msgspec.DecodeError, ValueError, TypeError, IndexError, RecursionError):
        raise malformed from None
    if claims.aud != REFRESH_AUDIENCE or claims.iss != tenant_id:
        raise malformed
    if claims.azp != application.id:
        raise OAuthError("invalid_grant", 70000, "Provided grant is invalid: it was issued to another client.")
    if now >= claims.exp:
        raise OAuthError("invalid_grant", 700082, "The refresh token has expired. Sign in again.")
    return claims.sub, claims.pwd, claims.scope


def _part(token: str, index: int) -> bytes:
    text = token.split(".")[index]
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error


def _pairwise(person: SignIn, application: Application) -> str:
    """The subject of a person towards one application (OpenID Connect Core §8.1, as Entra's `sub`)."""
    digest = hashlib.sha256(f"{application.id}/{person.oid}".encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
