"""Who and what the outside issuers' names mean here, and the registered applications and people page by page.

Nothing here belongs to a group.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from folkmoot.model import Application, Person
from folkmoot.store import everywhere
from folkmoot.store import schema as s
from folkmoot.store.db import Row, Snapshot, Statement, Store, Tx

Kind = Literal["person", "app"]

PAGE = 256
_FIRST = "00000000-0000-0000-0000-000000000000"
_texts = msgspec.json.Decoder(tuple[str, ...]).decode
_encode = msgspec.json.Encoder().encode

_OBJECT = Statement(
    select(s.identities.c.object_id).where(
        s.identities.c.issuer == bindparam("issuer"),
        s.identities.c.kind == bindparam("kind"),
        s.identities.c.subject == bindparam("subject"),
    )
)
_NAMES = Statement(
    select(s.identities.c.issuer, s.identities.c.subject)
    .where(s.identities.c.object_id == bindparam("object_id"), s.identities.c.kind == bindparam("kind"))
    .order_by(s.identities.c.issuer, s.identities.c.subject)
)
_MEANT = Statement(
    select(s.identities.c.object_id)
    .where(s.identities.c.kind == bindparam("kind"), s.identities.c.subject == bindparam("subject"))
    .limit(2)
)
_LINK = Statement(insert(s.identities))
_UNLINK = Statement(
    delete(s.identities).where(
        s.identities.c.object_id == bindparam("b_object"), s.identities.c.kind == bindparam("b_kind")
    )
)
_UNNAME = Statement(
    delete(s.identities).where(
        s.identities.c.issuer == bindparam("b_issuer"),
        s.identities.c.kind == bindparam("b_kind"),
        s.identities.c.subject == bindparam("b_subject"),
    )
)
_EVER = Statement(select(s.users.c.id).where(s.users.c.id == bindparam("id")))

_APPLICATIONS = Statement(
    everywhere.APPLICATIONS.where(s.applications.c.id > bindparam("after"))
    .order_by(s.applications.c.id)
    .limit(bindparam("n"))
)
_SET_APPLICATION = Statement(
    update(s.applications)
    .where(s.applications.c.id == bindparam("b_id"))
    .values({name: bindparam(f"new_{name}") for name in ("name", "secret_hash", "roles", "scopes", "profile")})
)
_CALLED = Statement(select(s.applications.c.id).where(s.applications.c.name == bindparam("name")).limit(2))
_DROP_APPLICATION = Statement(delete(s.applications).where(s.applications.c.id == bindparam("b_id")))
_USERS = Statement(
    select(
        s.users.c.id,
        s.users.c.display_name,
        s.users.c.mail,
        s.users.c.user_principal_name,
        s.users.c.user_type,
        s.users.c.account_enabled,
        s.users.c.is_admin,
    )
    .where(s.users.c.deleted_at.is_(None), s.users.c.id > bindparam("after"))
    .order_by(s.users.c.id)
    .limit(bindparam("n"))
)


# ── names of outside issuers ─────────────────────────────────────────────────────────────────────────────────────────


def object_of(snapshot: Snapshot, issuer: str, kind: Kind, subject: str) -> str | None:
    """The id of the user or application that the issuer's name is linked to, or None."""
    row = snapshot.one(_OBJECT, issuer=issuer, kind=kind, subject=subject)
    return row[0] if row else None


def names_of(snapshot: Snapshot, kind: Kind, object_id: str) -> list[tuple[str, str]]:
    """(issuer, subject) of each name that is linked to the user or application."""
    return [(row[0], row[1]) for row in snapshot.all(_NAMES, kind=kind, object_id=object_id)]


def named(snapshot: Snapshot, kind: Kind, subject: str) -> list[str]:
    """Up to two ids that some issuer calls so: one is an answer, two are an ambiguity."""
    return [row[0] for row in snapshot.all(_MEANT, kind=kind, subject=subject)]


def add_name(tx: Tx, issuer: str, kind: Kind, subject: str, object_id: str) -> None:
    """Link an issuer's name. The database refuses the row where another server linked the name meanwhile."""
    tx.run(_LINK, issuer=issuer, kind=kind, subject=subject, object_id=object_id, linked_at=tx.now)


def drop_name(tx: Tx, issuer: str, kind: Kind, subject: str) -> None:
    """Let an issuer's name mean nobody."""
    tx.run(_UNNAME, b_issuer=issuer, b_kind=kind, b_subject=subject)


def drop_names(tx: Tx, kind: Kind, object_id: str) -> None:
    """Take every issuer's name from the user or application."""
    tx.run(_UNLINK, b_object=object_id, b_kind=kind)


def was_user(snapshot: Snapshot, id: str) -> bool:
    """Whether a user has or had this id; a deleted one keeps it."""
    return snapshot.one(_EVER, id=id) is not None


# ── applications ─────────────────────────────────────────────────────────────────────────────────────────────────────


def called(snapshot: Snapshot, name: str) -> list[str]:
    """Up to two ids of applications that are called so."""
    return [row[0] for row in snapshot.all(_CALLED, name=name)]


def set_application(tx: Tx, application: Application) -> None:
    """Store what is said of a registered application; its id and its principal never change."""
    tx.run(
        _SET_APPLICATION,
        b_id=application.id,
        new_name=application.name,
        new_secret_hash=application.secret_hash,
        new_roles=_encode(application.roles).decode(),
        new_scopes=_encode(application.scopes).decode(),
        new_profile=application.profile,
    )


def drop_application(tx: Tx, id: str) -> None:
    """Take an application and its names out of the directory."""
    tx.run(_DROP_APPLICATION, b_id=id)
    drop_names(tx, "app", id)


def _application(row: Row) -> Application:
    id, name, principal, secret_hash, roles, scopes, profile = row
    return Application(
        id=id,
        name=name,
        principal=principal,
        secret_hash=secret_hash,
        roles=_texts(roles),
        scopes=_texts(scopes),
        profile=profile,
    )


# ── everything, page by page ─────────────────────────────────────────────────────────────────────────────────────────


def pages(store: Store, statement: Statement, **parameters: str) -> Iterator[list[Row]]:
    """The rows of a statement that takes `:after` (the last id seen, the first column) and `:n`, a page in each read.

    A page holds no read open, so a long list neither fills memory nor keeps the database from tidying up.
    """
    after = _FIRST

    def page(snapshot: Snapshot) -> list[Row]:
        return snapshot.all(statement, after=after, n=PAGE, **parameters)

    while rows := store.read_here(page):
        yield rows
        after = rows[-1][0]


def applications(store: Store) -> Iterator[Application]:
    """Every registered application, oldest id first."""
    for rows in pages(store, _APPLICATIONS):
        yield from map(_application, rows)


def users(store: Store) -> Iterator[Person]:
    """Every user who is not deleted, oldest id first."""
    for rows in pages(store, _USERS):
        for id, name, mail, upn, kind, enabled, admin in rows:
            yield Person(id, name, mail, upn, kind == "Guest", bool(enabled), bool(admin))
