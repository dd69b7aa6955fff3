"""Query options that cannot be evaluated: 400, naming the option and saying what would do. Nothing is ignored."""

from __future__ import annotations

import pytest

from tests.harness import Answer
from tests.protocol.library import Library
from tests.protocol.rows import EVERYTHING, REQUESTS, Request, case
from tests.protocol.shapes import refused

COLLECTIONS = [
    request
    for request in REQUESTS
    if request.method == "GET" and not request.row.endswith(("$count", "$value", "user", "group"))
]
SINGLE = [
    request
    for request in REQUESTS
    if request.row.removeprefix("GET ")
    in ("conversation", "thread", "post", "attachment", "extension", "group", "user", "subscription")
    or (request.method == "GET" and request.row.endswith("/object"))
]
# Delta takes options of its own; an item as another type is not there, whatever is asked of it.
LISTS = [
    request
    for request in COLLECTIONS
    if request not in SINGLE and not request.row.endswith("/delta") and "/object/" not in request.row
]
COUNTS = [request for request in REQUESTS if request.row.endswith("$count")]


def code(request: Request, target: str) -> str:
    if not request.mail:
        return "Request_BadRequest"
    return "ErrorInvalidUrlQueryFilter" if target == "$filter" else "ErrorInvalidUrlQuery"


def ask(library: Library, request: Request, query: str) -> Answer:
    return request.send(library.as_("AdeleV", scopes=EVERYTHING), library.launch, query)


BAD_ANYWHERE = [
    ("$select=", "$select"),
    ("$select=,", "$select"),
    ("$select=id,,id", "$select"),
    ("$select=nope", "$select"),
    ("$select=id nope", "$select"),
    ("$select=*,nope", "$select"),
    ("$select=id/nope", "$select"),
    ("$select=@odata.etag", "$select"),
    ("$select=(id)", "$select"),
    ("$select=id'", "$select"),
    ("$expand=", "$expand"),
    ("$expand=,", "$expand"),
    ("$expand=nope(", "$expand"),
    ("$expand=nope)", "$expand"),
    ("$expand=nope($nope=1)", "$expand"),
    ("$expand=nope($levels=2)", "$expand"),
    ("$expand=nope(id)", "$expand"),
    ("$format=xml", "$format"),
    ("$format=atom", "$format"),
    ("$format=", "$format"),
    ("$apply=aggregate(id)", "$apply"),
    ("$compute=1 as x", "$compute"),
    ("$levels=1", "$levels"),
    ("$nope=1", "$nope"),
    ("$=1", "$"),
    ("$select=%ff", "$select"),
    ("$select=%zz", "$select"),
    ("$select=%00", "$select"),
]


@pytest.mark.parametrize(("query", "target"), BAD_ANYWHERE)
def test_an_option_that_no_row_takes(any_library: Library, query: str, target: str) -> None:
    for request in (*LISTS, *SINGLE):
        # An extension may well have a property of that name.
        if not ("extension" in request.row and query in ("$select=nope", "$select=*,nope")):
            refused(ask(any_library, request, query), 400, code(request, target), target)


