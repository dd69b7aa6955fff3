"""`GET /v1.0/`, `GET /v1.0/$metadata` and `GET /v1.0/openapi.json`: what the service is, for clients made from it.

None needs a token, as in the cloud: they tell what is published, and nothing of who is here. They describe what
strict applications have; `?profile=extended` what extended ones have. Each is made when it is first asked for, and what
makes it is loaded then.
"""

from __future__ import annotations

from functools import cache, lru_cache
from urllib.parse import parse_qsl, unquote

import msgspec

from folkmoot.graph.envelope import JSON, Answer
from folkmoot.model import Profile
from folkmoot.refusals import BadClause, MethodNotAllowed

_SERVICE, _METADATA, _OPENAPI = "", "$metadata", "openapi.json"


def described(method: str, path: str, query: str, root: str) -> Answer | None:
    """The document that `path`, below the version, names; None where it names none. `root` is the service root's URL.

    Raises `MethodNotAllowed` unless it is read, and `BadClause` for a profile that is none.
    """
    name = unquote(path).strip("/").lower()
    if name not in (_SERVICE, _METADATA, _OPENAPI):
        return None
    if method not in ("GET", "HEAD"):
        raise MethodNotAllowed(("GET", "HEAD"))
    given = dict(parse_qsl(query)).get("profile", "strict").lower()
    if given not in ("strict", "extended"):
        raise BadClause("profile must be strict or extended.", target="profile")
    profile: Profile = "extended" if given == "extended" else "strict"
    if name == _SERVICE:
        return Answer(200, _service(profile, root), content_type=JSON)
    if name == _METADATA:
        return Answer(200, _metadata(profile), content_type="application/xml;charset=utf-8")
    return Answer(200, _openapi(profile), content_type="application/json")


@lru_cache(maxsize=16)
def _service(profile: Profile, root: str) -> bytes:
    """The service document (OData JSON Format 4.0 §5): the collections and singletons by which one begins."""
    from folkmoot.graph import model

    service = model.service(profile)
    kinds = (("EntitySet", service.sets), ("Singleton", service.singletons))
    value = [{"name": name, "kind": kind, "url": name} for kind, names in kinds for name in names]
    return msgspec.json.encode({"@odata.context": f"{root}/$metadata", "value": value})


@cache
def _metadata(profile: Profile) -> bytes:
    from folkmoot.graph import model
    from folkmoot.odata import csdl

    return csdl.metadata(model.service(profile))


@cache
def _openapi(profile: Profile) -> bytes:
    from importlib.metadata import version

    from folkmoot.graph import openapi

    return msgspec.json.encode(openapi.document(profile, version("folkmoot")))
