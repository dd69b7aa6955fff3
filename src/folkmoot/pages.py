"""The page at the root: what this is, that it runs, and where to go next."""

from __future__ import annotations

from typing import Any

from starlette.responses import HTMLResponse

from folkmoot.config import Settings

_SAFE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def home(settings: Settings, origin: str) -> Any:
    """An ASGI application that answers with the page. Its text depends on settings alone, so it is made once."""
    made: list[HTMLResponse] = []

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if not made:
            made.append(HTMLResponse(_page(settings, origin), headers=_SAFE))
        await made[0](scope, receive, send)

    return answer


def _page(settings: Settings, origin: str) -> str:
    # Loaded when the first page is asked for: templates are a tenth of the start, and few servers show any.
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("folkmoot", "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
    )
    return environment.get_template("home.html").render(settings=settings, origin=origin)
