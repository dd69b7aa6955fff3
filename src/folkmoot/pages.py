"""The page at the root: what this is, that it runs, and where to go next."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse

from folkmoot.config import Settings

_SAFE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def home(settings: Settings, origin: str) -> Any:
    """An ASGI application that answers with the page. Its text depends on settings alone, so it is made once."""
    environment = Environment(
        loader=PackageLoader("folkmoot", "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
    )
    page = environment.get_template("home.html").render(settings=settings, origin=origin)
    return HTMLResponse(page, headers=_SAFE)
