"""The registered client applications."""

from __future__ import annotations

import msgspec

from folkmoot.model import Application
from folkmoot.ops.subscriptions import moment
from folkmoot.refusals import BadBody, Conflict, NoSuchObject
from folkmoot.store import everywhere, identities, rows, subscriptions
from folkmoot.store import grants as granted
from folkmoot.store.changes import record
from folkmoot.store.db import Tx

_encode = msgspec.json.Encoder().encode


def add(tx: Tx, application: Application) -> None:
    """Register an application. Raises `Conflict` when its client id is registered already."""
    _check(application)
    if everywhere.application(tx, application.id) is not None:
        raise Conflict(f"An application with the client id {application.id} is registered already.", target="id")
    tx.run(
        everywhere.ADD_APPLICATION,
        id=application.id,
        name=application.name,
        principal=application.principal,
        secret_hash=application.secret_hash,
        roles=_encode(application.roles).decode(),
        scopes=_encode(application.scopes).decode(),
        profile=application.profile,
    )


def change(tx: Tx, application: Application) -> None:
    """Say anew what a registered application is called and may do. Its id and principal stay as they are."""
    _check(application)
    _there(tx, application.id)
    identities.set_application(tx, application)


def remove(tx: Tx, id: str) -> int:
    """Take an application, what outside issuers call it, and its grants in groups out of the directory.

    What it subscribed to ends. Returns how many grants went with it: who is registered under its client id later shall
    not have them.
    """
    _there(tx, id)
    identities.drop_application(tx, id)
    subscriptions.end(tx, id, moment(tx))
    grants = everywhere.granted_to(tx, id)
    for group, grant in grants:
        rows.take_turn(tx, group)
        granted.remove(tx, group, grant)
        record(tx, group, None, ("deleted", "grant", grant))
    return len(grants)


def _there(tx: Tx, id: str) -> None:
    if everywhere.application(tx, id) is None:
        raise NoSuchObject(id)


def _check(application: Application) -> None:
    if not 1 <= len(application.name) <= 256:
        raise BadBody("An application's name has 1 to 256 characters.", target="name")
