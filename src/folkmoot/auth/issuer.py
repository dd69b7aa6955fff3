"""The development issuer: an OAuth 2.0 and OpenID Connect server shaped like Entra's v2.0 endpoint.

Its tokens are taken by this server only. It is for developing and testing programs: whoever reaches it can sign in as
the people that its directory offers with one click.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from folkmoot.auth import entra, grants, redirects, signin
from folkmoot.auth.directory import Directory, Issuer, SignIns
from folkmoot.auth.keys import SigningKey
from folkmoot.auth.minting import mint
from folkmoot.auth.scopes import OPENID
from folkmoot.auth.secrets import check_secret

__all__ = ["Directory", "check_secret", "issuer_app", "mint"]

_ANY_METHOD: Final = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]  # the others are told 405 by `for_programs`
_GET: Final = frozenset({"GET", "HEAD"})
_POST: Final = frozenset({"POST"})

CLAIMS: Final = (
    "sub",
    "iss",
    "aud",
    "exp",
    "iat",
    "nbf",
    "nonce",
    "oid",
    "tid",
    "ver",
    "name",
    "preferred_username",
    "email",
)

Endpoint = Callable[[Issuer, Request], Awaitable[Response]]


def issuer_app(
    *,
    directory: Directory,
    key: SigningKey,
    tenant_id: str,
    tenant_domain: str,
    audience_hosts: Callable[[], frozenset[str]],
    base_url: Callable[[Request], str],
    clock: Callable[[], float],
    sign_ins: SignIns,
    permissions: Iterable[str] = (),
) -> Starlette:
    """The issuer's endpoints, to be mounted at the server's root.

    `audience_hosts` answers the host names (lower case, without port) that stand for the API in a scope such as
    `https://localhost/.default`; `base_url` the origin under which a request reached us, such as
    `https://localhost:8443`, without a slash at its end; `clock` seconds since the epoch.
    `sign_ins` keeps those under way. `permissions`: those that the API knows, which may be asked for in any case.
    """
    spelling = {name.lower(): name for name in permissions}
    issuer = Issuer(
        directory, key, tenant_id.lower(), tenant_domain, audience_hosts, base_url, clock, sign_ins, spelling
    )

    def program(path: str, endpoint: Endpoint, methods: frozenset[str]) -> Route:
        handler = entra.for_programs(functools.partial(endpoint, issuer), clock, methods)
        return Route(path, handler, methods=_ANY_METHOD)

    def person(path: str, endpoint: Endpoint) -> Route:
        return Route(path, functools.partial(endpoint, issuer), methods=["GET", "POST"])

    return Starlette(
        routes=[
            program("/common/discovery/instance", _instance, _GET),
            program("/common/userrealm/{upn:path}", _user_realm, _GET),
            program("/{tenant}/v2.0/.well-known/openid-configuration", _configuration, _GET),
            program("/{tenant}/.well-known/openid-configuration", _configuration, _GET),
            program("/{tenant}/discovery/v2.0/keys", _keys, _GET),
            program("/{tenant}/oauth2/v2.0/token", grants.token, _POST),
            program("/{tenant}/oauth2/v2.0/devicecode", grants.device_authorization, _POST),
            person("/{tenant}/oauth2/v2.0/authorize", signin.authorize),
            person("/{tenant}/oauth2/authorize", signin.authorize),
            person("/{tenant}/oauth2/v2.0/logout", signin.logout),
            person("/{tenant}/oauth2/deviceauth", signin.device_page),
        ]
    )


async def _configuration(issuer: Issuer, request: Request) -> Response:
    """OpenID Connect Discovery §3. The endpoints keep the tenant's name of the request, as Entra's do.

    `issuer` names the tenant by its GUID under `common` too: there is one tenant, so tokens from there are its own.
    """
    tenant = issuer.check_tenant(request)
    base = issuer.base_url(request)
    return JSONResponse(
        {
            "issuer": f"{base}/{issuer.tenant_id}/v2.0",
            "authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/{tenant}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/devicecode",
            "end_session_endpoint": f"{base}/{tenant}/oauth2/v2.0/logout",
            "jwks_uri": f"{base}/{tenant}/discovery/v2.0/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "response_modes_supported": list(redirects.RESPONSE_MODES),
            "response_types_supported": ["code"],
            "grant_types_supported": [
                "authorization_code",
                "refresh_token",
                "client_credentials",
                "password",
                grants.DEVICE_GRANT,
            ],
            "code_challenge_methods_supported": ["S256"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": sorted(OPENID),
            "claims_supported": list(CLAIMS),
            "request_uri_parameter_supported": False,
            "http_logout_supported": False,
            "frontchannel_logout_supported": False,
            "tenant_region_scope": None,
            "cloud_instance_name": urlsplit(base).netloc,
            "msgraph_host": urlsplit(base).netloc,
        }
    )


async def _keys(issuer: Issuer, request: Request) -> Response:
    """The JWK set (RFC 7517 §5)."""
    issuer.check_tenant(request)
    return JSONResponse(issuer.key.public_jwks())


async def _instance(issuer: Issuer, request: Request) -> Response:
    """Instance discovery, which MSAL asks before it trusts an authority, and for the names that share its cache."""
    base = issuer.base_url(request)
    form = entra.parse_query(request)
    endpoint = entra.required(form, "authorization_endpoint")
    try:
        path = urlsplit(endpoint).path
    except ValueError:
        path = ""
    tenant = path.strip("/").partition("/")[0]
    request.path_params["tenant"] = tenant
    issuer.check_tenant(request)
    parts = urlsplit(base)
    names: dict[str, Any] = dict.fromkeys([parts.netloc, parts.hostname or parts.netloc])
    network = {"preferred_network": parts.netloc, "preferred_cache": parts.netloc, "aliases": list(names)}
    return JSONResponse(
        {
            "tenant_discovery_endpoint": f"{base}/{tenant}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [network],
        }
    )


async def _user_realm(issuer: Issuer, request: Request) -> Response:
    """Home realm discovery of the password grant: every account is managed here, none federated."""
    upn = str(request.path_params["upn"])
    return JSONResponse(
        {
            "ver": "1.0",
            "account_type": "Managed",
            "domain_name": upn.rpartition("@")[2] or issuer.tenant_domain,
            "cloud_instance_name": "microsoftonline.com",
            "cloud_audience_urn": "urn:federation:MicrosoftOnline",
        }
    )
