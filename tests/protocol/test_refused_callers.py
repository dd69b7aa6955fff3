"""Who is turned away, from every row: without a token (401), without the permission or the right (403)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from folkmoot import lab
from folkmoot.auth.keys import SigningKey
from folkmoot.auth.tokens import PERSONAL_TENANT
from folkmoot.model import SignIn
from tests.harness import PERSON, Answer, Client, Graph, address
from tests.protocol.library import DELETED, DISABLED, STRANGER, Library
from tests.protocol.rows import DIRECTORY, EVERYTHING, MAIL, POSTING, REQUESTS, Request, case, each
from tests.protocol.shapes import refused

ADELE = SignIn(oid=PERSON["AdeleV"], upn=address("AdeleV"), name="Adele Vance", mail=address("AdeleV"))


def denied(request: Request) -> tuple[int, str]:
    return 403, "ErrorAccessDenied" if request.mail else "Authorization_RequestDenied"


def unauthenticated(answer: Answer) -> str:
    """Check a 401. A challenge with `claims=` would make an SDK fetch another token and try again."""
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert "claims" not in challenge
    return refused(answer, 401, "InvalidAuthenticationToken")


# ── 401 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_token(any_library: Library) -> None:
    for request_ in REQUESTS:
        with case(request_.name):
            answer = request_.send(any_library.graph.nobody(), any_library.launch)
            assert unauthenticated(answer) == "Access token is empty."
            assert (
                "error=" not in answer.headers["www-authenticate"]
            )  # RFC 6750 §3.1: no error code where no token came


def test_with_an_expired_token(any_library: Library) -> None:
    for request_ in REQUESTS:
        with case(request_.name):
            expired = any_library.graph.token("publicClient", ADELE, EVERYTHING, lifetime=-61)
            answer = request_.send(any_library.graph.nobody(expired), any_library.launch)
            assert "expired" in unauthenticated(answer)
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_a_token_expires_while_it_is_in_use(graph: Graph) -> None:
    client = graph.as_("AdeleV", lifetime=600)
    assert client.get("/me").status == 200
    graph.clock.advance(600 + 59)  # clocks differ: a minute is allowed
    assert client.get("/me").status == 200
    graph.clock.advance(1)
    assert "expired" in unauthenticated(client.get("/me"))


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic QWRlbGU6eA==", "bearer", "Token abc", "Bearer abc", "Bearer a.b.c", "Bearer ..",
     "Bearer a b", "Bearer " + "x" * 20_000],
    ids=lambda header: header[:14],
)  # fmt: skip
def test_with_what_is_no_token(library: Library, header: str) -> None:
    unauthenticated(library.graph.nobody().get("/me", Authorization=header))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_read_in_any_case(library: Library, scheme: str) -> None:
    token = library.as_("AdeleV").token
    assert library.graph.nobody().get("/me", Authorization=f"{scheme} {token}").status == 200


def altered(graph: Graph, claims: Mapping[str, Any], key: SigningKey | None = None) -> Client:
    """Adele with a token of which some claims say something else; None leaves one out."""
    own = graph.token("publicClient", ADELE, EVERYTHING).split(".")[1]
    said = msgspec.json.decode(base64.urlsafe_b64decode(own + "=" * (-len(own) % 4))) | dict(claims)
    return graph.nobody((key or graph.key).sign({name: value for name, value in said.items() if value is not None}))


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"aud": "https://outlook.office.com"}, "audience"),
        ({"aud": "00000002-0000-0000-c000-000000000000"}, "audience"),
        ({"aud": []}, "audience"),
        ({"aud": 5}, "aud"),
        ({"aud": None}, "aud"),
        ({"iss": "https://login.microsoftonline.com/common/v2.0"}, "issuer"),
        ({"iss": "https://localhost:8443/00000000-0000-0000-0000-000000000000/v2.0"}, "issuer"),
        ({"iss": None}, "iss"),
        ({"exp": None}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"nbf": 4_000_000_000}, "not yet valid"),
        ({"oid": None}, "oid"),
        ({"oid": "AdeleV"}, "oid"),
        ({"tid": None}, "tid"),
        ({"appid": None, "azp": None}, "appid"),
        ({"scp": 5}, "scp"),
    ],
    ids=str,
)
def test_with_a_token_that_says_the_wrong_thing(library: Library, claims: dict[str, Any], says: str) -> None:
    message = unauthenticated(altered(library.graph, claims).get("/me"))
    assert says in message
    assert "eyJ" not in message  # a token is never repeated


def test_with_a_token_of_another_key(library: Library) -> None:
    assert "signing key" in unauthenticated(altered(library.graph, {}, SigningKey.generate()).get("/me"))


def test_with_a_signature_that_is_not_its_own(library: Library) -> None:
    mine, others = (library.as_(nick).token or "" for nick in ("AdeleV", "AlexW"))
    forged = ".".join((*others.split(".")[:2], mine.split(".")[2]))
    assert "signature" in unauthenticated(library.graph.nobody(forged).get("/me"))


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS512"])
def test_with_an_algorithm_that_proves_nothing(library: Library, algorithm: str) -> None:
    payload = (library.as_("AdeleV").token or "").split(".")[1]
    header = base64.urlsafe_b64encode(msgspec.json.encode({"alg": algorithm, "kid": library.graph.key.kid})).decode()
    forged = f"{header.rstrip('=')}.{payload}.c2lnbmF0dXJl"
    assert "algorithm" in unauthenticated(library.graph.nobody(forged).get("/me"))


def test_who_asks_is_settled_before_what_is_asked(library: Library) -> None:
    """A path that leads nowhere says nothing to those who have no token."""
    unauthenticated(library.graph.nobody().get("/nowhere"))
    unauthenticated(library.graph.nobody().get(f"{library.launch.group_path}/conversations?$filter=nonsense"))
    unauthenticated(library.graph.nobody().with_body("PUT", "/groups", None, {}))


# ── 403: what the token may ──────────────────────────────────────────────────────────────────────────────────────────


def test_without_the_permission(any_library: Library) -> None:
    for request_ in REQUESTS:
        with case(request_.name):
            others = EVERYTHING - request_.delegated - request_.own
            refused(request_.send(any_library.as_("AdeleV", scopes=others), any_library.launch), *denied(request_))
            refused(request_.send(any_library.as_("AdeleV", scopes=()), any_library.launch), *denied(request_))


def test_without_the_role(any_library: Library) -> None:
    for request_ in REQUESTS:
        with case(request_.name):
            others = EVERYTHING - request_.application
            refused(
                request_.send(any_library.graph.as_app("daemon", roles=others), any_library.launch), *denied(request_)
            )
            refused(
                request_.send(any_library.graph.as_app("daemonWithoutRoles"), any_library.launch), *denied(request_)
            )


def test_an_application_may_not_what_the_cloud_keeps_to_people(any_library: Library) -> None:
    for request_ in [request for request in REQUESTS if not request.application]:
        with case(request_.name):
            refused(
                request_.send(any_library.graph.as_app("daemon", roles=EVERYTHING), any_library.launch),
                *denied(request_),
            )


def test_an_application_is_nobodys_self(any_library: Library) -> None:
    for request_ in [request for request in REQUESTS if "{user}" in request.template]:
        with case(request_.name):
            path = request_.path(any_library.launch).replace(f"/users/{PERSON['AdeleV']}", "/me")
            client = any_library.graph.as_app("daemon", roles=EVERYTHING | request_.own)
            answer = client.with_body(request_.method, path, request_.body, request_.headers or {})
            message = refused(answer, 400, "BadRequest")
            assert message == "/me request is only valid with delegated authentication flow."


def test_a_personal_account(any_library: Library) -> None:
    for request_ in REQUESTS:
        with case(request_.name):
            personal = any_library.as_("AdeleV", scopes=EVERYTHING, personal=True)
            refused(request_.send(personal, any_library.launch), *denied(request_))


def test_a_guest_of_a_personal_account_is_one_too(library: Library) -> None:
    for claims in ({"idp": "live.com"}, {"tid": PERSONAL_TENANT}):
        path = f"{library.launch.group_path}/conversations"
        refused(altered(library.graph, claims).get(path), 403, "ErrorAccessDenied")


# ── 403: where the person stands ─────────────────────────────────────────────────────────────────────────────────────


def test_a_private_group_is_closed_to_others(library: Library) -> None:
    for request_ in MAIL:
        with case(request_.name):
            for nick in ("AdeleV", "guest", "admin"):  # to run the organisation is not to read its mail
                refused(request_.send(library.as_(nick, scopes=EVERYTHING), library.private), 403, "ErrorAccessDenied")


def test_a_public_group_is_closed_to_guests_who_were_not_invited(library: Library) -> None:
    for request_ in MAIL:
        with case(request_.name):
            guest = library.as_("guest", scopes=EVERYTHING)
            refused(request_.send(guest, library.elsewhere), 403, "ErrorAccessDenied")


def test_a_person_whose_account_is_off_or_gone_or_unknown(library: Library) -> None:
    for request_ in MAIL:
        with case(request_.name):
            for person in (DISABLED, DELETED, STRANGER):
                client = library.graph.signed_in(person, scopes=EVERYTHING)
                refused(request_.send(client, library.launch), 403, "ErrorAccessDenied")


def test_a_member_loses_the_group_with_the_membership(graph: Graph) -> None:
    place = graph.as_("DiegoS").start(group="HR")
    joni = graph.as_("JoniS")
    assert joni.get(place.post_path()).status == 200
    assert graph.as_("DiegoS").delete(f"{place.group_path}/members/{PERSON['JoniS']}/$ref").status == 204
    refused(joni.get(place.post_path()), 403, "ErrorAccessDenied")


def test_a_group_that_becomes_private_closes_to_others(graph: Graph) -> None:
    place = graph.as_("AdeleV").start()
    assert graph.as_("LeeG").get(place.conversation_path).status == 200
    assert graph.as_("AdeleV").patch(place.group_path, {"visibility": "Private"}).status == 204
    refused(graph.as_("LeeG").get(place.conversation_path), 403, "ErrorAccessDenied")
    assert graph.as_("AlexW").get(place.conversation_path).status == 200


def test_a_private_group_is_not_there_for_others(library: Library) -> None:
    for request_ in [request for request in DIRECTORY if "{sec}" in request.template or "{group}" in request.template]:
        with case(request_.name):
            for nick in ("AdeleV", "guest"):
                client = library.as_(nick, scopes=EVERYTHING)
                answer = request_.send(client, library.private, security_group="Vault")
                refused(answer, 404, "Request_ResourceNotFound")


def test_a_group_is_its_owners_to_change(library: Library) -> None:
    for request_ in [request for request in DIRECTORY if not request.asks and "{group}" in request.template]:
        with case(request_.name):
            client = library.as_("IsaiahL", scopes=EVERYTHING)  # a member
            refused(request_.send(client, library.launch), 403, "Authorization_RequestDenied")


def test_users_are_the_administrators_to_change(library: Library) -> None:
    for request_ in [request for request in DIRECTORY if request.row in ("POST users", "PATCH user", "DELETE user")]:
        with case(request_.name):
            client = library.as_("IsaiahL", scopes=EVERYTHING)
            refused(request_.send(client, library.launch), 403, "Authorization_RequestDenied")


@pytest.mark.parametrize("person", [DISABLED, DELETED, STRANGER], ids=lambda person: person.name)
@each([request for request in DIRECTORY if request.method != "GET"])
def test_a_person_whose_account_is_off_or_gone_or_unknown_changes_nothing(
    library: Library, request_: Request, person: SignIn
) -> None:
    client = library.graph.signed_in(person, scopes=EVERYTHING)
    answer = request_.send(client, library.launch)
    assert answer.status in (403, 404), answer
    refused(answer, answer.status, ("Authorization_RequestDenied", "Request_ResourceNotFound")[answer.status == 404])


@pytest.mark.parametrize("person", [DISABLED, DELETED, STRANGER], ids=lambda person: person.name)
def test_a_person_whose_account_is_off_or_gone_or_unknown_sees_no_group(library: Library, person: SignIn) -> None:
    client = library.graph.signed_in(person, scopes=EVERYTHING)
    assert client.get("/groups").value == []
    refused(client.get(library.launch.group_path), 404, "Request_ResourceNotFound")
    refused(client.get(f"{library.launch.group_path}/members"), 404, "Request_ResourceNotFound")


@pytest.mark.parametrize("person", [DISABLED, DELETED, STRANGER], ids=lambda person: person.name)
def test_a_person_whose_account_is_off_or_gone_or_unknown_sees_no_user(library: Library, person: SignIn) -> None:
    client = library.graph.signed_in(person, scopes=EVERYTHING)
    assert client.get("/users").status in (401, 403)
    assert client.get(f"/users/{PERSON['AdeleV']}").status in (401, 403, 404)


def test_a_disabled_person_may_not_change_even_the_own_number(library: Library) -> None:
    client = library.graph.signed_in(DISABLED, scopes=EVERYTHING)
    refused(client.patch("/me", {"mobilePhone": "+49 1"}), 403, "Authorization_RequestDenied")


# ── 403: as whom one speaks ──────────────────────────────────────────────────────────────────────────────────────────


def with_post(request: Request, **properties: Any) -> Any:
    """The request's body with properties added to its post."""
    body = msgspec.json.decode(msgspec.json.encode(request.body))
    where = body
    for step in ("threads", "posts", "post"):
        if step in where:
            where = where[step][0] if isinstance(where[step], list) else where[step]
    where.update(properties)
    return body


