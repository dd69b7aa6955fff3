"""`folkmoot app`: the registered client applications."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from folkmoot.commands import operating
from folkmoot.commands.operating import WrongUse
from folkmoot.config import Settings
from folkmoot.model import Application

if TYPE_CHECKING:  # a command that is not asked for need not load the database's
    from folkmoot.store.db import Snapshot, Tx


def add_parser(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to `commands`; `shared` holds the options that all commands take."""
    family = commands.add_parser("app", help="the client applications").add_subparsers(required=True, metavar="COMMAND")
    parents = [shared, operating.json_option()]

    add = family.add_parser("add", parents=parents, help="register an application, and print its secret once")
    add.add_argument("name", metavar="NAME", help="what people call it")
    add.add_argument("--id", metavar="CLIENT_ID", help="its client id, as an outside issuer names it (default: new)")
    add.add_argument("--issuer", metavar="NAME", help="which of the settings' issuers names it so")
    add.set_defaults(run=_add, log_level=logging.WARNING)

    change = family.add_parser("set", parents=parents, help="say anew what it is called or may do")
    change.add_argument("application", metavar="APPLICATION", help="its client id or its name")
    change.add_argument("--name", metavar="NAME", help="what people call it")
    change.add_argument("--new-secret", action="store_true", help="make another secret; the old one ends at once")
    change.set_defaults(run=_set, log_level=logging.WARNING)

    for parser in (add, change):
        parser.add_argument(
            "--profile",
            choices=("strict", "extended"),
            help="answered as the cloud does (strict), or not (default: strict)",
        )
        parser.add_argument(
            "--role", metavar="PERMISSION", action="append", help="an application permission; repeat it"
        )
        parser.add_argument("--scope", metavar="PERMISSION", action="append", help="a delegated permission; repeat it")
        parser.add_argument(
            "--public", action="store_true", help="without a secret, as programs on people's devices are"
        )
    change.add_argument("--no-roles", action="store_true", help="take every role from it")
    change.add_argument("--no-scopes", action="store_true", help="take every scope from it")

    listing = family.add_parser("list", parents=parents, help="print all of them")
    listing.set_defaults(run=_list, log_level=logging.WARNING)
    for name, run, says in (("show", _show, "print one"), ("remove", _remove, "take one out of the directory")):
        verb = family.add_parser(name, parents=parents, help=says)
        verb.add_argument("application", metavar="APPLICATION", help="its client id or its name")
        verb.set_defaults(run=run, log_level=logging.WARNING)


def _add(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.ops import applications, identities

    outside = options.id if options.id is not None and operating.guid(options.id) is None else None
    issuer = operating.issuer(options, settings) if outside is not None or options.issuer is not None else None
    secret, kept = _secret(options, settings)
    roles, scopes = operating.permissions(options.role or ()), operating.permissions(options.scope or ())

    def register(tx: Tx) -> Application:
        id, principal = tx.new_id(), tx.new_id()
        if options.id is not None:
            id = operating.guid(options.id) or identities.made_id(issuer or "", "app", options.id)
        if issuer is not None and options.id is not None:
            # The same that its tokens had before it was registered.
            principal = identities.made_id(issuer, "app", f"{options.id}#principal")
        added = Application(
            id=id,
            name=options.name,
            principal=principal,
            secret_hash=kept,
            roles=roles,
            scopes=scopes,
            profile=options.profile or "strict",
        )
        applications.add(tx, added)
        if issuer is not None and options.id is not None:
            identities.link(tx, issuer, "app", options.id, id)
        return added

    def told(tx: Tx) -> dict[str, Any]:
        return _facts(tx, register(tx))

    _print(options, operating.write(settings, told, first=True), secret)


def _set(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.ops import applications

    if options.public and options.new_secret:
        raise WrongUse("--public takes the secret away, and --new-secret makes one; give one of them.")
    for name in ("role", "scope"):
        if getattr(options, name) and getattr(options, f"no_{name}s"):
            raise WrongUse(f"--{name} says which to have, and --no-{name}s to have none; give one of them.")
    secret, kept = _secret(options, settings) if options.new_secret else (None, None)
    changes: dict[str, Any] = {}
    if options.name is not None:
        changes["name"] = options.name
    if options.profile is not None:
        changes["profile"] = options.profile
    if options.role or options.no_roles:
        changes["roles"] = operating.permissions(options.role or ())
    if options.scope or options.no_scopes:
        changes["scopes"] = operating.permissions(options.scope or ())
    if options.public or options.new_secret:
        changes["secret_hash"] = kept
    if not changes:
        raise WrongUse("Say what to change: --name, --profile, --role, --scope, --new-secret, …; see --help.")

    def change(tx: Tx) -> dict[str, Any]:
        changed = replace(operating.application(tx, options.application), **changes)
        applications.change(tx, changed)
        return _facts(tx, changed)

    _print(options, operating.write(settings, change), secret)


def _list(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.store import identities

    with operating.opened(settings) as store:
        operating.listed(
            options,
            (
                {"id": each.id, "profile": each.profile, "public": each.secret_hash is None, "name": each.name}
                for each in identities.applications(store)
            ),
        )


def _show(options: argparse.Namespace, settings: Settings) -> None:
    def told(snapshot: Snapshot) -> dict[str, Any]:
        return _facts(snapshot, operating.application(snapshot, options.application))

    operating.show(options, operating.read(settings, told))


def _remove(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.ops import applications

    def take(tx: Tx) -> dict[str, Any]:
        found = operating.application(tx, options.application)
        return {"id": found.id, "removed": True, "grants": applications.remove(tx, found.id)}

    operating.show(options, operating.write(settings, take))


def _facts(snapshot: Snapshot, application: Application) -> dict[str, Any]:
    from folkmoot.store import identities

    names = identities.names_of(snapshot, "app", application.id)
    return {
        "id": application.id,
        "name": application.name,
        "principalId": application.principal,
        "profile": application.profile,
        "public": application.secret_hash is None,
        "roles": list(application.roles),
        "scopes": list(application.scopes),
        "clientIds": [{"issuer": issuer, "clientId": subject} for issuer, subject in names],
    }


def _secret(options: argparse.Namespace, settings: Settings) -> tuple[str | None, str | None]:
    """A new secret and what is kept of it. None where nobody would ask for it: only our own issuer does."""
    from folkmoot.auth.secrets import hash_secret, new_secret

    if options.public:
        return None, None
    if settings.mode == "production":
        if getattr(options, "new_secret", False):
            raise WrongUse("In production an application's secret is the outside issuer's; none is kept here.")
        return None, None
    secret = new_secret()
    return secret, hash_secret(secret)


def _print(options: argparse.Namespace, facts: dict[str, Any], secret: str | None) -> None:
    operating.show(options, facts if secret is None else {**facts, "secret": secret})
    if secret is not None and not options.json:
        print("\nThe secret is shown this once; only its hash is kept.")
