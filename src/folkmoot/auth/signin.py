"""Signing in on a page: the authorization endpoint (RFC 6749 §4.1, OpenID Connect Core §3.1), device page, logout."""

from __future__ import annotations

import re
import secrets
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from folkmoot.auth import entra, minting, pages, redirects
from folkmoot.auth.directory import CODE_SECONDS, Code, Device, Issuer
from folkmoot.auth.entra import OAuthError, required
from folkmoot.auth.grants import authenticate
from folkmoot.auth.scopes import Scopes
from folkmoot.model import Application, SignIn

# The page's forms carry all of these again: nothing of a sign-in is kept here until it has succeeded.
PARAMETERS: Final = (
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "login_hint",
    "client_info",
)

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # base64url of SHA-256


# ── the authorization endpoint ───────────────────────────────────────────────────────────────────────────────────────
async def authorize(issuer: Issuer, request: Request) -> Response:
    """GET and POST /{tenant}/oauth2/v2.0/authorize: the sign-in page, and the answer to its forms.

    Also /{tenant}/oauth2/authorize, Entra's endpoint of before, which has `resource` in place of `scope`: the CLI for
    Microsoft 365 sends browsers there, and its code to the token endpoint of v2.0.
    """
    try:
        issuer.check_tenant(request)
        form = await _parameters(request)
        application = await issuer.find_application(required(form, "client_id"))
        # Until these two are known to be good, nothing may be redirected (RFC 6749 §4.1.2.1, RFC 9700 §4.11).
        redirect_uri = redirects.check(application, required(form, "redirect_uri"))
    except OAuthError as error:
        return pages.refusal(issuer, error)
    try:
        wanted = _check_request(issuer, form)
        if form.get("action") == "cancel":
            raise OAuthError("access_denied", 65004, "User declined to consent to access the app.")
    except OAuthError as error:
        return redirects.refuse(issuer, request, form, error)
    try:
        person = await _signed_in(issuer, request, form)
    except OAuthError as error:
        return await _sign_in_page(issuer, application, form, wanted, error)
    if person is None:
        return await _sign_in_page(issuer, application, form, wanted, None)
    code = secrets.token_urlsafe(32)
    expires = issuer.clock() + CODE_SECONDS
    challenge, nonce = form.get("code_challenge", ""), form.get("nonce", "")
    given = Code(application.id, redirect_uri, challenge, person, wanted, nonce, expires)
    await issuer.sign_ins.add_code(code, given)
    answer = {"code": code}
    if form.get("client_info") == "1":
        answer["client_info"] = minting.client_information(person, issuer.tenant_id)
    return redirects.answer(issuer, form, answer)


async def _parameters(request: Request) -> dict[str, str]:
    form = await entra.read_form(request) if request.method == "POST" else entra.parse_query(request)
    if form.get("resource") and not form.get("scope") and "/v2.0/" not in request.url.path:
        # Who came by a resource got an id token and a refresh token without asking.
        form["scope"] = f"{form['resource'].rstrip('/')}/.default openid profile offline_access"
    return form


def _check_request(issuer: Issuer, form: dict[str, str]) -> Scopes:
    """The scopes of an authorization request that can be answered. OAuthError, for the program, when it cannot."""
    if required(form, "response_type") != "code":
        text = f"The response type '{form['response_type']}' is not supported by this server; it must be 'code'."
        raise OAuthError("unsupported_response_type", 700054, text)
    if form.get("response_mode", "query") not in redirects.RESPONSE_MODES:
        text = f"'{form['response_mode']}' is not a supported value of 'response_mode' when requesting a token."
        raise OAuthError("invalid_request", 70007, text)
    if form.get("code_challenge") or form.get("code_challenge_method"):
        if form.get("code_challenge_method") != "S256":
            raise OAuthError("invalid_request", 501491, "The code_challenge_method must be S256.")
        if not _CHALLENGE.fullmatch(form.get("code_challenge", "")):
            raise OAuthError("invalid_request", 501491, "Invalid size of Code_Challenge parameter.")
    wanted = issuer.read_scopes(required(form, "scope"))
    if "none" in form.get("prompt", "").split():
        text = "Session information is not sufficient for single-sign-on: this server keeps no sign-in session."
        raise OAuthError("login_required", 50058, text)
    return wanted


