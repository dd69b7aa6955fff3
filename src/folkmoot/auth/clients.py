"""Who the client of a request is, and whether it proves it (RFC 6749 §2.3)."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_plus

from starlette.requests import Request

from folkmoot.auth.directory import Issuer
from folkmoot.auth.entra import OAuthError, required
from folkmoot.auth.secrets import check_secret
from folkmoot.model import Application


async def authenticated(issuer: Issuer, request: Request, form: dict[str, str]) -> Application:
    """The application, authenticated by its secret unless it is public (RFC 6749 §2.3, §3.2.1)."""
    basic = _basic(request)
    if basic is not None:
        if form.get("client_secret") or form.get("client_id", basic[0]) != basic[0]:
            raise OAuthError("invalid_request", 90100, "The client names itself in two ways; use one.")
        form = form | {"client_id": basic[0], "client_secret": basic[1]}
    application = await issuer.find_application(required(form, "client_id"))
    secret = form.get("client_secret", "")
    if "client_assertion" in form:
        text = "Client assertions are not supported by this server; use client_secret."
        raise OAuthError("invalid_client", 700027, text)
    if application.secret_hash is None:
        if secret:
            text = "Client is public so neither 'client_assertion' nor 'client_secret' should be presented."
            raise OAuthError("invalid_client", 700025, text)
        if form.get("grant_type") == "client_credentials":
            raise _secret_missing()
    elif not secret:
        raise _secret_missing()
    elif not check_secret(application, secret):
        raise OAuthError(
            "invalid_client",
            7000215,
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "
            f"not the client secret ID, for a secret added to app '{application.id}'.",
        )
    return application


def _secret_missing() -> OAuthError:
    return OAuthError(
        "invalid_client",
        7000218,
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    )


def _basic(request: Request) -> tuple[str, str] | None:
    """Client id and secret of an `Authorization: Basic` header, each form-encoded in it (RFC 6749 §2.3.1)."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        colon = ""
    if not colon:
        raise OAuthError("invalid_client", 7000215, "The Authorization header is not a Basic credential.")
    return unquote_plus(name), unquote_plus(secret)
