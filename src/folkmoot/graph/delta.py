"""What every delta has in common: which options it takes when, the links between its rounds, and what is past.

A token says where a client stands and what it asked for in its first request. It is not signed, as no `$skiptoken` is:
it can only say where to begin within what the caller may see anyway, and whatever it holds is checked again. Source:
Microsoft Graph, delta query overview.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from folkmoot.odata import tokens
from folkmoot.odata.query import Options
from folkmoot.refusals import BadClause, SyncStateGone

PAGE = 100
LARGEST_PAGE = 999

_READABLE = ",'()$:/"

S = TypeVar("S", bound=msgspec.Struct)


def begins(options: Options) -> bool:
    """Whether it is the first request of a round that begins with all there is, or of one from now on."""
    return options.skiptoken is None and (not options.deltatoken or options.deltatoken == "latest")


def check_options(options: Options, first: Collection[str], supported: str) -> None:
    """Raise `BadClause` for an option that delta does not have, or has in the first request alone (`first`).

    `supported` says in words what there is.
    """
    for name, _ in options.texts:
        if name not in (*first, "$deltatoken", "$format"):
            raise BadClause(f"{name} is not supported by delta; {supported}.", target=name)
        if name in first and not begins(options):
            raise BadClause(
                f"{name} belongs to the first request of delta; the token of a later one holds it.", target=name
            )
    if options.skiptoken is not None and options.deltatoken is not None:
        raise BadClause("A link of delta holds $skiptoken or $deltatoken, not both.", target="$deltatoken")


def preferred_size(prefer: Mapping[str, str]) -> int | None:
    """How many items a page may have by the Prefer header; None where it says nothing that can be heard."""
    wanted = prefer.get("odata.maxpagesize", "")
    if not wanted.isdecimal():
        return None
    return min(int(wanted), LARGEST_PAGE) or None if len(wanted) < 10 else LARGEST_PAGE


def read(kind: type[S], text: str, shape: str, types: Sequence[type], target: str, name: str) -> S:
    """The state that `token` made a token of. Raises `BadClause` that names `target` for any other text.

    `types` are those of the state's values; `name` is what the client calls what it follows.
    """
    try:
        return kind(*tokens.decode(text, shape, types=types))
    except BadClause:
        raise foreign(target, name) from None


def foreign(target: str, name: str) -> BadClause:
    """That a token is none, or of something else."""
    return BadClause(f"{target} is not one that this server gave out for {name}.", target=target)


def token(state: msgspec.Struct, shape: str) -> str:
    """A token that holds a state."""
    return tokens.encode(msgspec.structs.astuple(state), shape)


def gone(url: str, first: Iterable[tuple[str, str]]) -> SyncStateGone:
    """410 with the URL that starts over, with the options of the first request."""
    return SyncStateGone(f"{url}?$deltatoken=" + "".join(f"&{n}={quote(text, safe=_READABLE)}" for n, text in first))


def sent(context: str, url: str, found: list[dict[str, Any]], *, more: str | None, done: str) -> dict[str, Any]:
    """A page: with the link to the rest of the round where there is a token for it (`more`), else to the next one."""
    page: dict[str, Any] = {"@odata.context": context}
    if more is not None:
        page["@odata.nextLink"] = f"{url}?$skiptoken={more}"
    else:
        page["@odata.deltaLink"] = f"{url}?$deltatoken={done}"
    page["value"] = found
    return page


def removed(id: str, reason: str) -> dict[str, Any]:
    """An item that is there no more: "deleted" for good, or "changed"."""
    return {"id": id, "@removed": {"reason": reason}}