# ── the page and its forms ───────────────────────────────────────────────────────────────────────────────────────────
async def _signed_in(issuer: Issuer, request: Request, form: dict[str, str]) -> SignIn | None:
    """The person that a form of our page names; None when it is not such a form yet. OAuthError when it fails."""
    if request.method != "POST" or not form.keys() & {"account", "username", "password"}:
        return None
    pages.check_own_form(issuer, request)
    if "account" in form:
        offered = {each.oid for each in await issuer.directory.people()}
        person = await issuer.directory.person_by_id(form["account"]) if form["account"] in offered else None
        if person is None:
            raise OAuthError("invalid_grant", 50034, "This person can no longer sign in with one click.")
        return person
    name, password = form.get("username", "").strip(), form.get("password", "")
    if not name or not password:
        raise OAuthError("invalid_request", 90014, f"Enter {'your password' if name else 'your user name'}.")
    return await authenticate(issuer, name, password)


async def _sign_in_page(
    issuer: Issuer,
    application: Application,
    form: dict[str, str],
    wanted: Scopes,
    error: OAuthError | None,
    *,
    device: Device | None = None,
) -> Response:
    hint = form.get("username") or form.get("login_hint", "")
    people, more = await pages.people(issuer, hint)
    hidden = {name: form[name] for name in PARAMETERS if name in form}
    return pages.page(
        issuer,
        "signin.html",
        status=error.status if error else 200,
        target=form.get("redirect_uri", ""),
        action="authorize" if device is None else "deviceauth",  # relative to the page, under whichever tenant it is
        hidden=hidden if device is None else {"user_code": device.user_code},
        application=application,
        permissions=list(wanted.granted(application)),
        user_code=device.user_code if device else "",
        people=people,
        more=more,
        hint=hint,
        error=error,
    )


# ── the device page (RFC 8628 §3.3) ──────────────────────────────────────────────────────────────────────────────────
async def device_page(issuer: Issuer, request: Request) -> Response:
    """GET and POST /common/oauth2/deviceauth: asks for the code, then for the person, then says that it is done."""
    try:
        issuer.check_tenant(request)
        form = await _parameters(request)
    except OAuthError as error:
        return pages.refusal(issuer, error)
    typed = "".join(form.get("user_code", "").upper().split()).replace("-", "")
    device = await issuer.sign_ins.device_of(typed)
    application = await issuer.directory.application(device.application) if device else None
    if request.method == "GET" or device is None or application is None:
        wrong = "" if request.method == "GET" else "That code is not known here. Check it on your device."
        return _device_form(issuer, typed, wrong)
    if issuer.clock() >= device.expires or device.state != "pending":
        return _device_form(issuer, "", "That code has expired or was used. Ask your device for a new one.")
    try:
        if form.get("action") == "cancel":
            pages.check_own_form(issuer, request)
            await issuer.sign_ins.answer_device(typed, None)
            return pages.message(issuer, "Sign-in cancelled", f"{application.name} was not signed in.")
        person = await _signed_in(issuer, request, form)
    except OAuthError as error:
        return await _sign_in_page(issuer, application, form, device.scopes, error, device=device)
    if person is None:
        return await _sign_in_page(issuer, application, form, device.scopes, None, device=device)
    # In another window it may have been answered while the password was checked.
    if not await issuer.sign_ins.answer_device(typed, person):
        return _device_form(issuer, "", "That code was used. Ask your device for a new one.")
    text = f"{application.name} on your device is signed in as {person.name or person.upn}. You may close this window."
    return pages.message(issuer, "You are signed in", text)


def _device_form(issuer: Issuer, typed: str, error: str) -> Response:
    status = 400 if error else 200
    return pages.page(issuer, "device.html", status=status, action="deviceauth", user_code=typed[:16], error=error)


async def logout(issuer: Issuer, request: Request) -> Response:
    """GET and POST /{tenant}/oauth2/v2.0/logout (OpenID Connect RP-Initiated Logout §2). There is no session to end."""
    try:
        issuer.check_tenant(request)
        form = await _parameters(request)
    except OAuthError as error:
        return pages.refusal(issuer, error)
    uri = form.get("post_logout_redirect_uri", "")
    if redirects.is_local(uri):
        state = {"state": form["state"]} if "state" in form else {}
        return RedirectResponse(redirects.extended(uri, state), 303, headers={"Cache-Control": "no-store"})
    return pages.message(issuer, "You are signed out", "You may close this window.")
