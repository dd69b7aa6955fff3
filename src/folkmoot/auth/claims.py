"""What an outside issuer's token says, by the claims that an operator named (`trust.Trust`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from folkmoot.auth.tokens import GUID, PERSONAL_TENANT
from folkmoot.auth.trust import Trust
from folkmoot.model import Arrival
from folkmoot.ops.directory import is_address
from folkmoot.refusals import TokenInvalid

Claims = Mapping[str, Any]

MAX_NAME = 256  # characters of an id or name in a token


def find(claims: Claims, name: str) -> Any:
    """The value of a claim. One inside another is named with dots; a claim whose own name has dots comes first."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def text(claims: Claims, names: Iterable[str]) -> str | None:
    """The first of the claims that is a text with something in it."""
    for name in names:
        value = find(claims, name)
        if isinstance(value, str) and value.strip():
            if len(value) > MAX_NAME:
                raise TokenInvalid(f"The access token's claim {name} is longer than {MAX_NAME} characters.")
            if "\0" in value:  # PostgreSQL keeps no such text
                raise TokenInvalid(f"The access token's claim {name} has a NUL character in it.")
            return value.strip()
    return None


def application(claims: Claims, trust: Trust) -> str:
    """The client id. TokenInvalid when the token has none."""
    found = text(claims, trust.application)
    if found is None:
        raise TokenInvalid(f"The access token has no {_or(trust.application)} claim: which application has it?")
    return found


def is_app(claims: Claims, trust: Trust) -> bool:
    """Whether the token is an application's own, with no person behind it."""
    if trust.is_app:
        return any(_holds(claims, condition) for condition in trust.is_app)
    if claims.get("idtyp") in ("app", "user"):
        return bool(claims["idtyp"] == "app")
    subject = text(claims, ("sub",))
    return subject is not None and subject == text(claims, trust.application)


def _holds(claims: Claims, condition: str) -> bool:
    name, equals, pattern = condition.partition("=")
    if not equals:
        return (find(claims, name.removeprefix("!")) is None) is name.startswith("!")
    value = find(claims, name)
    given = value if isinstance(value, list) else [value]
    return any(isinstance(each, str) and fnmatchcase(each, pattern) for each in given)


def permissions(claims: Claims, trust: Trust, *, app: bool) -> frozenset[str]:
    """The permissions that the token carries, in Graph's words where `permission_map` has them."""
    found: set[str] = set()
    for name in trust.app_permissions if app else trust.permissions:
        value = find(claims, name)
        words = value.split() if isinstance(value, str) else value if isinstance(value, list) else ()
        for word in words:
            if isinstance(word, str):
                found.update(trust.permission_map.get(word, (word,)))
    return frozenset(found)


def arrival(claims: Claims, trust: Trust) -> Arrival:
    """The person whom the token names. TokenInvalid when it names nobody."""
    subject = text(claims, trust.subject)
    if subject is None:
        raise TokenInvalid(f"The access token has no {_or(trust.subject)} claim: whose is it?")
    return Arrival(
        issuer=trust.issuer,
        subject=subject,
        id=guid(subject),
        sign_in_name=text(claims, trust.sign_in_name),
        name=text(claims, trust.display_name),
        mail=_mail(claims, trust) if _believed(claims, trust) else None,
    )


def personal(claims: Claims) -> bool:
    """Whether it is a personal Microsoft account's (Entra, access token claims: `tid`, `idp`)."""
    return claims.get("tid") == PERSONAL_TENANT or claims.get("idp") == "live.com"


def guid(name: str) -> str | None:
    """A name that is a GUID, as this project writes it; None for any other."""
    return name.lower() if GUID.fullmatch(name.lower()) else None


def _mail(claims: Claims, trust: Trust) -> str | None:
    """The mail address; one that cannot be one, such as `Ada <ada@example.org>`, counts as none."""
    mail = text(claims, trust.mail)
    return mail if mail is not None and is_address(mail) else None


def _believed(claims: Claims, trust: Trust) -> bool:
    """Entra's `xms_edov` comes as true, 1, "1" or "true"; others send a boolean."""
    return not trust.verified or str(find(claims, trust.verified)).lower() in ("true", "1")


def _or(names: Iterable[str]) -> str:
    return " or ".join(names)
