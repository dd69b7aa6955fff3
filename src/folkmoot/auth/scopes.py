"""The `scope` parameter of Entra's v2.0 endpoint: whole names, short names, `.default`, and the OpenID Connect ones.

Source: Entra, "Scopes and permissions in the Microsoft identity platform". Any well-formed permission name is granted:
a development issuer does not keep the list of Graph's permissions, and what a permission allows is decided by the API.
Those that the API knows may be asked for in any case (`user.read`, as MSAL's own samples have it); they are granted in
the API's spelling, as Entra corrects them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from folkmoot.auth.entra import OAuthError
from folkmoot.auth.tokens import GRAPH, GRAPH_APP_ID
from folkmoot.model import Application

OPENID: Final = frozenset({"openid", "profile", "email", "offline_access"})
DEFAULT: Final = ".default"

# Two to four words, as in User.Read, Group-Conversation.ReadWrite.All, Calendars.Read.Shared.
_PERMISSION = re.compile(r"[A-Za-z][A-Za-z0-9-]*(\.[A-Za-z][A-Za-z0-9-]*){1,3}")


class Scopes(msgspec.Struct, frozen=True):
    """What was asked for: resource scopes as they were written, their permission names, and the OpenID Connect scopes.

    `permissions` has `.default` in it when that was asked; it is then the only one (Entra refuses a mixture).
    `corrected` are those of `asked` whose permission was written in another case than its own, in its own.
    """

    asked: tuple[str, ...]
    permissions: tuple[str, ...]
    openid: frozenset[str]
    corrected: tuple[str, ...] = ()

    def granted(self, application: Application) -> tuple[str, ...]:
        """The delegated permissions: what `.default` stands for, or the names that were asked."""
        return application.scopes if DEFAULT in self.permissions else self.permissions

    def answer(self, application: Application) -> str:
        """The `scope` of the token answer.

        It names what was asked as it was asked, or MSAL never finds the token in its cache again; then how that is
        spelt, and what `.default` came to, so that MSAL finds the token for these too.
        """
        prefix = self.asked[0].removesuffix(DEFAULT) if DEFAULT in self.permissions else ""
        expanded = [prefix + name for name in application.scopes] if DEFAULT in self.permissions else []
        return " ".join([*self.asked, *self.corrected, *expanded, *sorted(self.openid - {"offline_access"})])

    def text(self) -> str:
        """The scopes in one string, which `parse` reads back."""
        return " ".join([*self.asked, *sorted(self.openid)])


def parse(scope: str, hosts: frozenset[str], spelling: Mapping[str, str]) -> Scopes:
    """Read a `scope` parameter. `hosts`: this server's own host names, synonyms of the Graph as a resource (R9).

    `spelling`: the permissions that the API knows, by their names in lower case.

    OAuthError: `invalid_resource` for another resource, `invalid_scope` for an ill-formed permission name.
    """
    names = list(dict.fromkeys(scope.split()))
    asked = [name for name in names if name not in OPENID]
    permissions, corrected = [], []
    for name in asked:
        resource, _, permission = name.rpartition("/")
        if resource.endswith(":/"):  # https://host and no more
            raise _invalid(name, "It names a resource without a permission.")
        if resource and not _is_graph(resource, hosts):
            raise _unknown_resource(resource)
        if permission != DEFAULT and not _PERMISSION.fullmatch(permission):
            raise _invalid(name, "A permission is named like User.Read or https://graph.microsoft.com/User.Read.")
        spelt = spelling.get(permission.lower(), permission)
        if spelt != permission:
            corrected.append(name.removesuffix(permission) + spelt)
        permissions.append(spelt)
    if DEFAULT in permissions and len(set(permissions)) > 1:
        raise _invalid(" ".join(asked), ".default scope can't be combined with resource-specific scopes.")
    return Scopes(
        asked=tuple(asked),
        permissions=tuple(dict.fromkeys(permissions)),
        openid=frozenset(name for name in names if name in OPENID),
        corrected=tuple(name for name in dict.fromkeys(corrected) if name not in asked),
    )


def within(asked: Scopes, consented: Scopes, application: Application) -> None:
    """OAuthError `invalid_grant` when more is asked than the sign-in agreed to or the application has for everyone."""
    known = {*consented.permissions, *application.scopes, DEFAULT}
    if any(permission not in known for permission in asked.permissions):
        raise OAuthError(
            "invalid_grant",
            65001,
            f"The user or administrator has not consented to use the application with ID '{application.id}' named "
            f"'{application.name}'. Send an interactive authorization request for this user and resource.",
        )


def _is_graph(resource: str, hosts: frozenset[str]) -> bool:
    resource = resource.rstrip("/")  # an audience that ends in a slash is asked as https://…//.default
    if resource.lower() in (GRAPH, GRAPH_APP_ID):
        return True
    try:
        parts = urlsplit(resource)
        host = (parts.hostname or "").lower()
    except ValueError:
        return False
    return parts.scheme in ("https", "http", "api") and host in hosts and parts.path in ("", "/")


def _unknown_resource(resource: str) -> OAuthError:
    return OAuthError(
        "invalid_resource",
        500011,
        f"The resource principal named {resource} was not found in this tenant. "
        f"This server answers for {GRAPH} and for its own host names.",
    )


def _invalid(name: str, why: str) -> OAuthError:
    return OAuthError(
        "invalid_scope",
        70011,
        "The provided request must include a 'scope' input parameter. The provided value for the input parameter "
        f"'scope' is not valid. The scope {name} is not valid. {why}",
    )
