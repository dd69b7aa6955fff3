"""What a query on directory objects needs the header `ConsistencyLevel: eventual` for, and what it cannot do at all.

Source: Microsoft Graph, advanced query capabilities on directory objects. Strict applications meet the cloud's rules;
extended ones need no header.
"""

from __future__ import annotations

from msgspec.structs import replace

from folkmoot.graph.describe import Noun
from folkmoot.model import Profile
from folkmoot.odata.expr import Binary, Call, Expr, In, Lambda, Path, Unary
from folkmoot.odata.query import Options
from folkmoot.refusals import BadClause, UnsupportedQuery

# Properties that the cloud filters by with the header only.
_NOT_INDEXED = {
    "user": {"businessphones", "mobilephone", "officelocation", "preferredlanguage"},
    "group": {"classification", "preferredlanguage", "theme"},
}
_NOT_INDEXED["directoryObject"] = _NOT_INDEXED["user"] | _NOT_INDEXED["group"]


# Lists that the mailbox keeps, though directory objects are in them: the published clients count them without a header.
# Subscriptions are in no such index either.
_OF_THE_MAILBOX = ("group/acceptedSenders", "group/rejectedSenders", "subscriptions")


def checked(noun: Noun, address: str, options: Options, *, eventual: bool, profile: Profile) -> Options:
    """The options that hold for a collection of `noun`; `address` is the row's.

    Raises `BadClause` for a count, `UnsupportedQuery` for a search or an advanced filter without the header.
    """
    if profile == "extended" or address.startswith(_OF_THE_MAILBOX):
        return options
    if options.skip and address in ("groups", "users"):
        raise BadClause("$skip is not supported on this collection; follow @odata.nextLink.", target="$skip")
    # A next link does not repeat the header, and its token holds for the very query that began with it.
    if eventual or options.skiptoken is not None:
        return options
    if address.endswith("/$count"):
        raise BadClause("$count is not currently supported. Send the header ConsistencyLevel: eventual.")
    if options.search is not None:
        raise UnsupportedQuery(
            "Request with $search query parameter only works through MSGraph with a special request header: "
            "'ConsistencyLevel: eventual'",
            target="$search",
        )
    if options.filter is not None:
        if _advanced(options.filter) or options.orderby:
            raise UnsupportedQuery(
                "Unsupported Query. An advanced $filter, or one with $orderby, needs the header "
                "ConsistencyLevel: eventual.",
                target="$filter",
            )
        if _names(options.filter) & _NOT_INDEXED.get(noun.entity.name, set()):
            raise UnsupportedQuery("The request uses a filter property that is not indexed", target="$filter")
    # Without the header the cloud leaves it aside.
    return replace(options, count=False) if options.count else options


def _advanced(each: Expr) -> bool:
    """Whether there is a comparison in it that the cloud's index cannot answer."""
    if isinstance(each, Unary):
        return each.op == "not" or _advanced(each.operand)
    if isinstance(each, Binary):
        return each.op == "ne" or _advanced(each.left) or _advanced(each.right)
    if isinstance(each, Call):
        return each.name in ("endswith", "contains") or any(map(_advanced, each.args))
    if isinstance(each, Lambda):
        return each.kind == "all" or (each.body is not None and _advanced(each.body))
    if isinstance(each, In):
        return _advanced(each.left)
    return isinstance(each, Path) and each.parts[-1] == "$count"


def _names(each: Expr) -> set[str]:
    """The properties that it names, in lower case."""
    if isinstance(each, Path):
        return {each.parts[0].lower()}
    if isinstance(each, Unary):
        return _names(each.operand)
    if isinstance(each, Binary):
        return _names(each.left) | _names(each.right)
    if isinstance(each, Call):
        return set().union(*map(_names, each.args))
    if isinstance(each, Lambda):
        return _names(each.path)
    return _names(each.left) if isinstance(each, In) else set()
