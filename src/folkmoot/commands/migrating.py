"""`folkmoot migrate`: the schema of this release, made beside the servers that run."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

from folkmoot.commands.operating import WrongUse
from folkmoot.config import Settings
from folkmoot.refusals import Refusal


class NotMigrated(Refusal):
    """Migrations are missing; folkmoot migrate applies them."""


def add_parser(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to `commands`; `shared` holds the options that all commands take."""
    migrate = commands.add_parser("migrate", parents=[shared], help="bring the database to this release's schema")
    migrate.add_argument(
        "--check", action="store_true", help="change nothing; exit with 0 where this release can run, else with 1"
    )
    migrate.add_argument(
        "--wait", type=float, metavar="SECONDS", help="how long to wait for locks of others (default: 120)"
    )
    migrate.set_defaults(run=_migrate, log_level=logging.INFO)


def _migrate(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot import app
    from folkmoot.store import migrate

    if options.wait is not None and not options.wait >= 0:
        raise WrongUse("--wait must be 0 seconds or more.")
    if options.check:
        at = _standing(settings)
        if not at.complete:
            if at.revision is not None and at.revision > migrate.HEAD:
                raise migrate.SchemaTooNew
            found = f"The database is at revision {at.revision}" if at.revision else "The database is empty"
            raise NotMigrated(f"{found}, this release needs {migrate.HEAD}; folkmoot migrate applies what is missing.")
    else:
        app.migrated(settings, patience=migrate.PATIENCE if options.wait is None else options.wait)
        at = _standing(settings)
    if at.revision == migrate.HEAD:
        print(f"The database is at revision {at.revision}, the schema of this release.")
    else:
        print(f"The database is at revision {at.revision}, of a newer release; this one works with it.")


def _standing(settings: Settings) -> Any:
    """Where the database stands, without making one."""
    from folkmoot import app
    from folkmoot.store import migrate

    database = app.database(settings)
    if isinstance(database, Path) and not database.exists():
        return migrate.Standing(None, None)
    with app.reaching(settings):
        return migrate.standing(database)
