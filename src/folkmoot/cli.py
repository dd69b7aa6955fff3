"""The `folkmoot` command."""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from folkmoot import logs, observe, systemd
from folkmoot.commands import apps, grants, groups, operating, people, subscriptions
from folkmoot.commands.operating import WrongUse
from folkmoot.config import Settings, load
from folkmoot.refusals import Refusal

# Each adds its own command and what is below it.
_FAMILIES = (apps, people, groups, grants, subscriptions)
_RUNNING = "running.json"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; exits with 1 and one line on standard error when it is refused."""
    # The data directory holds keys and everybody's words: for the one who runs the server alone.
    os.umask(0o077)
    options = _parser().parse_args(arguments)
    try:
        # The commands' own level is not what the settings say of the server's log.
        settings = load({**vars(options), "log_level": None})
        if options.run is _serve:
            logs.configure(settings.log_format, settings.log_level)
        else:
            logs.configure("text", options.log_level)
        options.run(options, settings)
    except Refusal as refusal:
        sys.exit(f"folkmoot: {refusal.message}")
    except OSError as error:
        if error.filename is None:
            raise
        sys.exit(f"folkmoot: {error.filename}: {error.strerror}; --data names the directory to use.")
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="folkmoot", description="A server for group conversations.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--config", metavar="FILE", help="a settings file (TOML)")
    shared.add_argument("--data", metavar="DIR", help="the data directory (default: folkmoot-data)")
    shared.add_argument("--database", metavar="URL", help="postgresql://… (default: SQLite in the data directory)")
    shared.add_argument("--https-port", type=int, metavar="PORT", help="the HTTPS port (default: 8443; 0 for none)")
    shared.add_argument("--http-port", type=int, metavar="PORT", help="the plain HTTP port (default: 8080; 0 for none)")
    shared.add_argument("--public-url", metavar="URL", help="the origin under which clients reach the server")

    serve = commands.add_parser("serve", parents=[shared], help="run the server")
    serve.add_argument("--host", metavar="ADDRESS", help="the address to listen on (default: 127.0.0.1)")
    serve.add_argument(
        "--development-beyond-loopback",
        action="store_true",
        default=None,
        help="let development mode, which gives a token to anyone, listen beyond loopback",
    )
    serve.set_defaults(run=_serve)

    token = commands.add_parser("token", parents=[shared], help="print an access token (development)")
    who = token.add_mutually_exclusive_group()
    who.add_argument("--person", metavar="NAME", default="AdeleV", help="sign-in name, alone or with the domain")
    who.add_argument("--app", metavar="NAME", help="an application's client id, or daemon, extended, …")
    token.add_argument("--scope", metavar="NAME", action="append", help="a permission; may be repeated")
    token.add_argument("--lifetime", metavar="SECONDS", type=int, default=86_400, help="how long it is valid")
    token.add_argument("--personal", action="store_true", help="as if it were a personal Microsoft account's")
    token.set_defaults(run=_token, log_level=logging.WARNING)

    migrate = commands.add_parser("migrate", parents=[shared], help="bring the database to this release's schema")
    migrate.set_defaults(run=_migrate, log_level=logging.INFO)

    for family in _FAMILIES:
        family.add_parser(commands, shared)

    lab = commands.add_parser("lab", help="the development tenant").add_subparsers(required=True, metavar="COMMAND")
    facts = lab.add_parser("facts", parents=[shared], help="print what a test harness needs, as JSON")
    facts.set_defaults(run=_facts, log_level=logging.WARNING)
    return parser


# ── serve ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _serve(_: argparse.Namespace, settings: Settings) -> None:
    from folkmoot import app, server
    from folkmoot.graph.streaming import Streams

    data = Path(settings.data)
    sockets: list[tuple[Any, tuple[str, str] | None]] = []
    if settings.https_port:
        sockets.append((server.listen(settings.host, settings.https_port, "--https-port"), _certificate(settings)))
    if settings.http_port:
        sockets.append((server.listen(settings.host, settings.http_port, "--http-port"), None))
    store = app.open_store(settings)
    try:
        if settings.mode == "development":
            import asyncio

            from folkmoot import lab

            asyncio.run(lab.seed(store, settings))
        who = app.identities(settings, store)
        streams = Streams(store)
        outgoing = app.outgoing_of(settings)
        traces = app.traced(settings, store, outgoing)
        application = app.build(settings, store, who=who, outgoing=outgoing, streams=streams, telemetry=traces)
        notifier = app.notifier(settings, store, outgoing)
        store.watch.look_seconds = settings.poll_seconds
        # What was made so far lives as long as the server; collections need not look at it again.
        gc.freeze()
        running = data / _RUNNING
        running.write_bytes(msgspec.json.encode({"https": settings.https_port, "http": settings.http_port}))
        try:
            followers = (who, notifier, app.retention(settings, store), app.measuring(settings, store))
            stopping = lambda: _stopping(streams)  # noqa: E731
            server.run(application, sockets, lambda: _started(settings, *followers), stopping, notifier.stop)
        finally:
            if traces is not None:
                traces.close()
            with contextlib.suppress(FileNotFoundError):
                running.unlink()
    finally:
        store.close()
    said = "stopped; everything that was answered is stored."
    if settings.log_format == "json":
        observe.log.info(said)
    else:
        print(f"folkmoot: {said}")


def _started(settings: Settings, *followers: Any) -> None:
    _say_where(settings)
    systemd.notify("READY=1")
    for each in followers:
        if each is not None:
            each.start()


def _stopping(streams: Any) -> None:
    # Not ready from now on, also for those who ask on a connection that they have.
    observe.draining = True
    systemd.notify("STOPPING=1")
    streams.close()


def _certificate(settings: Settings) -> tuple[str, str]:
    if settings.certificate and settings.certificate_key:
        return settings.certificate, settings.certificate_key
    made = _development_certificates(settings)
    return str(made.certificate), str(made.key)


def _development_certificates(settings: Settings) -> Any:
    from urllib.parse import urlsplit

    from folkmoot.auth import certificates

    public = urlsplit(settings.public_url or "").hostname
    return certificates.ensure(Path(settings.data).absolute() / "certificates", [public] if public else [])


def _say_where(settings: Settings) -> None:
    from folkmoot.app import Origins

    origins = Origins(settings)
    if settings.log_format == "json":
        observe.log.info("Folkmoot is running: %s/v1.0", origins.canonical)
        return
    lines = ["", f"Folkmoot is running: {origins.canonical}/v1.0"]
    if settings.mode == "development":
        from folkmoot import lab

        lines.append("Development mode: a seeded tenant, and tokens for anyone who asks.")
        if settings.https_port:
            ca = _development_certificates(settings).ca
            lines += [
                "",
                f"The development CA certificate: {ca}",
                f"  export SSL_CERT_FILE={ca} REQUESTS_CA_BUNDLE={ca}",
                f"  export NODE_EXTRA_CA_CERTS={ca}",
            ]
        lines += ["", "More tokens: folkmoot token --help. People, groups, applications: folkmoot lab facts."]
        lines += ["", "Start a conversation (paste this into another terminal):", "", _curl(settings, lab.GROUPS[0].id)]
    print("\n".join(lines), flush=True)


def _curl(settings: Settings, group: str) -> str:
    from folkmoot.app import Origins

    origins = Origins(settings)
    trust = "" if origins.http else f"--cacert '{_development_certificates(settings).ca}' "
    body = {
        "topic": "New product launch",
        "threads": [
            {
                "posts": [
                    {
                        "body": {"contentType": "html", "content": "<p>Shall we meet on <b>Friday</b>?</p>"},
                        "newParticipants": [
                            {"emailAddress": {"name": "Alex Wilber", "address": f"AlexW@{settings.domain}"}}
                        ],
                    }
                ]
            }
        ],
    }
    token = _person_token(settings, "AdeleV", (), 86_400, personal=False)
    return (
        f"curl {trust}-X POST {origins.http or origins.https}/v1.0/groups/{group}/conversations \\\n"
        f"  -H 'Authorization: Bearer {token}' \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d '{msgspec.json.encode(body).decode()}'\n"
    )


# ── token, lab, migrate ──────────────────────────────────────────────────────────────────────────────────────────────


def _token(options: argparse.Namespace, settings: Settings) -> None:
    settings = _as_running(options, settings)
    scopes = operating.permissions(options.scope or ())
    if options.lifetime < 1:
        raise WrongUse("--lifetime must be 1 second or more.")
    if options.app:
        print(_application_token(settings, options.app, scopes, options.lifetime))
    else:
        print(_person_token(settings, options.person, scopes, options.lifetime, personal=options.personal))


def _person_token(settings: Settings, name: str, scopes: Sequence[str], lifetime: int, *, personal: bool) -> str:
    from folkmoot import app, lab
    from folkmoot.model import SignIn
    from folkmoot.store import everywhere

    address = name if "@" in name else f"{name}@{settings.domain}"
    seeded = next((p for p in lab.PEOPLE if f"{p.nick}@{settings.domain}".lower() == address.lower()), None)
    if seeded is not None:
        person = SignIn(
            oid=seeded.id,
            upn=f"{seeded.nick}@{settings.domain}",
            name=seeded.name,
            mail=f"{seeded.nick}@{settings.domain}",
        )
    else:
        with contextlib.closing(app.open_store(settings)) as store:
            found = store.read_here(lambda s: everywhere.person_by_address(s, address))
        if found is None:
            known = ", ".join(p.nick for p in lab.PEOPLE)
            raise WrongUse(f"Nobody is called '{name}'. The seeded people are: {known}.")
        person = SignIn(oid=found.id, upn=found.upn, name=found.name, mail=found.mail or found.upn)
    client = _known_application(lab.PUBLIC_CLIENT)
    return _minted(settings, client, person, scopes or client.scopes, lifetime, personal=personal)


def _application_token(settings: Settings, name: str, roles: Sequence[str], lifetime: int) -> str:
    from folkmoot import app, lab
    from folkmoot.store import everywhere

    seeded = next((a for key, a in lab.APPLICATIONS.items() if name.lower() in (key.lower(), a.id)), None)
    if seeded is not None:
        application = _known_application(seeded)
    else:
        with contextlib.closing(app.open_store(settings)) as store:
            found = store.read_here(lambda s: everywhere.application(s, name.lower()))
        if found is None:
            raise WrongUse(f"No application is called '{name}'; try {', '.join(lab.APPLICATIONS)}, or a client id.")
        application = found
    return _minted(settings, application, None, roles or application.roles, lifetime)


def _minted(
    settings: Settings,
    application: Any,
    person: Any,
    permissions: Sequence[str],
    lifetime: int,
    *,
    personal: bool = False,
) -> str:
    from folkmoot import app
    from folkmoot.auth.minting import mint

    return mint(
        app.development_key(settings),
        base=app.Origins(settings).canonical,
        tenant_id=settings.tenant_id,
        application=application,
        person=person,
        permissions=permissions,
        lifetime=lifetime,
        now=time.time(),
        personal=personal,
    )


def _known_application(seeded: Any) -> Any:
    from folkmoot import lab
    from folkmoot.model import Application

    return Application(
        id=seeded.id,
        name=seeded.name,
        principal=lab.principal(seeded),
        secret_hash=None,
        roles=seeded.roles,
        scopes=seeded.scopes,
        profile=seeded.profile,
    )


def _facts(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot import app, lab

    app.development_key(settings)
    settings = _as_running(options, settings)
    origins = app.Origins(settings)
    found = lab.facts(
        settings, https=origins.https, http=origins.http, ca_file=str(_development_certificates(settings).ca)
    )
    print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())


def _as_running(options: argparse.Namespace, settings: Settings) -> Settings:
    """The settings with the ports of the server that runs on the data directory, where none were given."""
    try:
        running = msgspec.json.decode((Path(settings.data) / _RUNNING).read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return settings
    ports = {f"{name}_port": running[name] for name in ("https", "http") if getattr(options, f"{name}_port") is None}
    return msgspec.structs.replace(settings, **ports)


def _migrate(_: argparse.Namespace, settings: Settings) -> None:
    from folkmoot import app
    from folkmoot.store import migrate

    app.open_store(settings).close()
    print(f"The database is at revision {migrate.HEAD}, the schema of this release.")


if __name__ == "__main__":
    main()
