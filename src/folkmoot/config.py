"""Settings: one frozen object, from a file (TOML), then the environment (`FOLKMOOT_…`), then the command line."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from folkmoot.auth.trust import LISTS, Trust, may_be_fetched
from folkmoot.graph.ids import guid
from folkmoot.graph.limits import LimitWrong, parse_limits
from folkmoot.outgoing import private_network
from folkmoot.refusals import Refusal


class SettingWrong(Refusal):
    """A setting cannot be used."""


class DatabaseAway(SettingWrong):
    """The database cannot be used now. The setting that names it may be right, and another try may succeed."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator can say. Each setting has the same name in the file, and as FOLKMOOT_NAME in the environment."""

    mode: Literal["development", "production"] = "development"
    """development: a seeded tenant and an issuer of its own, on loopback. production: neither."""

    data: str = "folkmoot-data"
    """The directory for the database, the certificates and the keys."""

    database: str | None = None
    """`postgresql://…`; without it a SQLite file in the data directory."""

    database_file: str | None = None
    """A file that holds what `database` would say, so that a password is in no environment: a container's secret."""

    database_direct: str | None = None
    """PostgreSQL's own URL, past the pooler that `database` names: for LISTEN and for migrations."""

    database_pooled: bool = False
    """Whether `database` names a pooler in transaction mode (PgBouncer): nothing is kept in a session then."""

    database_replica: str | None = None
    """`postgresql://…` of a streaming standby that answers longer reads while it has all that was written before."""

    database_writers: int = 4
    """Connections for writing, in each server process."""

    database_readers: int = 8
    """Connections for short reads, in each server process."""

    database_long_readers: int = 4
    """Threads for longer reads in each server process, on PostgreSQL with a connection each."""

    database_statement_seconds: float = 30
    """How long one statement may take on PostgreSQL, and one request's longer read on SQLite; 0 for ever."""

    database_lock_seconds: float = 10
    """How long one statement may wait for a lock on PostgreSQL; 0 for ever."""

    database_idle_seconds: float = 60
    """After which time PostgreSQL ends a transaction of a server that asks for nothing any more; 0 for never."""

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

    issuers: dict[str, Trust] = {}
    """Outside OpenID Connect issuers whose tokens are taken, each in a table `[issuers.NAME]` (see `auth.trust.Trust`).

    Production needs one; development takes their tokens beside those of its own issuer.
    """

    max_body_bytes: int = 4 * 1024 * 1024
    """The largest request body."""

    max_attachment_bytes: int = 150 * 1024 * 1024
    """The largest attachment that comes in by an upload session, since it fits into no request body; 0 for none."""

    strict_limits: str = "cloud"
    """How much strict applications may ask for: `cloud` (its numbers), `off`, or own ones (see `graph.limits`)."""

    extended_limits: str = "off"
    """The same for extended applications."""

    max_requests: int = 1000
    """How many requests a process answers at the same time; more are refused with 503 and Retry-After."""

    max_bodies_bytes: int = 256 * 1024 * 1024
    """How much memory the bodies of those requests may take together; what does not fit is refused likewise."""

    max_waiting_writes: int = 2000
    """How many writes may wait in one line for the database; more are refused likewise.

    SQLite has one line, PostgreSQL one for each connection that writes.
    """

    changes_days: float = 30
    """How long the change log is kept, in days; 0 for ever. What a live subscription has not been told of stays."""

    deliveries_days: float = 7
    """How long it is kept what was delivered to subscribers, in days; 0 for ever."""

    workers: int = 1
    """How many processes answer requests, on the same ports. More than there are cores gain nothing."""

    receive_seconds: float = 30
    """How long a request may take to come, its head whole and of its body at least a kilobyte a second after that."""

    send_seconds: float = 60
    """After how long a client that takes nothing of its answer is cut off."""

    max_unsent_bytes: int = 128 * 1024 * 1024
    """How much of answers may wait for their clients in each process; then those who have taken nothing for longest are
    cut off."""

    unready_seconds: float = 0
    """How long a server that is told to stop says so at `/readyz`, and goes on, before it takes no more connections."""

    grace_seconds: int = 10
    """How long requests under way may then take."""

    poll_seconds: float = 5
    """How often a server looks for changes of other servers of which no hint came."""

    certificate: str | None = None
    """A PEM file with the certificate chain for HTTPS; in development one is made."""

    certificate_key: str | None = None
    """The PEM file with its key."""

    metrics: bool = False
    """Whether production answers `/metrics`, to whoever reaches it; development does. Let the proxy say who may."""

    log_format: Literal["text", "json"] = "text"
    """How the server's log is written, to standard error: for people, or a JSON object in each line."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that the server's log holds."""

    access_log: bool = False
    """Whether the log has a line for each request, without paths, queries, tokens and names."""

    otlp_endpoint: str | None = None
    """Where traces go (OTLP over HTTP, `http://localhost:4318`); the standard OTEL_ variables serve as well.

    Needs the packages of `folkmoot[opentelemetry]`.
    """

    webhook_networks: tuple[str, ...] = ()
    """Private networks whose addresses may be notified in production, such as 10.20.0.0/16.

    Whoever may subscribe can then have this server send requests to every machine in them.
    """

    notification_key: str | None = None
    """A PEM file with an RSA key that signs the validation tokens of notifications in production.

    Without it one is made in the data directory; servers that share the work of one database share the key, too.
    """