BAD_ON_LISTS = [
    ("$filter=%20", "$filter"),
    ("$filter=id", "$filter"),
    ("$filter=id eq", "$filter"),
    ("$filter=eq 'x'", "$filter"),
    ("$filter=nope eq 'x'", "$filter"),
    ("$filter=id eq 1", "$filter"),
    ("$filter=id gt 'x'", "$filter"),
    ("$filter=id eq 'x", "$filter"),
    ("$filter=id eq x'", "$filter"),
    ('$filter=id eq "x"', "$filter"),
    ("$filter=(id eq null", "$filter"),
    ("$filter=id eq null)", "$filter"),
    ("$filter=id eq null xor true", "$filter"),
    ("$filter=id eq null and", "$filter"),
    ("$filter=not", "$filter"),
    ("$filter=not id", "$filter"),
    ("$filter=nope(id)", "$filter"),
    ("$filter=length()", "$filter"),
    ("$filter=length(1)", "$filter"),
    ("$filter=contains('a')", "$filter"),
    ("$filter=id in ()", "$filter"),
    ("$filter=id in 'x'", "$filter"),
    ("$filter=id/any(x:x eq 'y')", "$filter"),
    ("$filter=nope/any(x:x eq 'y')", "$filter"),
    ("$filter=@x eq 1", "$filter"),
    ("$filter=$it eq 1", "$filter"),
    ("$filter=geo.distance(id,id) lt 1", "$filter"),
    ("$filter=2026-13-01 gt 2026-01-01", "$filter"),
    ("$filter=99999999999999999999999999999999999999999 eq 1", "$filter"),
    (f"$filter={'(' * 101}true{')' * 101}", "$filter"),
    (f"$filter={' or '.join(['id eq null'] * 202)}", "$filter"),
    (f"$filter=id eq '{'x' * 10_001}'", "$filter"),
    ("$filter=id eq null&$filter=id eq null", "$filter"),
    ("$filter=id eq '%00'", "$filter"),
    ("$filter=id eq '%ed%a0%80'", "$filter"),
    ("$orderby=", "$orderby"),
    ("$orderby=nope", "$orderby"),
    ("$orderby=nope desc", "$orderby"),
    ("$orderby=id up", "$orderby"),
    ("$orderby=length(id)", "$orderby"),
    ("$orderby='id'", "$orderby"),
    ("$orderby=id,", "$orderby"),
    ("$orderby=id/any(x:x eq 1)", "$orderby"),
    ("$top=0", "$top"),
    ("$top=-1", "$top"),
    ("$top=", "$top"),
    ("$top=ten", "$top"),
    ("$top=1.0", "$top"),
    ("$top=1e1", "$top"),
    ("$top=2147483648", "$top"),
    ("$top=1&$top=1", "$top"),
    ("$top=٣", "$top"),
    ("$skip=-1", "$skip"),
    ("$skip=x", "$skip"),
    ("$skip=2147483648", "$skip"),
    ("$count=yes", "$count"),
    ("$count=", "$count"),
    ("$count=1", "$count"),
    ("$search=(", "$search"),
    ('$search="nope:x"', "$search"),
    ("$search=", "$search"),
    ("$skiptoken=", "$skiptoken"),
    ("$skiptoken=nonsense", "$skiptoken"),
    ("$skiptoken=W10", "$skiptoken"),
    ("$skiptoken=%25", "$skiptoken"),
]


@pytest.mark.parametrize(("query", "target"), BAD_ON_LISTS, ids=[query[:40] for query, _ in BAD_ON_LISTS])
def test_an_option_that_no_collection_takes(any_library: Library, query: str, target: str) -> None:
    for request in LISTS:
        refused(ask(any_library, request, query), 400, code(request, target), target)


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("$filter=id eq null", "$filter"),
        ("$orderby=id", "$orderby"),
        ("$top=1", "$top"),
        ("$skip=1", "$skip"),
        ("$count=true", "$count"),
        ("$search=x", "$search"),
        ("$skiptoken=x", "$skiptoken"),
        ("$deltatoken=x", "$deltatoken"),
    ],
)
def test_what_is_for_collections_does_not_fit_one_item(any_library: Library, query: str, target: str) -> None:
    for request in SINGLE:
        refused(ask(any_library, request, query), 400, code(request, target), target)


def test_a_count_takes_a_filter_that_can_be_evaluated(any_library: Library) -> None:
    for request_ in COUNTS:
        with case(request_.name):
            for query, target in (("$filter=nope eq 1", "$filter"), ("$search=(", "$search"), ("$filter=(", "$filter")):
                refused(ask(any_library, request_, query), 400, code(request_, target), target)


def test_options_belong_to_get(any_library: Library) -> None:
    for request_ in [request for request in REQUESTS if request.method != "GET"]:
        with case(request_.name):
            for query, name in (("$select=id", "$select"), ("%24top=1", "$top"), ("expand=x", "$expand")):
                message = refused(ask(any_library, request_, query), 400, code(request_, name), name)
                assert message == f"{name} is supported on GET requests only."


