"""What is noted of each HTTP request, whichever door answers it: counted, logged, traced.

Nothing that is noted says of whom: the operation is a row of the surface and no path, which has ids and sign-in names,
and neither query nor token is looked at.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from folkmoot import observe

if TYPE_CHECKING:
    from folkmoot.telemetry import Telemetry

_access = logging.getLogger("folkmoot.access")
_IDS = (b"request-id", b"client-request-id")
_WORD = re.compile(r'[^\s"=]+')
_ELSEWHERE = "none"  # the operation where no door named one
# What machines ask again and again, which is about no request of anybody's.
_UNNOTED = frozenset(("/healthz", "/readyz", "/metrics"))


def noted(application: Any, *, log: bool, telemetry: Telemetry | None) -> Any:
    """`application` (ASGI), counted by `observe.meter`; with `log` a line for each request, with `telemetry` a span."""

    async def note(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] in _UNNOTED:
            await application(scope, receive, send)
            return
        began = time.perf_counter()
        status = sent = 0
        ids: Sequence[str] = ("", "")

        async def told(message: Any) -> None:
            nonlocal status, sent, ids
            if not status and message["type"] == "http.response.start":
                status = message["status"]
                operation = scope.get(observe.OPERATION, _ELSEWHERE)
                observe.meter.answered(operation, scope["method"], status, time.perf_counter() - began)
                if log:
                    headers = dict(message["headers"])
                    ids = [headers.get(name, b"").decode("latin-1") for name in _IDS]
            elif log:
                sent += len(message.get("body", b""))
            await send(message)

        observe.under_way["requests"] += 1
        try:
            if telemetry is None:
                await application(scope, receive, told)
            else:
                with telemetry.request(scope) as ended:
                    await application(scope, receive, told)
                    ended(status or scope.get(observe.ANSWERED, (0,))[0])
        finally:
            observe.under_way["requests"] -= 1
            if not status:
                operation = scope.get(observe.OPERATION, _ELSEWHERE)
                if (answered := scope.get(observe.ANSWERED)) is not None:
                    status, sent, *ids = answered
                observe.meter.answered(operation, scope["method"], status, time.perf_counter() - began)
            if log:
                _line(scope, status, sent, ids, time.perf_counter() - began)

    return note


def _line(scope: Any, status: int, sent: int, ids: Sequence[str], seconds: float) -> None:
    facts = {
        "method": scope["method"],
        "operation": scope.get(observe.OPERATION, _ELSEWHERE),
        "status": status,
        "milliseconds": round(seconds * 1000, 1),
        "bytes": sent,
    }
    request_id, client_request_id = ids
    if request_id:
        facts["request_id"] = request_id
    if client_request_id not in ("", request_id):
        facts["client_request_id"] = client_request_id
    if observe.APPLICATION in scope:
        facts["application"] = scope[observe.APPLICATION]
    _access.info("%s", " ".join(f"{name}={_word(value)}" for name, value in facts.items()), extra={"facts": facts})


def _word(value: object) -> str:
    """A value as one word of a line: as JSON where it could be read as several, as what a client has sent may be."""
    text = str(value)
    return text if _WORD.fullmatch(text) else msgspec.json.encode(text).decode()
