"""Settings: one frozen object, from a file (TOML), then the environment (`FOLKMOOT_…`), then the command line."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from folkmoot.refusals import Refusal


class SettingWrong(Refusal):
    """A setting cannot be used."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator can say. Each setting has the same name in the file, and as FOLKMOOT_NAME in the environment."""

    mode: Literal["development", "production"] = "development"
    """development: a seeded tenant and an issuer of its own, on loopback. production: neither."""

    data: str = "folkmoot-data"
    """The directory for the database, the certificates and the keys."""

    database: str | None = None
    """`postgresql://…`; without it a SQLite file in the data directory."""

    host: str = "127.0.0.1"
    """The address to listen on."""

    https_port: int = 8443
    """The port for HTTPS; 0 for none."""

    http_port: int = 8080
    """The port for plain HTTP, loopback only in development; 0 for none."""

    development_beyond_loopback: bool = False
    """Development mode gives tokens to anyone: it listens beyond loopback only when `host` and this both say so."""

    public_url: str | None = None
    """The origin under which clients reach the server (https://moot.example.org). It rules every URL handed out."""

    tenant_id: str = "84841066-274d-4ec0-a5c1-276be684bdd3"
    """The tenant's GUID."""

    domain: str = "contoso.onmicrosoft.com"
    """The tenant's domain: of sign-in names, and of new groups' addresses."""

    issuer: str | None = None
    """In production: the `iss` of the tokens to accept."""

    audience: str | None = None
    """In production: the `aud` of the tokens to accept."""

    jwks_file: str | None = None
    """In production: a file with the issuer's JSON Web Key Set."""

    max_body_bytes: int = 4 * 1024 * 1024
    """The largest request body."""

    max_attachment_bytes: int = 150 * 1024 * 1024
    """The largest attachment; one that does not fit into a request body comes in by an upload session."""

    certificate: str | None = None
    """A PEM file with the certificate chain for HTTPS; in development one is made."""

    certificate_key: str | None = None
    """The PEM file with its key."""


_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def load(overrides: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings in force: `overrides` (None: not given) over the environment over the file that `config` names.

    Raises `SettingWrong` naming the setting.
    """
    given: dict[str, Any] = {}
    file = overrides.get("config") or environment.get("FOLKMOOT_CONFIG")
    if file:
        try:
            given.update(tomllib.loads(Path(file).read_text("utf-8")))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingWrong(f"The settings file {file} cannot be read: {error}", target="config") from error
    names = Settings.__struct_fields__
    for name in names:
        text = environment.get(f"FOLKMOOT_{name.upper()}")
        if text is not None:
            given[name] = text
    given.update({name: overrides[name] for name in names if overrides.get(name) is not None})
    try:
        settings = msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingWrong(f"The settings are wrong: {error}.") from error
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    if settings.mode == "development":
        if settings.host not in _LOOPBACK and not settings.development_beyond_loopback:
            raise SettingWrong(
                f"Development mode gives a token to anyone who asks, so it does not listen on {settings.host}: use "
                "--host 127.0.0.1, or say --development-beyond-loopback as well.",
                target="host",
            )
    else:
        for name in ("issuer", "audience", "jwks_file"):
            if getattr(settings, name) is None:
                raise SettingWrong(
                    f"Production mode needs the setting {name}: the development issuer is not there.", target=name
                )
        if settings.https_port and not (settings.certificate and settings.certificate_key):
            raise SettingWrong(
                "Production mode needs certificate and certificate_key, or https_port 0 behind a proxy that ends TLS.",
                target="certificate",
            )
    if not settings.https_port and not settings.http_port:
        raise SettingWrong("Give https_port or http_port: there is nothing to listen on.", target="https_port")
    for name in ("https_port", "http_port"):
        if not 0 <= getattr(settings, name) <= 65535:
            raise SettingWrong(f"{name} must be 0 to 65535.", target=name)
    if settings.database is not None and not settings.database.startswith(("postgresql://", "postgres://")):
        raise SettingWrong(
            f"database must begin with postgresql://, not '{settings.database.partition(':')[0]}:'; leave it out for "
            "SQLite in the data directory.",
            target="database",
        )
    if settings.public_url is not None and not settings.public_url.startswith(("https://", "http://")):
        raise SettingWrong("public_url must begin with https:// (or http://).", target="public_url")
