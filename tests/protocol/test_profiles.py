"""Strict and extended: which one a request is answered under, and what an extended 403 says."""

from __future__ import annotations

import base64
from pathlib import Path

import msgspec
import pytest

from folkmoot import app
from folkmoot.auth.trust import Trust
from folkmoot.config import Settings
from folkmoot.graph.surface import BEYOND_THE_CLOUD
from tests.harness import Answer, Graph
from tests.protocol.library import Library
from tests.protocol.rows import EVERYTHING, EXTENDED, REPLY, REQUESTS, case
from tests.protocol.shapes import refused, well_formed

STRICT = {"Prefer": "folkmoot.profile=strict"}
BARE = {"Access is denied. Check credentials and try again.", "Insufficient privileges to complete the operation."}


def test_a_request_may_say_which(graph: Graph) -> None:
    place = graph.as_("AdeleV").start()
    daemon, extended = graph.as_app("daemon"), graph.as_app("extended")
    path = f"{place.thread_path()}/reply"
    refused(daemon.post(path, REPLY), 403, "ErrorAccessDenied")
    for value in ("folkmoot.profile=extended", 'x, Folkmoot.Profile="Extended"; y=z, return=minimal'):
        answer = daemon.post(path, REPLY, Prefer=value)
        well_formed(answer)
        assert answer.status == 202
        assert answer.headers["preference-applied"] == "folkmoot.profile=extended"
    assert extended.post(path, REPLY).status == 202
    answer = extended.post(path, REPLY, **STRICT)
    assert refused(answer, 403, "ErrorAccessDenied") in BARE
    assert answer.headers["preference-applied"] == "folkmoot.profile=strict"


@pytest.mark.parametrize(
    "value", ["folkmoot.profile=other", "folkmoot.profile", "folkmoot.profile=", "profile=extended"]
)
def test_what_is_no_profile_is_left_aside(graph: Graph, value: str) -> None:
    place = graph.as_("AdeleV").start()
    answer = graph.as_app("daemon").post(f"{place.thread_path()}/reply", REPLY, Prefer=value)
    refused(answer, 403, "ErrorAccessDenied")
    assert "preference-applied" not in answer.headers


def test_what_is_read_is_the_same_under_both(library: Library) -> None:
    for request_ in [r for r in REQUESTS if not r.only_extended and r.method == "GET" and r.answers == 200]:
        with case(request_.name):
            adele = library.as_("AdeleV", scopes=EVERYTHING)
            path = request_.spelt(adele, library.launch)
            own = dict(request_.headers or {})
            assert adele.get(path, **(own | STRICT)).content == adele.get(path, **(own | EXTENDED)).content


def test_paths_that_the_cloud_does_not_have_lead_nowhere(any_library: Library) -> None:
    for request_ in [each for each in REQUESTS if each.row.partition(" ")[2] in BEYOND_THE_CLOUD]:
        with case(request_.name):
            adele = any_library.as_("AdeleV", scopes=EVERYTHING)
            path = request_.spelt(adele, any_library.launch)
            assert adele.with_body(request_.method, path, request_.body, STRICT).status == 400
            assert adele.with_body("PUT", path, None, EXTENDED).status == 405


def test_the_methods_that_are_there_are_named(any_library: Library) -> None:
    for request_ in [r for r in REQUESTS if r.only_extended and r.row.partition(" ")[2] not in BEYOND_THE_CLOUD]:
        with case(request_.name):
            adele = any_library.as_("AdeleV", scopes=EVERYTHING)
            path = request_.spelt(adele, any_library.launch)
            for prefer, there in ((STRICT, False), (EXTENDED, True)):
                answer = adele.with_body("PUT", path, None, prefer)
                refused(answer, 405, "Request_BadRequest")
                assert (request_.method in answer.headers["allow"].split(", ")) is there


# ── production ───────────────────────────────────────────────────────────────────────────────────────────────────────


def claims(token: str) -> dict[str, str]:
    part = token.split(".")[1]
    found: dict[str, str] = msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def test_in_production_nobody_chooses(graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = graph.as_("AdeleV").start()
    token = graph.as_app("daemon").token or ""
    keys = tmp_path / "keys.json"
    keys.write_bytes(msgspec.json.encode(graph.key.public_jwks()))
    said_by_token = claims(token)
    trust = Trust(issuer=said_by_token["iss"], audience=(said_by_token["aud"],), jwks_file=str(keys))
    settings = Settings(mode="production", issuers={"main": trust})
    monkeypatch.setattr(graph, "application", app.build(settings, graph.store, graph.clock))
    headers = [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json")]
    headers.append((b"prefer", b"folkmoot.profile=extended"))
    raw = f"/v1.0{place.thread_path()}/reply".encode()
    answer = graph.send_raw("POST", raw, headers=headers, parts=[b'{"post": {}}'])
    refused(answer, 403, "ErrorAccessDenied")
    assert "preference-applied" not in answer.headers
    answer = graph.send_raw("DELETE", f"/v1.0{place.post_path()}".encode(), headers=headers)
    refused(answer, 405, "Request_BadRequest")


# ── what a refusal says ──────────────────────────────────────────────────────────────────────────────────────────────


def said(answer: Answer) -> str:
    assert answer.status == 403, answer
    message: str = answer.error["message"]
    return message


def test_an_extended_application_hears_what_is_missing(any_library: Library) -> None:
    for request_ in [request for request in REQUESTS if not request.personal]:
        with case(request_.name):
            others = EVERYTHING - request_.delegated - request_.application - request_.own
            application = any_library.graph.as_app("extended", roles=others)
            adele = any_library.as_("AdeleV", scopes=others)
            message = said(request_.send(application, any_library.launch))
            for name in request_.delegated:
                assert name in message
            assert "roles" in message
            headers = dict(request_.headers or {}) | EXTENDED
            path = request_.spelt(adele, any_library.launch)
            message = said(adele.with_body(request_.method, path, request_.body, headers))
            for name in request_.delegated:
                assert name in message
            assert "scopes" in message


def test_a_strict_one_hears_what_the_cloud_says_and_an_administrator_more(any_library: Library) -> None:
    for request_ in [request for request in REQUESTS if not request.only_extended]:
        with case(request_.name):
            others = EVERYTHING - request_.delegated - request_.own
            assert said(request_.send(any_library.as_("AdeleV", scopes=others), any_library.launch)) in BARE
            message = said(request_.send(any_library.as_("admin", scopes=others), any_library.launch))
            for name in request_.delegated:
                assert name in message


def test_a_personal_account_hears_nothing(library: Library) -> None:
    client = library.as_("admin", scopes=EVERYTHING, personal=True)
    assert said(client.get(library.launch.post_path(), **EXTENDED)) in BARE
