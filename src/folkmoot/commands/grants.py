"""`folkmoot grant`: what a client application may do in one group."""

from __future__ import annotations

import argparse
import contextlib
import logging
from typing import Any

from folkmoot.config import Settings
from folkmoot.model import Caller, Standing
from folkmoot.refusals import Refusal
from folkmoot.store.db import Snapshot, Tx


class NotFoundHere(Refusal):
    """There is no such thing."""


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
        standing = _standing(tx, options.group, settings)
        return grants.give(tx, standing, _application(options.application, settings), options.permission)

    with _store(settings) as store:
        print(store.write_here(give))


def _remove(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.ops import grants
    from folkmoot.store import grants as rows

    def take(tx: Tx) -> None:
        standing = _standing(tx, options.group, settings)
        application = _application(options.application, settings)
        wanted = options.permission.lower()
        for id, client, permission in rows.every(tx, standing.group):
            if client == application and permission.lower() == wanted:
                grants.take(tx, standing, id)
                return
        raise NotFoundHere(f"The application has no grant '{options.permission}' in this group.")

    with _store(settings) as store:
        store.write_here(take)


def _list(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.store import everywhere
    from folkmoot.store import grants as rows

    def lines(snapshot: Snapshot) -> list[str]:
        found = []
        for id, client, permission in rows.every(snapshot, _group(snapshot, options.group, settings)):
            application = everywhere.application(snapshot, client)
            found.append(f"{id}  {client}  {permission}  {application.name if application else ''}".rstrip())
        return found

    with _store(settings) as store:
        for line in store.read_here(lines):
            print(line)


def _store(settings: Settings) -> Any:
    from folkmoot import app

    return contextlib.closing(app.open_store(settings))


def _group(snapshot: Snapshot, name: str, settings: Settings) -> str:
    """The id of the group that the command line names."""
    from folkmoot.store import everywhere

    if "@" not in name and everywhere.group_exists(snapshot, _guid(name)):
        return _guid(name)
    found = everywhere.by_address(snapshot, name if "@" in name else f"{name}@{settings.domain}")
    if found is None or found[0] != "group":
        raise NotFoundHere(f"There is no group '{name}'.")
    return found[1]


def _standing(tx: Tx, name: str, settings: Settings) -> Standing:
    """The group as the operator stands in it, who may do everything: an application is asked for no membership."""
    from folkmoot.ops import access

    operator = Caller(kind="app", oid=_NOBODY, tenant=settings.tenant_id, application=_NOBODY, permissions=frozenset())
    return access.enter(tx, operator, _group(tx, name, settings))


_NOBODY = "00000000-0000-0000-0000-000000000000"


def _application(name: str, settings: Settings) -> str:
    """The client id that the command line names."""
    if settings.mode == "development":
        from folkmoot import lab

        for key, application in lab.APPLICATIONS.items():
            if name.lower() == key.lower():
                return application.id
    if _guid(name) == _NOBODY:
        raise NotFoundHere(f"'{name}' is not an application's client id.")
    return _guid(name)


def _guid(text: str) -> str:
    """`text` as a GUID, or one that nothing has."""
    from uuid import UUID

    try:
        return str(UUID(text))
    except ValueError:
        return _NOBODY
