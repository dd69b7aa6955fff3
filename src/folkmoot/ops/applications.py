"""The registered client applications."""

from __future__ import annotations

import msgspec

from folkmoot.model import Application
from folkmoot.refusals import BadBody, Conflict, NoSuchObject
from folkmoot.store import everywhere, identities
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


def remove(tx: Tx, id: str) -> None:
    """Take an application, and what outside issuers call it, out of the directory."""
    _there(tx, id)
    identities.drop_application(tx, id)


def _there(tx: Tx, id: str) -> None:
    if everywhere.application(tx, id) is None:
        raise NoSuchObject(id)


def _check(application: Application) -> None:
    if not 1 <= len(application.name) <= 256:
        raise BadBody("An application's name has 1 to 256 characters.", target="name")
