"""Programs in browsers: a page of any origin may ask, and read what it is answered, as in the cloud.

Only the token, or an upload URL, counts here, and no cookie or other standing right of the browser: a foreign page
learns nothing that it could not ask for itself. Source: the Fetch Standard, "CORS protocol"; the answers of the cloud.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from folkmoot.graph.envelope import Answer

# What a page may read beside the few headers that each may.
_READ = (
    *("ETag", "Location", "Preference-Applied", "Content-Range", "request-id", "client-request-id", "Retry-After"),
    *("WWW-Authenticate", "Allow", "Content-Disposition", "OData-Version", "OData-EntityId", "Idempotency-Replayed"),
)
_SHARED = (("access-control-allow-origin", "*"), ("access-control-expose-headers", ", ".join(_READ)))
_PREFLIGHT = Answer(
    204,
    headers=(
        ("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE"),
        # The asterisk does not stand for this one.
        ("Access-Control-Allow-Headers", "*, Authorization"),
        ("Access-Control-Max-Age", "86400"),
    ),
)


def shared(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    """What an answer says to a browser, where the request's `headers` tell that a page asks."""
    for name, _ in headers:
        if name == b"origin":
            return _SHARED
    return ()


def preflight(scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> Answer | None:
    """What a browser is answered that asks whether its page may ask; it sends no token with that."""
    asks = scope["method"] == "OPTIONS" and b"origin" in headers and b"access-control-request-method" in headers
    return _PREFLIGHT if asks else None
