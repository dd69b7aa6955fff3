"""Where each table lies when PostgreSQL is Citus, and the SQL that puts it there. Why: docs/why/citus.md.

Nothing else in Folkmoot depends on Citus: the schema is the same with and without, and this is a step that an operator
takes, by `folkmoot database distribute`, or does not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Literal

from sqlalchemy import ForeignKeyConstraint, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import AddConstraint

from folkmoot.store import schema

# "group": in parts by group_id, a group's rows of all such tables on one node. "reference": a copy on every node.
# "single": in one part, on one node. "local": as ever, on the coordinator alone.
Kind = Literal["group", "reference", "single", "local"]

KINDS: Mapping[str, Kind] = {
    # What is said in a group, and what each reply touches.
    "sequences": "group",
    "memberships": "group",
    "conversations": "group",
    "threads": "group",
    "posts": "group",
    "attachments": "group",
    "blobs": "group",
    "uploads": "group",
    "extensions": "group",
    "single_values": "group",
    "multi_values": "group",
    "preferences": "group",
    "post_words": "group",
    "forwards": "group",
    "changes": "group",
    "subscription_cursors": "group",
    "idempotency_keys": "group",
    # The directory: small, seldom written, asked for by name, by filter and across groups, joined to all of the above.
    "users": "reference",
    "addresses": "reference",
    "groups": "reference",
    "object_groups": "reference",
    "senders": "reference",
    "permission_grants": "reference",
    # Whom to tell: joined to the places in the logs of the groups.
    "subscriptions": "reference",
    # Rows that are taken by one server at a time (FOR UPDATE SKIP LOCKED), and what is appended beside them.
    "endpoints": "single",
    "deliveries": "single",
    # Joined to nothing, and one row of them is the lock that ends a transaction of the directory.
    "directory_sequence": "local",
    "directory_changes": "local",
    "applications": "local",
    "identities": "local",
    "sign_ins": "local",
    "schema_compatibility": "local",
}
# The table that the others of its kind are placed with: each reply locks its row.
TOGETHER_WITH = "sequences"
COLUMN = "group_id"

# Reference tables first, so that no key ever leads from one to a table that is in parts.
_ORDER: tuple[Kind, ...] = ("reference", "group", "single")
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def steps(placed: Collection[str], keys: Collection[str]) -> Iterator[str]:
    """The statements of the one transaction that distributes what is not yet; none where nothing is left.

    `placed`: the tables that Citus knows already. `keys`: the names of the foreign keys that there are. Citus refuses
    to distribute a table whose foreign key leads to one that is not distributed yet, so keys are taken off and put on
    again, in one transaction: nobody ever sees a table without them.
    """
    missing = [table for kind in _ORDER for table in _tables(kind) if table.name not in placed]
    touched = {table.name for table in missing}
    off = [key for key in _foreign_keys() if key.name in keys and {key.table.name, key.referred_table.name} & touched]
    back = [*off, *(key for key in _foreign_keys() if key.name not in keys)]
    if not missing and not back:
        return
    yield "SET LOCAL citus.multi_shard_modify_mode = 'sequential'"
    for key in off:
        yield f"ALTER TABLE {key.table.name} DROP CONSTRAINT {key.name}"
    for table in missing:
        yield _place(table.name)
    for key in back:
        yield str(AddConstraint(key, isolate_from_table=False).compile(dialect=_DIALECT))


def _tables(kind: Kind) -> list[Table]:
    tables = [table for table in schema.meta.sorted_tables if KINDS[table.name] == kind]
    # The one that the others are placed with comes first.
    return sorted(tables, key=lambda table: table.name != TOGETHER_WITH)


def _foreign_keys() -> list[ForeignKeyConstraint]:
    keys = [key for table in schema.meta.sorted_tables for key in table.foreign_key_constraints]
    return sorted(keys, key=lambda key: str(key.name))


def _place(name: str) -> str:
    match KINDS[name]:
        case "reference":
            return f"SELECT create_reference_table('{name}')"
        case "single":
            return f"SELECT create_distributed_table('{name}', NULL, colocate_with => 'none')"
        case _:
            beside = "none" if name == TOGETHER_WITH else TOGETHER_WITH
            return f"SELECT create_distributed_table('{name}', '{COLUMN}', colocate_with => '{beside}')"
