"""The manual's page "What is supported", made of the surface's own columns: `python -m folkmoot.graph.manual`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from folkmoot.graph.surface import BEYOND_THE_CLOUD, CASTS, SURFACE, Row

# Where each noun is, in the shortest form of its path; both roads lead to what is below a group.
PLACES = {
    "group": "/groups/{g}",
    "user": "/users/{u}",
    "conversation": "/groups/{g}/conversations/{c}",
    "thread": "/groups/{g}/threads/{t}",
    "post": "/groups/{g}/threads/{t}/posts/{p}",
    "attachment": "/groups/{g}/threads/{t}/posts/{p}/attachments/{a}",
    "extension": "/groups/{g}/threads/{t}/posts/{p}/extensions/{e}",
    "grant": "/groups/{g}/permissionGrants/{id}",
    "subscription": "/subscriptions/{id}",
}
_HOLDERS = ("members", "owners", "transitiveMembers", "memberOf", "transitiveMemberOf", "ownedObjects")

_HEAD = """# What is supported

Every operation, made of the table that the server itself follows (`src/folkmoot/graph/surface.py`): do not edit this
page, run `python -m folkmoot.graph.manual > docs/manual/supported.md`. What the two profiles are is said in
[Strict and extended](profiles.md).

Both roads lead to a thread and to what is below it: `/groups/{g}/threads/{t}…` and
`/groups/{g}/conversations/{c}/threads/{t}…`; the shorter one is shown. `…/posts/{p}/inReplyTo` stands for a post
wherever one does. What is about oneself may begin with `/me`. One of the permissions is enough. *strict* is what an
application needs by itself (app-only) when it is strict, *extended* when it is extended; *grant* is what suffices for
an extended one in a single group instead.
"""
_ENDS = (".Read.All", ".ReadBasic.All", ".Create", ".Read", ".ReadWrite", ".ReadWrite.All")


def path(address: str) -> str:
    """The path of an address of the surface: `thread/reply` → `/groups/{g}/threads/{t}/reply`."""
    head, *below = address.split("/")
    place = PLACES.get(head, f"/{head}")
    for before, step in zip([head, *below], below, strict=False):
        if step == "object":
            place += "/{id}"
        elif step in CASTS and before in _HOLDERS:
            place += f"/microsoft.graph.{step}"
        else:
            place += f"/{step}"
    return place


def page(rows: Sequence[Row] = SURFACE) -> str:
    """The whole page, as Markdown."""
    parts = [_HEAD]
    each = {(row.method, row.address): row for row in rows}
    rows = [row for row in rows if not _counts(row, each)]
    for title, chosen in groupby(rows, key=_title):
        parts.append(f"## {title}\n")
        parts.append("| operation | delegated | strict | extended | differs in extended | source |")
        parts.append("|---|---|---|---|---|---|")
        parts.extend(_line(row, _count_of(row, each)) for row in chosen)
        parts.append("")
    return "\n".join(parts)


Rows = Mapping[tuple[str, str], Row]


def _count_of(row: Row, rows: Rows) -> bool:
    """Whether the row's collection can be counted under the same conditions; then one line says both."""
    counting = rows.get((row.method, f"{row.address}/$count"))
    return counting is not None and _columns(counting) == _columns(row)


def _counts(row: Row, rows: Rows) -> bool:
    """Whether the row is the count that another line tells of."""
    listing = rows.get((row.method, row.address.removesuffix("/$count")))
    return listing is not None and listing is not row and _count_of(listing, rows)


def _title(row: Row) -> str:
    return "The directory" if row.area == "directory" else "What is said"


def _line(row: Row, counted: bool) -> str:
    operation = f"`{row.method} {path(row.address)}`" + (" and `/$count`" if counted else "")
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in (operation, *_columns(row)))} |"


def _columns(row: Row) -> tuple[str, ...]:
    """All that is said of a row, but what it is."""
    delegated = _listed(row.delegated)
    if row.own:
        delegated += f"; oneself: {_listed(row.own)}"
    absent = "not there: 400" if row.address in BEYOND_THE_CLOUD else "not there: 405"
    strict = absent if row.only_extended else _by_app(row.application, row.delegated)
    extended = _by_app(row.extended, row.delegated)
    if row.grants:
        extended += f"; grant: {_listed(row.grants)}"
    differs = [row.differs] if row.differs else []
    if row.once:
        differs.append("`Idempotency-Key`")
    return delegated, strict, extended, "; ".join(differs) or "–", row.source or "–"


def _by_app(permissions: frozenset[str], delegated: frozenset[str]) -> str:
    return "the same" if permissions == delegated else _listed(permissions) if permissions else "none: 403"


def _listed(permissions: Iterable[str]) -> str:
    return ", ".join(sorted(permissions, key=_rank)) or "any"


def _rank(permission: str) -> tuple[int, bool, str]:
    """Reading before writing, and what is about less before what is about more."""
    end = next((number for number, end in enumerate(_ENDS) if permission.endswith(end)), len(_ENDS))
    return end, permission.startswith("Directory."), permission


if __name__ == "__main__":
    sys.stdout.write(page())
