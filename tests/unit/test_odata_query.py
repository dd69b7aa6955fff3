"""Query options: text pairs, refusals with their targets, and arbitrary text."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.odata.expr import Path
from folkmoot.odata.query import (
    SYSTEM,
    Expand,
    Options,
    Order,
    parse_expand,
    parse_options,
    parse_orderby,
    parse_select,
    to_query,
)
from folkmoot.refusals import BadClause


def test_everything_at_once() -> None:
    raw = (
        "$select=id,topic&%24top=5&SKIP=2&$orderby=lastDeliveredDateTime%20desc,from/emailAddress/name&Count=True"
        "&$filter=topic+eq+'a%2Bb'&$search=%22x%22&$skiptoken=T&$format=json&@id=https://x/1&$ID=y&$select=preview&&z"
    )
    got = parse_options(raw)
    assert got.select == ("id", "topic", "preview")
    assert (got.top, got.skip, got.count, got.search, got.skiptoken, got.format) == (5, 2, True, '"x"', "T", "json")
    assert got.orderby == (
        Order(Path(("lastDeliveredDateTime",)), True),
        Order(Path(("from", "emailAddress", "name")), False),
    )
    assert str(got.filter) == "(eq topic 'a+b')"
    assert got.others == (("@id", "https://x/1"), ("$id", "y"), ("z", ""))
    assert got.texts == (
        ("$select", "id,topic,preview"),
        ("$top", "5"),
        ("$skip", "2"),
        ("$orderby", "lastDeliveredDateTime desc,from/emailAddress/name"),
        ("$count", "True"),
        ("$filter", "topic eq 'a+b'"),
        ("$search", '"x"'),
        ("$format", "json"),
    )
    hash(got)


def test_nothing() -> None:
    assert parse_options("") == Options() == parse_options("&")


def test_no_filter() -> None:
    assert parse_options("$filter=") == Options() == parse_options("filter")
    assert parse_options("$filter=&$top=5").texts == (("$top", "5"),)
    assert parse_options("$expand=members($filter=;$top=1)").expand[0].options.filter is None


def test_next_link() -> None:
    text = "$select=id,topic&filter=topic eq 'ä%26%25=' or a/b eq 2&$expand=posts($top=1;count=true)"
    texts = parse_options(text).texts
    query = to_query(texts, "Ab-_")
    assert query == (
        "$select=id,topic&$filter=topic%20eq%20'%C3%A4%26%25='%20or%20a/b%20eq%202"
        "&$expand=posts($top=1;count=true)&$skiptoken=Ab-_"
    )
    again = parse_options(query)
    assert again.texts == texts
    assert again.skiptoken == "Ab-_"
    assert to_query((("$filter", "a eq 'b+c&d#'"),), None) == "$filter=a%20eq%20'b%2Bc%26d%23'"


@pytest.mark.parametrize(
    ("raw", "target", "says"),
    [
        ("$top=0", "$top", "from 1"),
        ("$top=-1", "$top", "from 1"),
        ("$top=x", "$top", "'x'"),
        ("$top=", "$top", "whole number"),
        ("$top=2147483648", "$top", "2147483647"),
        ("$top=١", "$top", "whole number"),
        ("$skip=-1", "$skip", "from 0"),
        ("$count=yes", "$count", "true or false"),
        ("$format=xml", "$format", "json"),
        ("$top=1&top=2", "$top", "more than once"),
        ("$levels=2", "$levels", "Supported: $select"),
        ("$filter=%20", "$filter", "empty"),
        ("$filter=a%ZZ", "$filter", "hexadecimal"),
        ("$filter=%ff", "$filter", "UTF-8"),
        ("$filter=a eq '%00'", "$filter", "character 7"),
        ("$select=", "$select", "nothing"),
        ("$select=a,,b", "$select", "nothing"),
        ("$select=a b", "$select", "'a b'"),
        ("$select=a($top=1)", "$select", "a($top=1)"),
        ("$orderby=length(a)", "$orderby", "position"),
        ("$orderby=a down", "$orderby", "asc, desc"),
        ("$orderby=a,", "$orderby", "name of a property"),
        ("$expand=members($levels=2)", "$expand", "$levels is not supported"),
        ("$expand=members($top=0)", "$expand", "In $expand=members: $top"),
        ("$expand=members(", "$expand", "not closed"),
        ("$expand=members)", "$expand", "closes nothing"),
        ("$expand=a(" + "$expand=a(" * 20 + ")" * 21, "$expand", "nested too deeply"),
        ("$expand=a($skiptoken=x)", "$expand", "not supported"),
        ("$search=", "$search", "empty"),
    ],
)
def test_refused(raw: str, target: str, says: str) -> None:
    with pytest.raises(BadClause) as caught:
        parse_options(raw)
    assert caught.value.target == target
    assert says in caught.value.message


def test_allow() -> None:
    allow = frozenset({"select", "top"})
    assert parse_options("$top=1&x=2", allow=allow).top == 1
    for raw in ("$filter=a eq 1", "filter=a eq 1", "$nonsense=1"):
        with pytest.raises(BadClause, match=r"Supported: \$select, \$top\."):
            parse_options(raw, allow=allow)


def test_select() -> None:
    assert parse_select("id, from/emailAddress ,*,id,members@delta") == (
        "id",
        "from/emailAddress",
        "*",
        "members@delta",
    )


def test_orderby() -> None:
    assert parse_orderby("a DESC , b/c asc,desc") == (
        Order(Path(("a",)), True),
        Order(Path(("b", "c"))),
        Order(Path(("desc",))),
    )


def test_expand() -> None:
    got = parse_expand("members($select=id,x;$top=5;$filter=a eq ';)'), owners,extensions(filter=id eq 'b')")
    assert [item.path for item in got] == ["members", "owners", "extensions"]
    members, owners, extensions = (item.options for item in got)
    assert (members.select, members.top, str(members.filter)) == (("id", "x"), 5, "(eq a ';)')")
    assert owners == Options()
    assert str(extensions.filter) == "(eq id 'b')"
    assert parse_expand("a($expand=b($select=c))")[0].options.expand[0].options.select == ("c",)
    assert parse_expand("*,members/$ref") == (Expand("*"), Expand("members/$ref"))


NAMES = st.sampled_from([*SYSTEM, *("$" + name for name in SYSTEM), "%24filter", "@id", "$id", "x"]) | st.text()
TEXT = st.text() | st.text("ab/'(),; $:*=%2019eqandot-TZ.+")


@given(st.lists(st.tuples(NAMES, TEXT)))
def test_any_raw_query(pairs: list[tuple[str, str]]) -> None:
    raw = "&".join(f"{name}={value}" for name, value in pairs)
    try:
        options = parse_options(raw)
    except BadClause as refusal:
        refusal.message.encode(errors="surrogatepass")
        return
    assert parse_options(to_query(options.texts, options.skiptoken)).texts == options.texts


@given(st.sampled_from(SYSTEM), TEXT)
def test_any_value(name: str, value: str) -> None:
    try:
        options = parse_options(f"{name}={quote(value, errors='surrogatepass')}")
    except BadClause:
        return
    assert parse_options(to_query(options.texts, options.skiptoken)) == options