# In the environment their members stand with commas between.
_LISTS = {"webhook_networks"}
_DATABASE = {"database", "database_file"}
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_ISSUERS = "FOLKMOOT_ISSUERS_"
_NAME = re.compile(r"[a-z][a-z0-9]*")
_ORIGIN = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?/*")
_MAIL_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")


def load(overrides: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings in force: `overrides` (None: not given) over the environment over the file that `config` names.

    Raises `SettingWrong` naming the setting.
    """
    given: dict[str, Any] = {}
    file = overrides.get("config") or environment.get("FOLKMOOT_CONFIG")
    if file:
        import tomllib

        try:
            given.update(tomllib.loads(Path(file).read_text("utf-8")))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingWrong(f"The settings file {file} cannot be read: {error}", target="config") from error
    issuers = _issuers(given.pop("issuers", {}), environment)
    names = [name for name in Settings.__struct_fields__ if name != "issuers"]
    said: dict[str, Any] = {}
    for name in names:
        text = environment.get(f"FOLKMOOT_{name.upper()}")
        if text is not None:
            said[name] = [part.strip() for part in text.split(",") if part.strip()] if name in _LISTS else text
    for later in (said, {name: overrides[name] for name in names if overrides.get(name) is not None}):
        if later.keys() & _DATABASE:
            # Each says where the database is, so the later of them wins as well.
            given = {name: value for name, value in given.items() if name not in _DATABASE}
        given.update(later)
    try:
        settings = msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingWrong(f"The settings are wrong: {error}.") from error
    # As tokens bear it: those of our own issuer are compared letter by letter.
    tenant = guid(settings.tenant_id) or settings.tenant_id
    settings = msgspec.structs.replace(settings, issuers=issuers, tenant_id=tenant)
    if settings.database_file is not None:
        settings = msgspec.structs.replace(settings, database=_database_of(settings))
    _check(settings)
    return settings


def unknown(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The variables that are called as settings are, and are none: misspelt, or another program's."""
    known = {f"FOLKMOOT_{name.upper()}" for name in (*Settings.__struct_fields__, "config") if name != "issuers"}
    families = (_ISSUERS, "FOLKMOOT_TEST_")
    return sorted(
        name
        for name in environment
        if name.startswith("FOLKMOOT_") and name not in known and not name.startswith(families)
    )


def _database_of(settings: Settings) -> str:
    """What `database_file` holds."""
    if settings.database is not None:
        raise SettingWrong("database and database_file are both given; keep one.", target="database_file")
    try:
        held = Path(settings.database_file or "").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingWrong(f"database_file {settings.database_file} cannot be read: {why}.") from error
    if not held:
        raise SettingWrong(f"database_file {settings.database_file} is empty.", target="database_file")
    return held


def _issuers(tables: Any, environment: Mapping[str, str]) -> dict[str, Trust]:
    """The outside issuers, from the tables of the file and then from FOLKMOOT_ISSUERS_NAME_SETTING."""
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise SettingWrong("issuers must be tables, each named: [issuers.main].", target="issuers")
    found: dict[str, dict[str, Any]] = {name: dict(table) for name, table in tables.items()}
    for variable, text in environment.items():
        if variable.startswith(_ISSUERS):
            name, _, setting = variable.removeprefix(_ISSUERS).lower().partition("_")
            value: Any = text
            if setting in LISTS:
                value = [part.strip() for part in text.split(",") if part.strip()]
            elif setting == "permission_map":
                try:
                    value = msgspec.json.decode(text)
                except msgspec.DecodeError as error:
                    raise SettingWrong(f"{variable} must be a JSON object: {error}.", target="issuers") from error
            found.setdefault(name, {})[setting] = value
    made = {}
    for name, table in found.items():
        if not _NAME.fullmatch(name):
            raise SettingWrong(
                f"issuers.{name}: an issuer's name has small letters and digits only, as in [issuers.main].",
                target="issuers",
            )
        # One word stands for a list of one.
        given = {key: [value] if key in LISTS and isinstance(value, str) else value for key, value in table.items()}
        try:
            made[name] = msgspec.convert(given, Trust, strict=False)
        except msgspec.ValidationError as error:
            where = str(error).replace("`$.", f"`issuers.{name}.")
            raise SettingWrong(f"The settings of issuers.{name} are wrong: {where}.", target="issuers") from error
    return made


def _check(settings: Settings) -> None:
    # A variable that is there and empty, as of a container whose file has no value for it.
    if not settings.data:
        raise SettingWrong("data must name a directory; leave it out for folkmoot-data.", target="data")
    if not settings.host:
        raise SettingWrong("host must be an address of this machine; leave it out for 127.0.0.1.", target="host")
    if settings.mode == "development":
        if settings.host not in _LOOPBACK and not settings.development_beyond_loopback:
            raise SettingWrong(
                f"Development mode gives a token to anyone who asks, so it does not listen on {settings.host}: use "
                "--host 127.0.0.1, or say --development-beyond-loopback as well.",
                target="host",
            )
    else:
        if not settings.issuers:
            raise SettingWrong(
                "Production mode needs an outside issuer, for the development issuer is not there: give a table "
                "[issuers.main] with issuer and audience, or FOLKMOOT_ISSUERS_MAIN_ISSUER and …_AUDIENCE.",
                target="issuers",
            )
        if settings.https_port and not (settings.certificate and settings.certificate_key):
            raise SettingWrong(
                "Production mode needs certificate and certificate_key, or https_port 0 behind a proxy that ends TLS.",
                target="certificate",
            )
    if guid(settings.tenant_id) is None:
        raise SettingWrong("tenant_id must be a GUID, such as uuidgen gives.", target="tenant_id")
    if not _MAIL_DOMAIN.fullmatch(settings.domain):
        raise SettingWrong("domain must be a mail domain such as example.org.", target="domain")
    for name, trust in settings.issuers.items():
        _check_issuer(f"issuers.{name}", trust, loopback_http=settings.mode == "development")
    if len({trust.issuer for trust in settings.issuers.values()}) < len(settings.issuers):
        raise SettingWrong("Two tables of issuers have the same issuer; make them one.", target="issuers")
    if not settings.https_port and not settings.http_port:
        raise SettingWrong("Give https_port or http_port: there is nothing to listen on.", target="https_port")
    for name in ("https_port", "http_port"):
        if not 0 <= getattr(settings, name) <= 65535:
            raise SettingWrong(f"{name} must be 0 to 65535.", target=name)
    if settings.https_port == settings.http_port:
        raise SettingWrong(
            f"https_port and http_port are both {settings.http_port}: each needs a port of its own, or 0 for none.",
            target="http_port",
        )
    for name in ("strict_limits", "extended_limits"):
        try:
            parse_limits(getattr(settings, name))
        except LimitWrong as wrong:
            raise SettingWrong(f"{name} cannot be used: {wrong.message}", target=name) from wrong
    for name in ("max_requests", "max_waiting_writes"):
        if getattr(settings, name) < 1:
            raise SettingWrong(f"{name} must be 1 or more.", target=name)
    if settings.max_body_bytes < 1024:
        raise SettingWrong("max_body_bytes must be a kilobyte (1024) or more.", target="max_body_bytes")
    if settings.max_attachment_bytes < 0:
        raise SettingWrong(
            "max_attachment_bytes must be 0 (for no upload sessions) or more.", target="max_attachment_bytes"
        )
    if settings.max_bodies_bytes < settings.max_body_bytes:
        raise SettingWrong("max_bodies_bytes must be max_body_bytes or more.", target="max_bodies_bytes")
    for name in ("changes_days", "deliveries_days"):
        if not 0 <= getattr(settings, name) <= 36_500:
            raise SettingWrong(f"{name} must be 0 (for ever) or a number of days.", target=name)
    if not 0.1 <= settings.poll_seconds <= 30:
        raise SettingWrong("poll_seconds must be 0.1 to 30.", target="poll_seconds")
    if not 1 <= settings.workers <= 128:
        raise SettingWrong("workers must be 1 to 128.", target="workers")
    for name in ("receive_seconds", "send_seconds"):
        if not 1 <= getattr(settings, name) <= 3_600:
            raise SettingWrong(f"{name} must be 1 to 3600.", target=name)
    for name in ("unready_seconds", "grace_seconds"):
        if not 0 <= getattr(settings, name) <= 3_600:
            raise SettingWrong(f"{name} must be 0 to 3600.", target=name)
    if settings.max_unsent_bytes < 1024 * 1024:
        raise SettingWrong("max_unsent_bytes must be a megabyte (1048576) or more.", target="max_unsent_bytes")
    _check_database(settings)
    if settings.otlp_endpoint is not None and not _is_reachable(settings.otlp_endpoint):
        raise SettingWrong(
            "otlp_endpoint must be a URL such as http://localhost:4318: http:// or https://, a host, and a port where "
            "it is another than the scheme's.",
            target="otlp_endpoint",
        )
    for network in settings.webhook_networks:
        try:
            private_network(network)
        except ValueError as error:
            raise SettingWrong(f"webhook_networks has '{network}': {error}.", target="webhook_networks") from error
    if settings.public_url is not None and not _is_origin(settings.public_url):
        raise SettingWrong(
            "public_url must be an origin such as https://moot.example.org: https:// (or http://), a host in ASCII, "
            "and a port where it is another than the scheme's; no user, path, query or fragment.",
            target="public_url",
        )


def _is_origin(url: str) -> bool:
    """Whether `url` is a scheme, a host and perhaps a port (RFC 6454 §6.2), with or without slashes at its end."""
    try:
        return _ORIGIN.fullmatch(url) is not None and urlsplit(url).port != 0
    except ValueError:  # of an IPv6 address, or of a port that is too large
        return False


def _is_reachable(url: str) -> bool:
    """Whether `url` is one of HTTP that names a host, and a port where it names one."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of an IPv6 address, or of a port that is none
        return False


def _check_database(settings: Settings) -> None:
    for name in ("database", "database_direct", "database_replica"):
        url: str | None = getattr(settings, name)
        if url is not None and not url.startswith(("postgresql://", "postgres://")):
            otherwise = "SQLite in the data directory" if name == "database" else "none"
            raise SettingWrong(
                f"{name} must begin with postgresql://, not '{url.partition(':')[0]}:'; leave it out for {otherwise}.",
                target=name,
            )
        if url is not None:
            _check_url(name, url)
    if settings.database is None:
        for name in ("database_direct", "database_replica", "database_pooled"):
            if getattr(settings, name):
                raise SettingWrong(f"{name} needs database, the URL of a PostgreSQL database.", target=name)
    if settings.database_direct is not None and not settings.database_pooled:
        raise SettingWrong(
            "database_direct is for database_pooled = true, where database names a pooler.", target="database_direct"
        )
    for name in ("database_writers", "database_readers", "database_long_readers"):
        if not 1 <= getattr(settings, name) <= 100:
            raise SettingWrong(f"{name} must be 1 to 100.", target=name)
    for name in ("database_statement_seconds", "database_lock_seconds", "database_idle_seconds"):
        if not (getattr(settings, name) == 0 or 0.1 <= getattr(settings, name) <= 86_400):
            raise SettingWrong(f"{name} must be 0 (without end) or 0.1 to 86400 seconds.", target=name)


def _check_url(name: str, url: str) -> None:
    import psycopg  # only where PostgreSQL is used: it is a tenth of the start
    from psycopg.conninfo import conninfo_to_dict

    try:
        conninfo_to_dict(url)
    except psycopg.Error as error:
        said = " ".join(str(error).split()).replace(url, "…")  # it may hold a password
        raise SettingWrong(f"{name} is no URL of a PostgreSQL database: {said}.", target=name) from error


def _check_issuer(name: str, trust: Trust, *, loopback_http: bool) -> None:
    def wrong(setting: str, said: str) -> SettingWrong:
        return SettingWrong(f"{name}.{setting} {said}", target=f"{name}.{setting}")

    if not trust.issuer:
        raise wrong("issuer", "must be the iss of the issuer's tokens.")
    if not any(trust.audience) or not all(trust.audience):
        raise wrong("audience", "must name the aud of the tokens that are meant for this server.")
    if trust.jwks_uri is not None and trust.jwks_file is not None:
        raise wrong("jwks_file", "and jwks_uri are both given; keep one.")
    url = "https URL" + (", or an http one of this machine" if loopback_http else "")
    if trust.jwks_uri is not None and not may_be_fetched(trust.jwks_uri, loopback_http=loopback_http):
        raise wrong("jwks_uri", f"must be an {url}.")
    found_below = trust.jwks_uri is None and trust.jwks_file is None
    below = may_be_fetched(trust.issuer, loopback_http=loopback_http) and not {"?", "#"} & set(trust.issuer)
    if found_below and not below:
        raise wrong("issuer", f"must be an {url}, for its keys are found below it; or give jwks_uri or jwks_file.")
    if not 0 <= trust.clock_skew <= 300:
        raise wrong("clock_skew", "must be 0 to 300 seconds.")
    if trust.refresh_seconds < 60:
        raise wrong("refresh_seconds", "must be 60 or more.")
    for setting in ("subject", "application"):
        if not all(getattr(trust, setting) or ("",)):
            raise wrong(setting, "must name a claim.")
    for domain in trust.provision_domains:
        if not _MAIL_DOMAIN.fullmatch(domain):
            raise wrong("provision_domains", f"has '{domain}', which is no mail domain such as example.org.")
