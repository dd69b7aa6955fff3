"""`folkmoot token`: access tokens of the development issuer, without signing in."""

from __future__ import annotations

import argparse
import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from folkmoot import observe
from folkmoot.commands import operating
from folkmoot.commands.operating import WrongUse
from folkmoot.config import Settings

# What a running server says of itself in its data directory.
RUNNING = "running.json"


def add_parser(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add `token`."""
    token = commands.add_parser("token", parents=[shared], help="print an access token (development)")
    who = token.add_mutually_exclusive_group()
    who.add_argument("--person", metavar="NAME", default="AdeleV", help="sign-in name, alone or with the domain")
    who.add_argument("--app", metavar="NAME", help="an application's client id, or daemon, extended, …")
    token.add_argument("--scope", metavar="NAME", action="append", help="a permission; may be repeated")
    token.add_argument("--lifetime", metavar="SECONDS", type=int, default=86_400, help="how long it is valid")
    token.add_argument("--personal", action="store_true", help="as if it were a personal Microsoft account's")
    token.set_defaults(run=_token, log_level=logging.WARNING)


def _token(options: argparse.Namespace, settings: Settings) -> None:
    settings = as_running(options, settings)
    scopes = operating.permissions(options.scope or ())
    if options.lifetime < 1:
        raise WrongUse("--lifetime must be 1 second or more.")
    with said_if_new(settings):
        if options.app:
            print(_application_token(settings, options.app, scopes, options.lifetime))
        else:
            print(person_token(settings, options.person, scopes, options.lifetime, personal=options.personal))


@contextlib.contextmanager
def said_if_new(settings: Settings) -> Iterator[None]:
    """Warn, when what was asked for has been printed, that no server has ever run on the data directory.

    Whoever is in another folder than their server is none the wiser otherwise, until the token is refused.
    """
    from folkmoot import app

    data = Path(settings.data).absolute()
    new = not (data / app.ISSUER_KEY).exists()
    yield
    if new:
        observe.log.warning(
            "no server has run on %s yet: only one that is started on it will take this. If yours is elsewhere, name "
            "its directory with --data or FOLKMOOT_DATA",
            data,
        )


def as_running(options: argparse.Namespace, settings: Settings) -> Settings:
    """The settings with the ports of the server that runs on the data directory, where none were given."""
    try:
        running = msgspec.json.decode((Path(settings.data) / RUNNING).read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return settings
    ports = {f"{name}_port": running[name] for name in ("https", "http") if getattr(options, f"{name}_port") is None}
    return msgspec.structs.replace(settings, **ports)


def person_token(settings: Settings, name: str, scopes: Sequence[str], lifetime: int, *, personal: bool) -> str:
    """An access token for a person by name: a seeded one, or one of the directory. Raises `WrongUse` for nobody."""
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
