"""Where the answer of the authorization endpoint may be sent, and how it gets there."""

from __future__ import annotations

import re
import secrets
from typing import Final
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from folkmoot.auth import entra, pages
from folkmoot.auth.directory import Issuer
from folkmoot.auth.entra import OAuthError
from folkmoot.model import Application

OUT_OF_BAND: Final = "urn:ietf:wg:oauth:2.0:oob"
NATIVE_CLIENT: Final = "https://login.microsoftonline.com/common/oauth2/nativeclient"
RESPONSE_MODES: Final = ("query", "fragment", "form_post")

_PRINTABLE = re.compile(r"[\x21-\x7e]{1,2048}")
# To the letter: urlsplit takes the host of `[::1]example.org` to be ::1.
_HERE = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]*)?", re.IGNORECASE)


def check(application: Application, uri: str) -> str:
    """`uri` when a code may be sent there: any port and path of this machine (RFC 8252 §7.3), or a native client's.

    OAuthError AADSTS50011 otherwise. A fragment, a user name in it, or anything but printable ASCII is never right.
    """
    if not is_local(uri) and uri not in (OUT_OF_BAND, NATIVE_CLIENT):
        raise OAuthError(
            "invalid_request",
            50011,
            f"The redirect URI '{uri}' specified in the request does not match the redirect URIs configured for the "
            f"application '{application.id}'. This server takes any port and path of http://localhost, "
            f"http://127.0.0.1 and http://[::1], {OUT_OF_BAND}, and {NATIVE_CLIENT}.",
        )
    return uri


def is_local(uri: str) -> bool:
    """Whether the URI is one of this machine, read the same way by us and by a browser."""
    try:
        parts = urlsplit(uri) if _PRINTABLE.fullmatch(uri) else None
        return (
            parts is not None
            and parts.scheme in ("http", "https")
            and _HERE.fullmatch(parts.netloc) is not None
            and (parts.port is None or parts.port > 0)
            and "#" not in uri
            and "\\" not in uri  # a slash to browsers
        )
    except ValueError:
        return False


def extended(uri: str, parameters: dict[str, str]) -> str:
    """`uri` with the parameters added to its query."""
    if not parameters:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode(parameters)}"


def answer(issuer: Issuer, form: dict[str, str], parameters: dict[str, str]) -> Response:
    """Send the answer to the program by the response mode that it asked for (OAuth 2.0 Multiple Response Types §2.1;
    OAuth 2.0 Form Post Response Mode)."""
    uri, mode = form["redirect_uri"], form.get("response_mode", "query")
    if "state" in form:
        parameters["state"] = form["state"]
    if uri == OUT_OF_BAND:  # no browser can go there: the person carries the code over
        if "code" in parameters:
            return pages.message(
                issuer, "You are signed in", "Copy this code to your program.", detail=parameters["code"]
            )
        return pages.message(issuer, "You are not signed in", parameters["error_description"], status=400)
    if mode == "form_post":
        return pages.page(issuer, "form_post.html", target=uri, action=uri, hidden=parameters)
    location = f"{uri}#{urlencode(parameters)}" if mode == "fragment" else extended(uri, parameters)
    # 303: the browser must not send the password on to the program (RFC 9700 §4.12).
    return RedirectResponse(location, 303, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})


def refuse(issuer: Issuer, request: Request, form: dict[str, str], error: OAuthError) -> Response:
    """RFC 6749 §4.1.2.1. An unknown response mode is answered as `query`."""
    if form.get("response_mode", "query") not in RESPONSE_MODES:
        form = form | {"response_mode": "query"}
    trace, correlation = secrets.token_hex(16), entra.correlation_id(request)
    text = entra.described(error, trace=trace, correlation=correlation, now=issuer.clock())
    return answer(issuer, form, {"error": error.error, "error_description": text})
