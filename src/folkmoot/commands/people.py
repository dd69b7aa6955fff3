"""`folkmoot person`: the people of the directory, and whom outside issuers mean by their names for them."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from folkmoot.commands import operating
from folkmoot.commands.operating import WrongUse
from folkmoot.config import Settings
from folkmoot.model import Person, UserDraft

if TYPE_CHECKING:  # a command that is not asked for need not load the database's
    from folkmoot.store.db import Snapshot, Tx


def add_parser(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to `commands`; `shared` holds the options that all commands take."""
    family = commands.add_parser("person", help="the people").add_subparsers(required=True, metavar="COMMAND")
    parents = [shared, operating.json_option()]

    add = family.add_parser("add", parents=parents, help="add a person to the directory")
    add.add_argument("person", metavar="NAME", help="the sign-in name, alone or with its domain")
    add.add_argument("--name", metavar="TEXT", help="what people call them (default: the sign-in name)")
    add.add_argument("--mail", metavar="ADDRESS", help="the mail address (default: the sign-in name)")
    add.add_argument("--id", metavar="GUID", help="the directory id (default: new)")
    add.add_argument("--guest", action="store_true", help="sees only what they are invited to")
    add.add_argument("--admin", action="store_true", help="runs the organisation")
    add.add_argument("--subject", metavar="TEXT", help="how an outside issuer names them (its sub claim)")
    add.add_argument("--issuer", metavar="NAME", help="which of the settings' issuers names them so")
    add.set_defaults(run=_add, log_level=logging.WARNING)

    listing = family.add_parser("list", parents=parents, help="print all of them")
    listing.set_defaults(run=_list, log_level=logging.WARNING)

    for name, run, says in (
        ("show", _show, "print one"),
        ("disable", _enabling(False), "let nobody sign in as them; what they said stays"),
        ("enable", _enabling(True), "take that back"),
        ("remove", _remove, "take them out of the directory and every group; what they said stays"),
        ("set-password", _set_password, "set what the development issuer asks for; read from standard input"),
        ("make-admin", _make_admin, "let them run the organisation"),
        ("link", _link, "say that they are whom an outside issuer names so"),
        ("unlink", _unlink, "take every outside issuer's name from them"),
    ):
        verb = family.add_parser(name, parents=parents, help=says)
        verb.add_argument("person", metavar="NAME", help="an id, a sign-in name or a mail address")
        verb.set_defaults(run=run, log_level=logging.WARNING)
        if name == "make-admin":
            verb.add_argument("--undo", action="store_true", help="take that back")
        elif name == "link":
            verb.add_argument("subject", metavar="SUBJECT", help="how the issuer names them (its sub claim)")
            verb.add_argument("--issuer", metavar="NAME", help="which of the settings' issuers")


def _add(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.ops import directory, identities
    from folkmoot.store import identities as rows

    name = operating.whole(options.person, settings)
    id = None if options.id is None else operating.guid(options.id)
    if options.id is not None and id is None:
        raise WrongUse(f"--id '{options.id}' is not a GUID.")
    if options.issuer is not None and options.subject is None:
        raise WrongUse("--issuer says whose --subject it is; give that, too.")
    issuer = None if options.subject is None else operating.issuer(options, settings)
    draft = UserDraft(
        id=id,
        user_principal_name=name,
        display_name=options.name or name.partition("@")[0],
        mail=options.mail or name,
        mail_nickname=name.partition("@")[0],
        user_type="Guest" if options.guest else "Member",
        account_enabled=True,
        is_admin=options.admin,
    )

    def add(tx: Tx) -> dict[str, Any]:
        if id is not None and rows.was_user(tx, id):
            raise WrongUse(f"--id {id} is or was another person's.")
        made = directory.create_user(tx, draft)
        if issuer is not None:
            identities.link(tx, issuer, "person", options.subject, made)
        return _facts(tx, operating.person(tx, made, settings))

    operating.show(options, operating.write(settings, add, first=True))


def _list(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.store import identities

    with operating.opened(settings) as store:
        operating.listed(options, map(_told, identities.users(store)))


def _show(options: argparse.Namespace, settings: Settings) -> None:
    def told(snapshot: Snapshot) -> dict[str, Any]:
        return _facts(snapshot, operating.person(snapshot, options.person, settings))

    operating.show(options, operating.read(settings, told))


def _changing(options: argparse.Namespace, settings: Settings, change: Callable[[Tx, Person], None]) -> None:
    """Do something to the person of the command line, and print what they are then."""

    def run(tx: Tx) -> dict[str, Any]:
        found = operating.person(tx, options.person, settings)
        change(tx, found)
        return _facts(tx, operating.person(tx, found.id, settings))

    operating.show(options, operating.write(settings, run))


def _enabling(enabled: bool) -> Callable[[argparse.Namespace, Settings], None]:
    def run(options: argparse.Namespace, settings: Settings) -> None:
        from folkmoot.ops import directory

        _changing(
            options, settings, lambda tx, person: directory.update_user(tx, person.id, {"account_enabled": enabled})
        )

    return run


def _make_admin(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.ops import directory

    def change(tx: Tx, person: Person) -> None:
        if person.guest and not options.undo:
            raise WrongUse(f"{person.upn} is a guest, and guests do not run the organisation.")
        directory.update_user(tx, person.id, {"is_admin": not options.undo})

    _changing(options, settings, change)


def _set_password(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.auth.secrets import hash_password
    from folkmoot.ops import directory

    if settings.mode == "production":
        raise WrongUse("In production people sign in at the outside issuer; a password here would open nothing.")
    operating.read(settings, lambda snapshot: operating.person(snapshot, options.person, settings))
    try:
        kept = hash_password(_typed())
    except ValueError as error:
        raise WrongUse(f"That will not do: {error}.") from error
    _changing(options, settings, lambda tx, person: directory.update_user(tx, person.id, {"password_hash": kept}))


def _typed() -> str:
    """A password: asked for twice at a terminal, else the first line of standard input. Never an argument, which every
    process of the machine could read."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    from getpass import getpass

    first = getpass("Password: ")
    if getpass("Once more: ") != first:
        raise WrongUse("The two are not the same.")
    return first


def _remove(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.ops import directory

    def take(tx: Tx) -> dict[str, Any]:
        found = operating.person(tx, options.person, settings)
        directory.delete_user(tx, operating.operator(settings), found.id)
        return {"id": found.id, "removed": True}

    operating.show(options, operating.write(settings, take))


def _link(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.ops import identities

    issuer = operating.issuer(options, settings)
    _changing(options, settings, lambda tx, person: identities.link(tx, issuer, "person", options.subject, person.id))


def _unlink(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.store import identities

    _changing(options, settings, lambda tx, person: identities.drop_names(tx, "person", person.id))


def _told(person: Person) -> dict[str, Any]:
    return {
        "id": person.id,
        "userPrincipalName": person.upn,
        "userType": "Guest" if person.guest else "Member",
        "accountEnabled": person.enabled,
        "admin": person.admin,
        "displayName": person.name,
    }


def _facts(snapshot: Snapshot, person: Person) -> dict[str, Any]:
    from folkmoot.store import identities

    names = identities.names_of(snapshot, "person", person.id)
    linked = [{"issuer": issuer, "subject": subject} for issuer, subject in names]
    return {**_told(person), "mail": person.mail, "identities": linked}
