"""What SQLite's query planner is told of how large the tables are: sizes of a large organisation, whatever is there.

Told nothing, SQLite thinks that a group has ten rows, and goes through all of them where the ids of a few are known.
To measure instead (ANALYZE) would have to happen again and again as a database grows, and could change the plan of any
statement on any day. With the same numbers everywhere a plan that is right once is right, which tests can look at
(SQLite: "Manual Control Of Query Plans Using SQLITE_STAT Tables").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

GROUPS: Final = 1_000


class Size(NamedTuple):
    """How many rows a table has, and how many different values a column has, among rows that are alike in the columns
    before it in an index; "expression" stands for what is no column. Of those not named hardly two values are alike."""

    rows: int
    values: Mapping[str, int] = {}


def _in_groups(rows: int, **values: int) -> Size:
    """So many rows in each group."""
    return Size(GROUPS * rows, {"group_id": GROUPS, **values})


_PEOPLE = 100_000
# Times that mostly are not there.
_SELDOM = 2

SIZES: Final[Mapping[str, Size]] = {
    "addresses": Size(2 * _PEOPLE, {"object_id": _PEOPLE}),
    "alembic_version": Size(1),
    "applications": Size(1_000),
    "attachments": _in_groups(10_000, conversation_id=3_000, thread_id=3_000, post_id=8_000, is_inline=2),
    "blobs": _in_groups(10_000, post_id=8_000, blob_id=9_000),
    "changes": _in_groups(500_000),
    "conversations": _in_groups(10_000, expression=2_000),
    "deliveries": Size(1_000_000, {"subscription_id": 1_000, "at": 500_000}),
    "directory_changes": Size(1_000_000, {"at": 500_000, "object_type": 2, "related": _PEOPLE}),
    "directory_sequence": Size(1),
    "endpoints": Size(1_000),
    "extensions": _in_groups(10_000, post_id=9_000),
    "forwards": _in_groups(100, post_id=90),
    "groups": Size(GROUPS, {"deleted_at": _SELDOM}),
    "idempotency_keys": _in_groups(100, created_at=90),
    "identities": Size(_PEOPLE, {"issuer": 2, "kind": 2}),
    "memberships": _in_groups(300, role=2),
    "multi_values": _in_groups(1_000, post_id=900),
    "object_groups": Size(300 * GROUPS, {"object_id": 50_000, "role": 2, "group_id": 4}),
    "permission_grants": _in_groups(4, client_app_id=2),
    # The first column of a posts index after the group is the thread: a hundred posts in each.
    "posts": _in_groups(100_000, thread_id=1_000),
    "preferences": _in_groups(100),
    "schema_compatibility": Size(1),
    "senders": _in_groups(10, verdict=2, object_id=10),
    "sequences": Size(GROUPS, {"changed_at": GROUPS // 2}),
    "sign_ins": Size(1_000, {"expires_at": 600}),
    "single_values": _in_groups(10_000, post_id=9_000, thread_id=600, key=2, start=10, whole=10),
    "subscription_cursors": Size(10_000, {"group_id": GROUPS, "subscription_id": 5_000}),
    "subscriptions": Size(
        10_000,
        {
            "missed_at": _SELDOM,
            "paused_at": _SELDOM,
            "group_id": GROUPS,
            "expires_at": 9_000,
            "lifecycle_url": 100,
            "notification_url": 100,
            "creator": 1_000,
            "application": 20,
        },
    ),
    "threads": _in_groups(10_000, conversation_id=9_000, expression=2_000),
    "uploads": _in_groups(10, post_id=9, expires_at=9),
    "users": Size(_PEOPLE, {"deleted_at": _SELDOM}),
}
# One row in so many is in an index that holds some only.
_SOME = 20


def tell(connection: Any) -> None:
    """Write the sizes of all indexes that there are into a SQLite database (`connection`: the driver's).

    A migration that adds an index does so again. Connections that are open know of it when they are opened anew.
    """
    connection.execute("ANALYZE sqlite_schema")  # makes the table; the schema itself is not worth a row
    for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE name GLOB 'sqlite_stat[0-9]'").fetchall():
        connection.execute(f"DELETE FROM {table}")  # what somebody measured  # noqa: S608
    connection.executemany("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", list(_told(connection)))


def _told(connection: Any) -> Iterator[tuple[str, str, str]]:
    for table, size in SIZES.items():
        for index, partial in connection.execute("SELECT name, partial FROM pragma_index_list(?)", (table,)).fetchall():
            columns = connection.execute("SELECT name FROM pragma_index_info(?) ORDER BY seqno", (index,)).fetchall()
            rows = max(1, size.rows // _SOME) if partial else size.rows
            alike, numbers = rows, [rows]
            for (column,) in columns:
                alike = max(1, alike // size.values.get(column or "expression", rows))
                numbers.append(alike)
            yield table, index, " ".join(map(str, numbers))
