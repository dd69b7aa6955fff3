"""What holds for every row: it works with each of its permissions alone, and says so in the same way."""

from __future__ import annotations

import pytest

from folkmoot.graph.surface import SURFACE
from tests.harness import JSON, Client, Graph
from tests.protocol.library import Library
from tests.protocol.rows import EVERYTHING, REQUESTS, Request, case, each
from tests.protocol.shapes import refused, well_formed

READS = tuple(request for request in REQUESTS if request.method == "GET" and request.answers == 200)
# Items that are asked for as another type than they are.
OF_ANOTHER_TYPE = tuple(request for request in REQUESTS if request.method == "GET" and request.answers == 404)
WRITES = tuple(request for request in REQUESTS if request.method != "GET")
# Whose they are to do, whatever the token says.
FOR_ADMINISTRATORS = ("POST users", "PATCH user", "DELETE user", "DELETE directoryObjects/object")
ONES_OWN = ("PATCH post",)


def somebody(graph: Graph, request: Request, permission: str) -> Client:
    """Somebody whom only permissions could keep from it."""
    return graph.as_("admin" if request.row in FOR_ADMINISTRATORS else "AdeleV", scopes=[permission])


def test_each_row_has_a_request() -> None:
    assert {request.row for request in REQUESTS} == {
        f"{row.method} {row.address}" for row in SURFACE if row.serve is None
    }


@each(READS)
def test_each_permission_is_enough_to_read(any_library: Library, request_: Request) -> None:
    for permission in sorted(request_.delegated):
        answer = request_.send(any_library.as_("AdeleV", scopes=[permission]), any_library.launch)
        well_formed(answer)
        assert answer.status == 200, (permission, answer)
    for role in sorted(request_.application):
        answer = request_.send(any_library.graph.as_app("daemon", roles=[role]), any_library.launch)
        well_formed(answer)
        assert answer.status == 200, (role, answer)


def test_what_is_not_of_the_type_is_not_there(library: Library) -> None:
    for request_ in OF_ANOTHER_TYPE:
        with case(request_.name):
            for permission in sorted(request_.delegated):
                answer = request_.send(library.as_("AdeleV", scopes=[permission]), library.launch)
                refused(answer, 404, "Request_ResourceNotFound")


def one_by_one(which: str) -> pytest.MarkDecorator:
    """Each writing request with each of its permissions of a kind."""
    cases = [(request, name) for request in WRITES for name in sorted(getattr(request, which))]
    return pytest.mark.parametrize(
        ("request_", "permission"), [pytest.param(*case, id=f"{case[0].name} {case[1]}") for case in cases]
    )


@each(WRITES)
def test_each_write_is_done_on_each_database(graph: Graph, request_: Request) -> None:
    place = graph.as_("AdeleV").start()
    request_.prepare(graph.as_("AdeleV"), place)
    answer = request_.send(somebody(graph, request_, min(request_.delegated)), place)
    well_formed(answer)
    assert answer.status == request_.answers, answer


@one_by_one("delegated")
def test_each_permission_is_enough_to_write(any_graph: Graph, request_: Request, permission: str) -> None:
    place = any_graph.as_("AdeleV").start()
    request_.prepare(any_graph.as_("AdeleV"), place)
    answer = request_.send(somebody(any_graph, request_, permission), place)
    well_formed(answer)
    assert answer.status == request_.answers, answer


@one_by_one("application")
def test_each_role_is_enough_for_an_application_to_write(any_graph: Graph, request_: Request, permission: str) -> None:
    place = any_graph.as_("AdeleV").start()
    request_.prepare(any_graph.as_("AdeleV"), place)
    answer = request_.send(any_graph.as_app("daemon", roles=[permission]), place)
    well_formed(answer)
    assert answer.status == (403 if request_.row in ONES_OWN else request_.answers), answer


@each([request for request in REQUESTS if not request.application and not request.personal])
def test_what_the_cloud_keeps_to_people_an_extended_application_may(graph: Graph, request_: Request) -> None:
    place = graph.as_("AdeleV").start()
    # What is gone for good is gone once.
    once = request_.row == "DELETE directory/deletedItems/object"
    for role in sorted(request_.delegated)[: 1 if once else None]:
        request_.prepare(graph.as_("AdeleV"), place)
        answer = request_.send(graph.as_app("extended", roles=[role]), place)
        assert answer.status == request_.answers, answer


def test_about_oneself_less_is_enough(library: Library) -> None:
    for request_ in [request for request in REQUESTS if request.own]:
        with case(request_.name):
            for permission in sorted(request_.own):
                if request_.method == "GET":
                    answer = request_.send(library.as_("AdeleV", scopes=[permission]), library.launch)
                    assert answer.status == request_.answers
                assert request_.send(library.as_("AlexW", scopes=[permission]), library.launch).status == 403


def test_what_is_read_comes_as_json_and_counts_as_text(library: Library) -> None:
    for request_ in [request for request in READS if not request.row.endswith("$value")]:
        with case(request_.name):
            answer = request_.send(library.as_("AdeleV", scopes=EVERYTHING), library.launch)
            if request_.row.endswith("$count"):
                assert answer.headers["content-type"] == "text/plain"
                assert answer.text.isdigit()
            else:
                assert answer.headers["content-type"] == JSON
                assert answer.json["@odata.context"].startswith("https://localhost:8443/v1.0/$metadata#")


def test_a_clients_own_request_id_comes_back(any_library: Library) -> None:
    for request_ in REQUESTS:
        with case(request_.name):
            given = "0d9c5a3e-0000-4000-8000-0123456789ab"
            nobody = any_library.graph.nobody()
            answer = nobody.with_body(
                request_.method, request_.path(any_library.launch), None, {"client-request-id": given}
            )
            assert answer.headers["client-request-id"] == given
            assert answer.error["innerError"]["client-request-id"] == given
            assert answer.headers["request-id"] != given


STRIDE = {
    "SdkVersion": "graph-python/1.65.0",
    "Prefer": 'outlook.body-content-type="text", IdType="ImmutableId", odata.maxpagesize=2, return=minimal',
    "Accept": "application/json;odata.metadata=minimal, */*;q=0.1",
    "Accept-Encoding": "gzip, deflate, br",
    "Retry-Attempt": "1",
    "HostOs": "Linux",
    "X-AnchorMailbox": "x",
    "If-None-Match": "*",
    "Cookie": "a=b",
}


# Delta does as Prefer says.
def test_headers_that_say_nothing_here_change_nothing(library: Library) -> None:
    for request_ in [request for request in READS if not request.row.endswith("/delta")]:
        with case(request_.name):
            adele = library.as_("AdeleV", scopes=EVERYTHING)
            path = request_.spelt(adele, library.launch)
            own = dict(request_.headers or {})
            plain = adele.send("GET", path, headers=own)
            assert adele.send("GET", path, headers=STRIDE | own).content == plain.content


@pytest.mark.parametrize("given", [b"x", b"x" * 5000, b"\xe9\xff", b"a b,c", b"{}"])
def test_any_client_request_id_is_sent_back_as_far_as_it_goes(any_library: Library, given: bytes) -> None:
    answer = any_library.graph.send_raw("GET", b"/v1.0/me", headers=[(b"client-request-id", given)])
    assert answer.headers["client-request-id"].encode("latin-1") == given[:200]
    assert answer.error["innerError"]["client-request-id"].encode("latin-1") == given[:200]


def test_request_ids_are_given_once(library: Library) -> None:
    answers = library.as_("AdeleV").together([("GET", "/me", None)] * 50)
    assert len({answer.headers["request-id"] for answer in answers}) == 50
