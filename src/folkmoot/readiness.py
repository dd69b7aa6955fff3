"""Whether the process lives, and whether it should be sent requests: for supervisors and load balancers.

No token is asked for, and nothing is said but a word.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from sqlalchemy import text
from starlette.responses import PlainTextResponse

from folkmoot import observe
from folkmoot.refusals import Refusal
from folkmoot.store import migrate
from folkmoot.store.db import Statement, Store

HEALTH: Final = "/healthz"
READY: Final = "/readyz"
WITHIN_SECONDS: Final = 1.0  # the database has to answer

_REVISION = Statement(text("SELECT version_num FROM alembic_version"))


async def healthz(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application: 200 as long as the process answers. The database may be away."""
    await _say("ok", 200)(scope, receive, send)


def readyz(store: Store) -> Any:
    """An ASGI application: 200 where requests can be answered, else 503 with the reason in a word (see `why_not`)."""
    asking: asyncio.Task[str | None] | None = None

    async def application(scope: Any, receive: Any, send: Any) -> None:
        nonlocal asking
        # One look for all who ask at the same time: anybody may, and the database has other work.
        if asking is None or asking.done() or asking.get_loop() is not asyncio.get_running_loop():
            asking = asyncio.get_running_loop().create_task(why_not(store))
        reason = await asyncio.shield(asking)
        await _say(reason or "ready", 503 if reason else 200)(scope, receive, send)

    return application


async def why_not(store: Store) -> str | None:
    """Why the server is not ready: "draining", "writer", "database" or "schema"; None when it is."""
    if observe.draining:
        return "draining"
    if not all(writer.alive for writer in store.writers):
        return "writer"
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            row = await store.read(lambda snapshot: snapshot.one(_REVISION), quick=True)
    except (Refusal, TimeoutError):
        return "database"
    except Exception as error:
        observe.log.warning("the database cannot be asked whether it is ready: %r", error)
        return "database"
    # Migrations only add: a newer release's schema serves this one, too.
    return None if row is not None and row[0] >= migrate.HEAD else "schema"


def _say(word: str, status: int) -> PlainTextResponse:
    return PlainTextResponse(f"{word}\n", status, {"Cache-Control": "no-store"})
