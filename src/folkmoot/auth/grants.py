"""The token endpoint: five grants (RFC 6749 §4, RFC 7636, RFC 8628), and the device authorization endpoint."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from folkmoot.auth import clients, entra, minting, redirects, scopes
from folkmoot.auth.directory import DEVICE_SECONDS, Device, Issuer
from folkmoot.auth.entra import OAuthError, required
from folkmoot.auth.scopes import Scopes
from folkmoot.model import Application, SignIn

DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
POLL_SECONDS: Final = 5
# RFC 8628 §6.1: no vowels, so no words, and nothing to be confused on a small screen. 20^9 codes.
USER_CODE_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
USER_CODE_LENGTH: Final = 9

# Grants that need nobody at the sign-in page.
_BY_SECRET: Final = frozenset(("password", "client_credentials"))

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 §4.1


async def token(issuer: Issuer, request: Request) -> Response:
    """POST /{tenant}/oauth2/v2.0/token."""
    issuer.check_tenant(request)
    form = await entra.read_form(request)
    grant = required(form, "grant_type")
    answering = {
        "client_credentials": _client_credentials,
        "authorization_code": _authorization_code,
        "refresh_token": _refresh_token,
        DEVICE_GRANT: _device_code,
        "device_code": _device_code,  # what MSAL for JavaScript calls it, and Entra still takes
        "password": _password,
    }.get(grant)
    if answering is None:
        raise OAuthError("unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{grant}'.")
    if grant in _BY_SECRET:
        _check_origin(issuer, request)
    application = await clients.authenticated(issuer, request, form)
    answer = await answering(issuer, issuer.base_url(request), application, form)
    return JSONResponse(answer, headers=entra.NO_STORE | {"client-request-id": entra.correlation_id(request)})


def _check_origin(issuer: Issuer, request: Request) -> None:
    """OAuthError AADSTS9002326 for a page of another site.

    The passwords and secrets of development are published. Only that this machine is reached makes them a right, and a
    page from anywhere reaches it through its reader's browser.
    """
    origin = request.headers.get("origin")
    if origin is not None and origin != issuer.base_url(request) and not redirects.is_local(origin):
        raise OAuthError(
            "invalid_request",
            9002326,
            "Cross-origin token redemption is permitted only for the 'Single-Page Application' client-type. Request "
            f"origin: '{origin[:200]}'.",
        )


async def device_authorization(issuer: Issuer, request: Request) -> Response:
    """POST /{tenant}/oauth2/v2.0/devicecode (RFC 8628 §3.1–3.2)."""
    issuer.check_tenant(request)
    form = await entra.read_form(request)
    application = await clients.authenticated(issuer, request, form)
    wanted = issuer.read_scopes(required(form, "scope"))
    user_code = "".join(secrets.choice(USER_CODE_LETTERS) for _ in range(USER_CODE_LENGTH))
    device_code = secrets.token_urlsafe(32)
    device = Device(application.id, user_code, wanted, issuer.clock() + DEVICE_SECONDS)
    await issuer.sign_ins.add_device(device_code, device)
    page = f"{issuer.base_url(request)}/common/oauth2/deviceauth"
    message = f"To sign in, use a web browser to open the page {page} and enter the code {user_code} to authenticate."
    answer = {
        "user_code": user_code,
        "device_code": device_code,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={user_code}",
        "expires_in": DEVICE_SECONDS,
        "interval": POLL_SECONDS,
        "message": message,
    }
    return JSONResponse(answer, headers=entra.NO_STORE)


# ── the grants ───────────────────────────────────────────────────────────────────────────────────────────────────────
async def _client_credentials(
    issuer: Issuer, base: str, application: Application, form: dict[str, str]
) -> dict[str, Any]:
    text = required(form, "scope")
    wanted = issuer.read_scopes(text)
    if wanted.permissions != (scopes.DEFAULT,) or wanted.openid:
        raise OAuthError(
            "invalid_scope",
            1002012,
            f"The provided value for scope {text} is not valid. Client credential flows must have a scope value with "
            "/.default suffixed to the resource identifier (application ID URI).",
        )
    return minting.app_answer(issuer.key, base, issuer.tenant_id, application, issuer.clock())


async def _authorization_code(
    issuer: Issuer, base: str, application: Application, form: dict[str, str]
) -> dict[str, Any]:
    """RFC 6749 §4.1.3 and RFC 7636 §4.5–4.6. A code is for one client, one redirect URI, one time."""
    sent = required(form, "code")
    code = await issuer.sign_ins.code(sent)
    redirect_uri = required(form, "redirect_uri")
    if code is None or code.application != application.id:
        raise OAuthError(
            "invalid_grant", 9002313, "The authorization code is malformed, of another client, or long forgotten."
        )
    if code.redeemed:
        raise _redeemed()
    if issuer.clock() >= code.expires:
        raise OAuthError(
            "invalid_grant",
            70008,
            "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive "
            "authorization request for this user and resource.",
        )
    if redirect_uri != code.redirect_uri:
        raise OAuthError(
            "invalid_grant",
            500112,
            f"The reply address '{redirect_uri}' does not match the reply address '{code.redirect_uri}' provided when "
            "requesting Authorization code.",
        )
    _check_verifier(code.challenge, form.get("code_verifier", ""))
    wanted = _wanted(issuer, form, code.scopes, application)
    person = await _still(issuer, code.person.oid, code.person.password)
    if not await issuer.sign_ins.redeem_code(sent):
        raise _redeemed()
    return _for_person(issuer, base, application, form, person, wanted, code.scopes, code.nonce)


def _redeemed() -> OAuthError:
    return OAuthError(
        "invalid_grant",
        54005,
        "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing "
        "refresh token.",
    )


def _check_verifier(challenge: str, verifier: str) -> None:
    """S256 (RFC 7636 §4.6). A verifier for a code without challenge is refused too: RFC 9700 §2.1.1, downgrade."""
    if not challenge and not verifier:
        return
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    if not _VERIFIER.fullmatch(verifier) or not hmac.compare_digest(digest, challenge):
        text = "The Code_Verifier does not match the code_challenge supplied in the authorization request."
        raise OAuthError("invalid_grant", 501481, text)


async def _refresh_token(issuer: Issuer, base: str, application: Application, form: dict[str, str]) -> dict[str, Any]:
    """RFC 6749 §6. `scope` may name fewer permissions than were consented to; the new refresh token keeps them all."""
    given = required(form, "refresh_token")
    oid, password, text = minting.read_refresh_token(issuer.key, issuer.tenant_id, application, given, issuer.clock())
    person = await _still(issuer, oid, password)
    consented = issuer.read_scopes(text)
    wanted = _wanted(issuer, form, consented, application)
    return _for_person(issuer, base, application, form, person, wanted, consented, "")


async def _device_code(issuer: Issuer, base: str, application: Application, form: dict[str, str]) -> dict[str, Any]:
    """RFC 8628 §3.4–3.5. MSAL sends the code as both `device_code` and `code`."""
    sent = form.get("device_code") or required(form, "code")
    device = await issuer.sign_ins.device(sent)
    if device is None or device.application != application.id or device.state == "redeemed":
        raise _not_valid()
    if issuer.clock() >= device.expires:
        text = "The provided value for the input parameter 'device_code' is not valid. This device code has expired."
        raise OAuthError("expired_token", 70020, text)
    if device.state == "declined":
        raise OAuthError("authorization_declined", 65004, "User declined to consent to access the app.")
    if device.person is None:
        text = "OAuth 2.0 device flow error. Authorization is pending. Continue polling."
        raise OAuthError("authorization_pending", 70016, text)
    person = await _still(issuer, device.person.oid, device.person.password)
    if not await issuer.sign_ins.redeem_device(sent):
        raise _not_valid()
    return _for_person(issuer, base, application, form, person, device.scopes, device.scopes, "")


def _not_valid() -> OAuthError:
    text = "The provided value for the input parameter 'device_code' is not valid or was already redeemed."
    return OAuthError("invalid_grant", 70000, text)


async def _password(issuer: Issuer, base: str, application: Application, form: dict[str, str]) -> dict[str, Any]:
    """RFC 6749 §4.3. Entra still has it, and test programs sign in with it."""
    name, password = required(form, "username"), required(form, "password")
    wanted = issuer.read_scopes(required(form, "scope"))
    person = await authenticate(issuer, name, password)
    return _for_person(issuer, base, application, form, person, wanted, wanted, "")


async def authenticate(issuer: Issuer, name: str, password: str) -> SignIn:
    """The person of that name. OAuthError: AADSTS50034 for an unknown name, AADSTS50126 for a wrong password.

    AADSTS50057 for the right one of somebody who is disabled.
    """
    readable = name.isprintable()  # a NUL, for one, is nothing that a database can be asked for
    person = await issuer.directory.authenticate(name, password) if readable else None
    if person is not None:
        _check_enabled(person)
        return person
    if not readable or await issuer.directory.person(name) is None:
        text = f"The user account {name} does not exist in the {issuer.tenant_domain} directory."
        raise OAuthError("invalid_grant", 50034, text)
    raise OAuthError("invalid_grant", 50126, "Error validating credentials due to invalid username or password.")


async def _still(issuer: Issuer, oid: str, password: str) -> SignIn:
    """The person who signed in earlier, when their `password` was this, as they are now.

    OAuthError: AADSTS50034 when they are gone, AADSTS50057 when disabled, AADSTS50173 when the password was changed.
    """
    person = await issuer.directory.person_by_id(oid)
    if person is None:
        raise OAuthError("invalid_grant", 50034, "The user account of this grant does not exist any more.")
    _check_enabled(person)
    if person.password != password:
        text = (
            "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have "
            "changed or reset their password."
        )
        raise OAuthError("invalid_grant", 50173, text)
    return person


def _check_enabled(person: SignIn) -> None:
    if not person.enabled:
        raise OAuthError("invalid_grant", 50057, "The user account is disabled.")


# ── the answer ───────────────────────────────────────────────────────────────────────────────────────────────────────
def _wanted(issuer: Issuer, form: dict[str, str], consented: Scopes, application: Application) -> Scopes:
    """What the token is to be for: the `scope` sent now, within what was consented to; all of it when none is sent.

    The OpenID Connect scopes of the sign-in stay: AuthorizationCodeCredential of azure-identity leaves them out here.
    """
    if not form.get("scope"):
        return consented
    wanted = issuer.read_scopes(form["scope"])
    scopes.within(wanted, consented, application)
    if not wanted.asked:
        wanted = msgspec.structs.replace(consented, openid=wanted.openid)
    return msgspec.structs.replace(wanted, openid=wanted.openid | consented.openid)


def _for_person(
    issuer: Issuer,
    base: str,
    application: Application,
    form: dict[str, str],
    person: SignIn,
    wanted: Scopes,
    consented: Scopes,
    nonce: str,
) -> dict[str, Any]:
    return minting.person_answer(
        issuer.key,
        base=base,
        tenant_id=issuer.tenant_id,
        application=application,
        person=person,
        scopes=wanted,
        consented=consented,
        nonce=nonce,
        client_info=form.get("client_info") == "1",
        now=issuer.clock(),
    )
