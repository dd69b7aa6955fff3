"""What a person sees of the issuer: the templates, the headers of every page, and whence a form may be sent."""

from __future__ import annotations

import secrets
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse

from folkmoot.auth.directory import Issuer
from folkmoot.auth.entra import OAuthError

if TYPE_CHECKING:
    from jinja2 import Environment

SHOWN_PEOPLE: Final = 50  # one-click buttons on the page; everyone else types their name


@cache
def _templates() -> Environment:
    # Loaded when the first page is asked for: templates are a tenth of the start.
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


# Chromium checks form-action along the whole chain of redirects after a form, so the program's own address must be
# allowed, and where it sends the browser next: on this machine, any port.
_LOCAL_FORMS: Final = " ".join(
    f"{scheme}://{host}:*" for scheme in ("http", "https") for host in ("localhost", "127.0.0.1")
)


def page(issuer: Issuer, template: str, *, status: int = 200, target: str = "", **values: Any) -> HTMLResponse:
    """Render a page. `target`: the redirect URI to which a form on it, or the redirect after that form, may lead."""
    nonce = secrets.token_urlsafe(16)
    text = _templates().get_template(template).render(nonce=nonce, tenant_domain=issuer.tenant_domain, **values)
    return HTMLResponse(text, status, headers=headers(nonce, target, scripts=template == "form_post.html"))


def headers(nonce: str, target: str, *, scripts: bool) -> dict[str, str]:
    """No resources from anywhere, no framing, no caching; the referrer (and with it Origin) stays on our own pages."""
    policy = [
        "default-src 'none'",
        f"style-src 'nonce-{nonce}'",
        f"form-action 'self' {_LOCAL_FORMS} {_form_source(target)}".strip(),
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
    if scripts:
        policy.append(f"script-src 'nonce-{nonce}'")
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Cache-Control": "no-store",
        "Pragma": "no-cache",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


def _form_source(target: str) -> str:
    """The Content Security Policy source of a redirect URI. It has no way to write an IPv6 address but the scheme."""
    parts = urlsplit(target)
    if parts.hostname is None:
        return ""
    return f"{parts.scheme}:" if ":" in parts.hostname else f"{parts.scheme}://{parts.netloc}"


def message(issuer: Issuer, title: str, text: str, *, status: int = 200, detail: str = "") -> HTMLResponse:
    """A page that says one thing; `detail` is set in type for codes."""
    return page(issuer, "message.html", status=status, title=title, text=text, detail=detail)


def refusal(issuer: Issuer, error: OAuthError) -> HTMLResponse:
    """A page for a request that cannot be answered by a redirect (RFC 6749 §4.1.2.1)."""
    return message(issuer, "Sign-in failed", error.text, status=error.status, detail=f"AADSTS{error.code}")


def check_own_form(issuer: Issuer, request: Request) -> None:
    """OAuthError 403 unless the posted form is one of our own pages'.

    Sign-in has no session cookie, so a forged form has no standing right to ride on. But where a click signs in without
    a password, reaching this server at all is such a right, and a foreign page could use a browser that reaches it, so
    browsers must say that the form is ours. Programs that are no browsers send neither header.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    ours = site in ("same-origin", "none") if site else origin in (None, issuer.base_url(request))
    if not ours:
        text = "This sign-in form was sent from another site. Start again from your program."
        raise OAuthError("access_denied", 165000, text, status=403)


async def people(issuer: Issuer, hint: str) -> tuple[list[dict[str, str]], int]:
    """The people with a one-click button, the one of the login hint first, and how many more there are."""
    everyone = list(await issuer.directory.people())
    hint = hint.strip().lower()
    everyone.sort(key=lambda each: hint not in (each.upn.lower(), each.mail.lower()))
    shown = [
        {"oid": each.oid, "name": each.name or each.upn, "upn": each.upn, "initials": _initials(each.name or each.upn)}
        for each in everyone[:SHOWN_PEOPLE]
    ]
    return shown, len(everyone) - len(shown)


def _initials(name: str) -> str:
    words = [word for word in name.split() if word[0].isalnum()] or ["?"]
    return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper()
