"""What an operator says of an outside issuer: a table of the settings (see `config`)."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

import msgspec


class Trust(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An outside OpenID Connect issuer whose access tokens are taken.

    In the file a table `[issuers.NAME]`; in the environment FOLKMOOT_ISSUERS_NAME_SETTING, lists with commas between,
    `permission_map` as JSON. A claim inside another is named with dots: `realm_access.roles`. Where several claims are
    named, the first that the token has counts; of `permissions` and `app_permissions` all count.
    """

    issuer: str
    """The issuer's `iss`, to the letter; without `jwks_uri` or `jwks_file` its keys are found by discovery below it."""

    audience: tuple[str, ...]
    """The `aud` of the tokens that are meant for this server, one or several."""

    jwks_uri: str | None = None
    """The URL of the issuer's key set, where it has no discovery document."""

    jwks_file: str | None = None
    """A file with the issuer's key set, for servers that may not reach it; read again as a URL would be."""

    refresh_seconds: int = 3600
    """How old the keys may become before they are fetched again. An unknown key is asked for at once."""

    clock_skew: int = 60
    """Seconds by which the issuer's clock may differ from ours: 0 to 300."""

    subject: tuple[str, ...] = ("sub",)
    """The claim with the issuer's unchanging id of a person."""

    sign_in_name: tuple[str, ...] = ("upn", "preferred_username")
    """The claim with the person's sign-in name."""

    display_name: tuple[str, ...] = ("name",)
    """The claim with the person's name for people to read."""

    mail: tuple[str, ...] = ("email",)
    """The claim with the person's mail address."""

    verified: str = "email_verified"
    """The claim that must be true for the mail address to be believed; "" believes it as it is."""

    permissions: tuple[str, ...] = ("scp", "scope")
    """The claims with the permissions of a person's token: text with spaces between, or a list."""

    app_permissions: tuple[str, ...] = ("roles", "scp", "scope")
    """The same for an application's own token."""

    permission_map: dict[str, tuple[str, ...]] = {}
    """What the issuer's words for permissions mean: `{ "moot:write" = ["Group.ReadWrite.All"] }`. Others stay."""

    permissions_from: Literal["token", "registration"] = "token"
    """registration: a token also has the scopes, or roles, that `folkmoot app add` gave its application."""

    application: tuple[str, ...] = ("azp", "client_id", "appid")
    """The claim with the client id of the application."""

    applications: Literal["any", "registered"] = "any"
    """registered: only tokens of applications that `folkmoot app add` knows are taken."""

    is_app: tuple[str, ...] = ()
    """When a token is an application's own: `claim` (it is there), `!claim` (it is not), `claim=pattern` (with `*`).

    Without any: when `idtyp` is `app`, or the subject is the client id (RFC 9068 §2.2).
    """

    link: tuple[Literal["id", "mail", "sign_in_name"], ...] = ()
    """By what a person who comes for the first time is known to be a user who is there, tried in this order."""

    provision: Literal["off", "first-sign-in"] = "off"
    """first-sign-in: whoever is not in the directory is added to it."""

    provision_as: Literal["member", "guest"] = "member"
    """What such people are."""

    provision_domains: tuple[str, ...] = ()
    """Only people with a (verified) mail address at one of these domains are added."""

    update: tuple[Literal["display_name", "mail"], ...] = ()
    """What later sign-ins change in the directory."""


LISTS = frozenset(
    {
        "audience",
        "subject",
        "sign_in_name",
        "display_name",
        "mail",
        "permissions",
        "app_permissions",
        "application",
        "is_app",
        "link",
        "provision_domains",
        "update",
    }
)


def may_be_fetched(url: str, *, loopback_http: bool) -> bool:
    """Whether keys may come from there: https, or this machine itself where `loopback_http` says so."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # of an IPv6 address, or of a port that is too large
        return False
    if not host or port == 0 or parts.username is not None:
        return False
    return parts.scheme == "https" or (
        loopback_http and parts.scheme == "http" and host in ("localhost", "127.0.0.1", "::1")
    )
