"""What the commands of an operator share: the database, who acts, whom a name means, and how things are printed.

They work on the database itself, beside a server that runs on it or with none. Who may use them is who may read the
database; nobody is asked for a token.
"""

from __future__ import annotations

import argparse
import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import msgspec

from folkmoot.config import Settings
from folkmoot.refusals import Refusal

if TYPE_CHECKING:
    from folkmoot.model import Application, Caller, Person, Standing
    from folkmoot.store.db import Snapshot, Store, Tx

T = TypeVar("T")

PERMISSION = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*(?:\.[A-Za-z-]+){1,3}")
_NOBODY = "00000000-0000-0000-0000-000000000000"


class WrongUse(Refusal):
    """The command cannot do that."""


class NotThere(Refusal):
    """There is no such thing."""


@contextlib.contextmanager
def opened(settings: Settings, *, first: bool = False) -> Iterator[Store]:
    """The database that the settings name. Raises `NotThere` where a data directory has none, unless that is made by
    what comes `first`: for anything else the directory is misspelt."""
    from folkmoot import app

    file = app.database(settings)
    if isinstance(file, Path) and not first and not file.exists():
        raise NotThere(
            f"There is no database in {settings.data}. Name the server's data directory with --data; its first start "
            "makes one, and so does adding a person, a group or an application."
        )
    with contextlib.closing(app.open_store(settings)) as store:
        yield store


def write(settings: Settings, function: Callable[[Tx], T], *, first: bool = False) -> T:
    """Run `function` in one transaction; `first` as `opened` has it."""
    with opened(settings, first=first) as store:
        return store.write_here(function)


def read(settings: Settings, function: Callable[[Snapshot], T]) -> T:
    """Run `function` with one snapshot."""
    with opened(settings) as store:
        return store.read_here(function)


def operator(settings: Settings) -> Caller:
    """Who acts: like an application, the operator is asked for no membership."""
    from folkmoot.model import Caller

    return Caller(kind="app", oid=_NOBODY, tenant=settings.tenant_id, application=_NOBODY, permissions=frozenset())


# ── whom a name means ────────────────────────────────────────────────────────────────────────────────────────────────


def guid(text: str) -> str | None:
    """`text` as this project writes a GUID, or None."""
    try:
        return str(UUID(text)) if len(text) == 36 else None
    except ValueError:
        return None


def whole(name: str, settings: Settings) -> str:
    """A sign-in name with its domain, which may be left out where it is the tenant's."""
    return name if "@" in name else f"{name}@{settings.domain}"


def person(snapshot: Snapshot, name: str, settings: Settings) -> Person:
    """The user with this id, sign-in name or mail address. Raises `NotThere`."""
    from folkmoot.store import everywhere

    id = guid(name)
    found = everywhere.person(snapshot, id) if id else everywhere.person_by_address(snapshot, whole(name, settings))
    if found is None:
        raise NotThere(f"Nobody is called '{name}': give an id, a sign-in name or a mail address.")
    return found


def group(snapshot: Snapshot, name: str, settings: Settings) -> str:
    """The id of the group with this id, mail address or nickname. Raises `NotThere`."""
    from folkmoot.store import everywhere

    id = guid(name)
    if id is not None and everywhere.group_exists(snapshot, id):
        return id
    found = everywhere.by_address(snapshot, whole(name, settings))
    if found is None or found[0] != "group" or not everywhere.group_exists(snapshot, found[1]):
        raise NotThere(f"There is no group '{name}'. Give an id, a mail address, or what is before its @.")
    return found[1]


def standing(snapshot: Snapshot, name: str, settings: Settings) -> Standing:
    """A group as the operator stands in it; in a transaction this takes the group's turn."""
    from folkmoot.ops import access

    return access.enter(snapshot, operator(settings), group(snapshot, name, settings))


def application(snapshot: Snapshot, name: str) -> Application:
    """The application with this client id, here or at an outside issuer, or with this name. Raises `NotThere`."""
    from folkmoot.store import everywhere, identities

    id = guid(name)
    for ids in ([id] if id else [], identities.named(snapshot, "app", name), identities.called(snapshot, name)):
        if len(ids) > 1:
            raise NotThere(f"Several applications are called '{name}': give the id.")
        found = everywhere.application(snapshot, ids[0]) if ids else None
        if found is not None:
            return found
    raise NotThere(f"No application is called '{name}': give its client id or its name; `folkmoot app list` has them.")


def issuer(options: argparse.Namespace, settings: Settings) -> str:
    """The `iss` of the outside issuer that `--issuer` names; where only one is trusted it need not be said."""
    names = ", ".join(settings.issuers) or "none"
    if options.issuer is not None:
        if options.issuer not in settings.issuers:
            raise WrongUse(f"The settings have no issuer '{options.issuer}'; they have {names}.")
        return settings.issuers[options.issuer].issuer
    if len(settings.issuers) != 1:
        raise WrongUse(f"Say whose name it is with --issuer; the settings have {names}.")
    return next(iter(settings.issuers.values())).issuer


def permissions(given: Iterable[str]) -> tuple[str, ...]:
    """Names of permissions, each once. Raises `WrongUse` for what cannot be one."""
    for name in given:
        if not PERMISSION.fullmatch(name):
            raise WrongUse(f"'{name}' is not the name of a permission; they look like Group.ReadWrite.All.")
    return tuple(dict.fromkeys(given))


# ── what is printed ──────────────────────────────────────────────────────────────────────────────────────────────────


def show(options: argparse.Namespace, facts: Mapping[str, Any]) -> None:
    """Print one thing: a line for each fact, or an object with `--json`."""
    if options.json:
        print(msgspec.json.encode(facts).decode())
        return
    for name, value in facts.items():
        told = value if isinstance(value, list) else [value]
        for each in told or ["–"]:
            print(f"{name:18} {_told(each)}")


def listed(options: argparse.Namespace, things: Iterable[Mapping[str, Any]]) -> None:
    """Print many things, a line for each as they come: columns, or an object with `--json`."""
    for facts in things:
        print(msgspec.json.encode(facts).decode() if options.json else "  ".join(map(_told, facts.values())))


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return " ".join(map(_told, value.values()))
    return "–" if value is None else str(value)


def json_option() -> argparse.ArgumentParser:
    """The option `--json`, for commands that print something."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--json", action="store_true", help="print JSON, an object for each line")
    return parser