def test_what_is_not_there_to_be_expanded(library: Library) -> None:
    place, adele = library.launch, library.as_("AdeleV", scopes=EVERYTHING)
    for path, names in (
        (f"{place.group_path}/conversations", ("posts", "*", "threads/$ref", "threads/$count", "topic")),
        (place.conversation_path, ("posts", "nope")),
        (f"{place.group_path}/threads", ("conversation", "replies")),
        (place.thread_path(), ("conversations",)),
        (place.post_path(), ("singleValueExtendedProperties", "body")),
        # CSDL: group/conversations and group/threads are Expandable=false.
        (place.group_path, ("conversations", "threads", "transitiveMembers", "acceptedSenders")),
        ("/groups", ("conversations", "threads")),
        ("/users", ("transitiveMemberOf", "manager")),
        ("/me", ("messages",)),
        (f"{place.group_path}/members", ("memberOf",)),
    ):
        for name in names:
            refused(adele.get(f"{path}?$expand={name}"), 400, "ExpandNotSupported", "$expand")


@pytest.mark.parametrize("option", ["$skip=1", "$count=true", "$search=x"])
def test_what_an_expanded_collection_does_not_take(library: Library, option: str) -> None:
    path = f"{library.launch.group_path}/conversations?$expand=threads({option})"
    refused(library.as_("AdeleV").get(path), 400, "ExpandNotSupported", "$expand")


def test_expanding_goes_three_levels_deep(library: Library) -> None:
    adele, path = library.as_("AdeleV"), f"{library.launch.group_path}/conversations"
    deep = "threads($expand=posts($expand=inReplyTo{}))"
    assert adele.get(f"{path}?$expand={deep.format('')}").status == 200
    refused(adele.get(f"{path}?$expand={deep.format('($expand=inReplyTo)')}"), 400, "ExpandNotSupported", "$expand")


@pytest.mark.parametrize(
    ("option", "target"),
    [
        ("$select=nope", "$select"),
        ("$filter=nope eq 1", "$filter"),
        ("$orderby=nope", "$orderby"),
        ("$top=0", "$expand"),
        ("$select=", "$expand"),
        ("$filter=topic eq", "$expand"),
        ("$top=1;$top=2", "$expand"),
        ("$skiptoken=x", "$expand"),
        ("$expand=nope", "$expand"),
    ],
)
def test_a_bad_option_inside_expand_is_named(library: Library, option: str, target: str) -> None:
    for path in (f"{library.launch.group_path}/conversations", library.launch.conversation_path):
        answer = library.as_("AdeleV").get(f"{path}?$expand=threads({option})")
        assert (answer.status, answer.target) == (400, target), answer
        refused(answer, 400, answer.error["code"], target)


def test_a_message_says_what_would_do(library: Library) -> None:
    adele, path = library.as_("AdeleV"), f"{library.launch.group_path}/conversations"
    known = "id, topic, hasAttachments, lastDeliveredDateTime, uniqueSenders, preview"
    assert known in adele.get(f"{path}?$select=nope").error["message"]
    assert known in adele.get(f"{path}?$filter=nope eq 1").error["message"]
    assert "topic, hasAttachments" in adele.get(f"{path}?$orderby=nope").error["message"]
    assert "threads" in adele.get(f"{path}?$expand=nope").error["message"]
    assert "position 10" in adele.get(f"{path}?$filter=topic eq !").error["message"]
    assert "'let''s'" in adele.get(f"{path}?$filter=topic eq 'x").error["message"]
    assert "without quotes" in adele.get(f"{path}?$filter=lastDeliveredDateTime gt '2026-01-01'").error["message"]


def test_the_query_is_bounded(library: Library) -> None:
    path = f"{library.launch.group_path}/conversations?x={'y' * 40_000}"
    refused(library.as_("AdeleV").get(path), 400, "ErrorInvalidUrlQuery")


def test_other_parameters_are_left_aside(library: Library) -> None:
    """OData 4.01 URL Conventions §5.2: custom query options."""
    path = f"{library.launch.group_path}/conversations"
    plain = library.as_("AdeleV").get(path)
    assert library.as_("AdeleV").get(f"{path}?api-version=1&x&=&&$format=json&@p=1").json == plain.json


def test_a_delta_token_is_no_option_of_a_list(any_library: Library) -> None:
    for request_ in LISTS:
        with case(request_.name):
            refused(ask(any_library, request_, "$deltatoken=x"), 400, code(request_, "$deltatoken"), "$deltatoken")
