"""`folkmoot grant`: what a client application may do in one group."""

from __future__ import annotations

import argparse
import logging
from typing import Any

from folkmoot.commands import operating
from folkmoot.config import Settings
from folkmoot.store.db import Snapshot, Tx


def add_parser(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to `commands`; `shared` holds the options that all commands take."""
    grant = commands.add_parser("grant", help="what an application may do in one group")
    verbs = grant.add_subparsers(required=True, metavar="COMMAND")
    for name, run, says in (
        ("add", _add, "let an extended application read or post in one group"),
        ("remove", _remove, "take that back"),
        ("list", _list, "print who may do what"),
    ):
        verb = verbs.add_parser(name, parents=[shared], help=says)
        verb.add_argument("group", metavar="GROUP", help="the group's id or mail address, whole or before the @")
        if name != "list":
            verb.add_argument("application", metavar="APPLICATION", help="its client id, or its name in the lab")
            verb.add_argument(
                "permission", metavar="PERMISSION", help="Group-Conversation.Read.Group or …ReadWrite.Group"
            )
        verb.set_defaults(run=run, log_level=logging.WARNING)


def _add(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.ops import grants

    def give(tx: Tx) -> str:
        standing = operating.standing(tx, options.group, settings)
        return grants.give(tx, standing, _application(options.application, settings), options.permission)

    print(operating.write(settings, give))


def _remove(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.ops import grants
    from folkmoot.store import grants as rows

    def take(tx: Tx) -> None:
        standing = operating.standing(tx, options.group, settings)
        application = _application(options.application, settings)
        wanted = options.permission.lower()
        for id, client, permission in rows.every(tx, standing.group):
            if client == application and permission.lower() == wanted:
                grants.take(tx, standing, id)
                return
        raise operating.NotThere(f"The application has no grant '{options.permission}' in this group.")

    operating.write(settings, take)


def _list(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.store import everywhere
    from folkmoot.store import grants as rows

    def lines(snapshot: Snapshot) -> list[str]:
        found = []
        for id, client, permission in rows.every(snapshot, operating.group(snapshot, options.group, settings)):
            application = everywhere.application(snapshot, client)
            found.append(f"{id}  {client}  {permission}  {application.name if application else ''}".rstrip())
        return found

    for line in operating.read(settings, lines):
        print(line)


def _application(name: str, settings: Settings) -> str:
    """The client id that the command line names."""
    if settings.mode == "development":
        from folkmoot import lab

        for key, application in lab.APPLICATIONS.items():
            if name.lower() == key.lower():
                return application.id
    id = operating.guid(name)
    if id is None:
        raise operating.NotThere(f"'{name}' is not an application's client id.")
    return id