def as_somebody(mail: str) -> dict[str, Any]:
    return {"emailAddress": {"address": mail}}


@pytest.mark.parametrize("property_", ["sender", "from"])
@each(POSTING)
def test_nobody_speaks_as_somebody_else(library: Library, request_: Request, property_: str) -> None:
    adele = library.as_("AdeleV", scopes=EVERYTHING)
    for mail in (address("AlexW"), address("SalesAndMarketing"), "who@outside.example"):
        body = with_post(request_, **{property_: as_somebody(mail)})
        answer = adele.post(request_.path(library.launch), body, **(request_.headers or {}))
        refused(answer, 403, "ErrorSendAsDenied")


def test_an_application_speaks_as_the_group_only(any_library: Library) -> None:
    for request_ in [request for request in POSTING if request.application]:
        with case(request_.name):
            daemon = any_library.graph.as_app("daemon")
            body = with_post(request_, sender=as_somebody(address("AdeleV")))
            refused(
                daemon.post(request_.path(any_library.launch), body, **(request_.headers or {})),
                403,
                "ErrorSendAsDenied",
            )


@each(POSTING)
def test_a_security_group_holds_no_conversations(library: Library, request_: Request) -> None:
    if not request_.template.startswith("{group}"):
        return  # nothing is there that could be replied to
    path = request_.path(library.launch).replace(library.launch.group, lab.GROUPS[-1].id)
    message = refused(library.as_("AdeleV").post(path, request_.body), 403, "ErrorAccessDenied")
    assert "Unified" in message
