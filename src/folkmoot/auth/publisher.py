"""Who signs that a notification came from this server, and where receivers find the key.

In development that is the development issuer, whose discovery document everybody has. Production has no issuer of its
own: a publisher stands in for it, which signs validation tokens and nothing that gives access to anything.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from folkmoot.auth.keys import SigningKey


def publisher_path(tenant_id: str) -> str:
    """The path of the publisher's `iss`, below the server's origin."""
    return f"/{tenant_id}/notifications"


def publisher_app(*, key: Callable[[], SigningKey], origin: str, tenant_id: str) -> Starlette:
    """The publisher's discovery document (OpenID Connect Discovery §4: below its `iss`) and its key set."""
    path = publisher_path(tenant_id)

    async def configuration(_: Request) -> Response:
        return JSONResponse(
            {
                "issuer": f"{origin}{path}",
                "jwks_uri": f"{origin}{path}/keys",
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    async def keys(_: Request) -> Response:
        return JSONResponse(key().public_jwks())

    return Starlette(
        routes=[Route(f"{path}/.well-known/openid-configuration", configuration), Route(f"{path}/keys", keys)]
    )
