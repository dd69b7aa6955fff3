"""`folkmoot database`: what is done to a PostgreSQL database as a whole. The server needs none of it."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING, Any

from folkmoot.commands.operating import WrongUse
from folkmoot.config import Settings

if TYPE_CHECKING:
    import psycopg

# How `pg_dist_partition` tells of each kind: partmethod, and the name of its column.
_METHODS = {"group": ("h", "group_id"), "reference": ("n", None), "single": ("n", None)}


def add_parser(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to `commands`; `shared` holds the options that all commands take."""
    verbs = commands.add_parser("database", help="the PostgreSQL database as a whole").add_subparsers(
        required=True, metavar="COMMAND"
    )
    distribute = verbs.add_parser(
        "distribute", parents=[shared], help="spread the tables over the nodes of a Citus cluster, by group"
    )
    distribute.add_argument("--dry-run", action="store_true", help="print the SQL, and change nothing")
    distribute.set_defaults(run=_distribute, log_level=logging.WARNING)


def _distribute(options: argparse.Namespace, settings: Settings) -> None:
    """Distribute what is not yet. All in one transaction: broken off, it has changed nothing."""
    if settings.database is None:
        raise WrongUse("A SQLite database cannot be distributed; --database names a PostgreSQL database with Citus.")
    import psycopg

    from folkmoot.store import distribution, migrate

    try:
        revision = migrate.current(settings.database)
        if revision != migrate.HEAD:
            at = "empty" if revision is None else f"at revision {revision}"
            raise WrongUse(f"The database is {at}; this release needs {migrate.HEAD}: run `folkmoot migrate` first.")
        with psycopg.connect(settings.database) as connection:
            placed = _placed(connection)
            said = list(distribution.steps(placed, _keys(connection)))
            if options.dry_run:
                print("\n".join(f"{each};" for each in ("BEGIN", *said, "COMMIT")) if said else _NOTHING)
                return
            # Two that start together take turns; the second finds nothing left to do.
            connection.execute("SELECT pg_advisory_xact_lock(7012658204)")
            said = list(distribution.steps(_placed(connection), _keys(connection)))
            for each in said:
                connection.execute(each.encode())
    except psycopg.OperationalError as error:
        raise WrongUse(f"The database cannot be reached: {' '.join(str(error).split())}") from error
    except psycopg.Error as error:
        raise WrongUse(f"Citus refused, and nothing was changed: {' '.join(str(error).split())}") from error
    print(f"{sum('create_' in each for each in said)} tables were distributed." if said else _NOTHING)


_NOTHING = "Every table is where it belongs; there is nothing to do."


def _placed(connection: psycopg.Connection[Any]) -> set[str]:
    """The tables that Citus has placed. Raises `WrongUse` where there is no Citus, no node, or one lies elsewhere."""
    from folkmoot.store.distribution import KINDS

    if connection.execute("SELECT FROM pg_extension WHERE extname = 'citus'").fetchone() is None:
        raise WrongUse(
            "This database has no Citus: CREATE EXTENSION citus on each node, and add the workers to the coordinator. "
            "Folkmoot needs it no more than that; without, the database stays as it is."
        )
    if connection.execute("SELECT FROM pg_dist_node WHERE isactive AND shouldhaveshards").fetchone() is None:
        raise WrongUse(
            "This Citus has no node to put rows on: add workers with citus_add_node(…) on the coordinator, "
            "and name the coordinator in --database."
        )
    rows = connection.execute(
        "SELECT logicalrelid::regclass::text, partmethod::text, repmodel::text, "
        "CASE WHEN partkey IS NOT NULL THEN column_to_column_name(logicalrelid, partkey) END FROM pg_dist_partition"
    ).fetchall()
    for table, method, model, column in rows:
        kind = KINDS.get(table)
        if kind is None:
            continue
        if _METHODS.get(kind) != (method, column) or (method == "n" and (model == "t") != (kind == "reference")):
            raise WrongUse(
                f"The table '{table}' is distributed otherwise than Folkmoot needs; "
                f"SELECT undistribute_table('{table}') first."
            )
    return {row[0] for row in rows}


def _keys(connection: psycopg.Connection[Any]) -> set[str]:
    rows = connection.execute(
        "SELECT conname FROM pg_constraint WHERE contype = 'f' AND connamespace = current_schema()::regnamespace"
    )
    return {row[0] for row in rows}
