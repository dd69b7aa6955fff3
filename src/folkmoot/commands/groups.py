"""`folkmoot group`: the first groups, and who is in them."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from folkmoot.commands import operating
from folkmoot.config import Settings
from folkmoot.model import GroupDraft

if TYPE_CHECKING:  # a command that is not asked for need not load the database's
    from folkmoot.store.db import Snapshot, Store, Tx

ROLES = ("member", "owner")


def add_parser(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to `commands`; `shared` holds the options that all commands take."""
    family = commands.add_parser("group", help="the groups").add_subparsers(required=True, metavar="COMMAND")
    parents = [shared, operating.json_option()]

    add = family.add_parser("add", parents=parents, help="make a group with conversations")
    add.add_argument("group", metavar="NICKNAME", help="what comes before the @ of its address")
    add.add_argument("--name", metavar="TEXT", help="what people call it (default: the nickname)")
    add.add_argument("--description", metavar="TEXT", help="what it is for")
    add.add_argument("--public", action="store_true", help="open to all members of the organisation (default: private)")
    for role in ROLES:
        add.add_argument(f"--{role}", metavar="PERSON", action="append", default=[], help=f"a first {role}; repeat it")
    add.set_defaults(run=_add, log_level=logging.WARNING)

    listing = family.add_parser("list", parents=parents, help="print all of them")
    listing.set_defaults(run=_list, log_level=logging.WARNING)
    for name, run, says in (("show", _show, "print one"), ("remove", _remove, "take one away, as DELETE does")):
        verb = family.add_parser(name, parents=parents, help=says)
        verb.add_argument("group", metavar="GROUP", help="an id, a mail address, or what is before its @")
        verb.set_defaults(run=run, log_level=logging.WARNING)

    for role in ROLES:
        verbs = family.add_parser(role, help=f"a group's {role}s").add_subparsers(required=True, metavar="COMMAND")
        for name, act, says in (
            ("add", _join, f"make people {role}s"),
            ("remove", _leave, "take that back"),
            ("list", _holders, "print all of them"),
        ):
            verb = verbs.add_parser(name, parents=parents, help=says)
            verb.add_argument("group", metavar="GROUP", help="an id, a mail address, or what is before its @")
            if name != "list":
                verb.add_argument("people", metavar="PERSON", nargs="+", help="an id, a sign-in name or a mail address")
            verb.set_defaults(run=partial(act, role), log_level=logging.WARNING)


def _add(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.ops import directory

    def make(tx: Tx) -> dict[str, Any]:
        first = {
            role: tuple(operating.person(tx, name, settings).id for name in getattr(options, role)) for role in ROLES
        }
        draft = GroupDraft(
            display_name=options.name or options.group,
            mail_nickname=options.group,
            mail_enabled=True,
            security_enabled=False,
            group_types=("Unified",),
            description=options.description,
            visibility="Public" if options.public else "Private",
            owners=first["owner"],
            members=first["member"],
        )
        id = directory.create_group(tx, operating.operator(settings), draft, settings.domain)
        return _facts(tx, id, settings)

    operating.show(options, operating.write(settings, make, first=True))


def _list(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.store import everywhere, identities

    with operating.opened(settings) as store:
        operating.listed(
            options,
            (
                {"id": id, "mail": mail, "visibility": visibility, "displayName": name}
                for page in identities.pages(store, everywhere.GROUPS_PAGE)
                for id, name, mail, visibility in page
            ),
        )


def _show(options: argparse.Namespace, settings: Settings) -> None:
    operating.show(options, operating.read(settings, lambda snapshot: _facts(snapshot, options.group, settings)))


def _remove(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.ops import deleted

    def take(tx: Tx) -> dict[str, Any]:
        standing = operating.standing(tx, options.group, settings)
        deleted.delete_group(tx, standing)
        return {"id": standing.group, "removed": True, "restorable": standing.unified}

    operating.show(options, operating.write(settings, take))


def _join(role: str, options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.ops import directory

    def join(tx: Tx) -> dict[str, Any]:
        standing = operating.standing(tx, options.group, settings)
        for name in options.people:
            directory.add_to_group(tx, standing, role, operating.person(tx, name, settings).id)
        return _facts(tx, standing.group, settings)

    operating.show(options, operating.write(settings, join))


def _leave(role: str, options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.ops import directory

    def leave(tx: Tx) -> dict[str, Any]:
        standing = operating.standing(tx, options.group, settings)
        for name in options.people:
            directory.remove_from_group(tx, standing, role, operating.person(tx, name, settings).id)
        return _facts(tx, standing.group, settings)

    operating.show(options, operating.write(settings, leave))


def _holders(role: str, options: argparse.Namespace, settings: Settings) -> None:
    with operating.opened(settings) as store:
        operating.listed(options, _of(store, role, options.group, settings))


def _of(store: Store, role: str, name: str, settings: Settings) -> Iterator[dict[str, Any]]:
    from folkmoot.store import everywhere, identities

    group = store.read_here(lambda snapshot: operating.group(snapshot, name, settings))
    for page in identities.pages(store, everywhere.HOLDERS_PAGE, g=group, role=role):
        for id, kind in page:
            found = store.read_here(partial(_named, id=id), quick=True)
            yield {"id": id, "type": kind, "userPrincipalName": found[0], "displayName": found[1]}


def _named(snapshot: Snapshot, id: str) -> tuple[str | None, str | None]:
    from folkmoot.store import everywhere

    person = everywhere.person(snapshot, id)
    return (None, None) if person is None else (person.upn, person.name)


def _facts(snapshot: Snapshot, name: str, settings: Settings) -> dict[str, Any]:
    standing = operating.standing(snapshot, name, settings)
    return {
        "id": standing.group,
        "displayName": standing.name,
        "mail": standing.mail,
        "visibility": standing.visibility,
    }
