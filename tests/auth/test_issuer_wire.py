"""The issuer's endpoints for programs, on the wire: documents, refusals, and whatever else may be sent."""

from __future__ import annotations

import base64
import hashlib
import re

import httpx
import msgspec
import pytest

from folkmoot.model import SignIn

from .support import ADA, DAEMON, DOMAIN, PASSWORD, PUBLIC, SECRET, TENANT, Server

GRAPH = "https://graph.microsoft.com"
BACK = "http://localhost:5000/back"
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DAEMON_FORM = {"grant_type": "client_credentials", "client_id": DAEMON.id, "client_secret": SECRET}
# how she may be when a grant of hers is used, and what it is refused with
STANDINGS: list[tuple[list[SignIn], int]] = [
    ([msgspec.structs.replace(ADA, password="another")], 50173),
    ([msgspec.structs.replace(ADA, enabled=False)], 50057),
    ([], 50034),
]
PASSWORD_FORM = {"grant_type": "password", "client_id": PUBLIC.id, "username": ADA.upn, "password": PASSWORD}


def refused(answer: httpx.Response, error: str, code: int, status: int = 400) -> str:
    """Check the shape of a refusal (R11); answers its description."""
    body = answer.json()
    assert (answer.status_code, body["error"], body["error_codes"]) == (status, error, [code]), body
    assert body["error_description"].startswith(f"AADSTS{code}: ")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", body["timestamp"])
    assert GUID.fullmatch(body["trace_id"])
    assert GUID.fullmatch(body["correlation_id"])
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"
    return str(body["error_description"])


# ── documents ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("path", ["v2.0/.well-known/openid-configuration", ".well-known/openid-configuration"])
@pytest.mark.parametrize("tenant", [TENANT, DOMAIN, "Moot.Example", "common", "organizations"])
def test_discovery_is_on_the_origin_that_was_asked(server: Server, tenant: str, path: str) -> None:
    document = server.http.get(f"{server.base}/{tenant}/{path}").json()
    assert document["issuer"] == f"{server.base}/{TENANT}/v2.0"
    for name in ("authorization_endpoint", "token_endpoint", "device_authorization_endpoint", "jwks_uri"):
        assert document[name].startswith(f"{server.base}/{tenant}/")
    [key] = server.http.get(document["jwks_uri"]).json()["keys"]
    assert key["kid"] == server.key.kid


def test_discovery_by_address(server: Server) -> None:
    base = server.base.replace("localhost", "127.0.0.1")
    document = server.http.get(f"{base}/common/v2.0/.well-known/openid-configuration").json()
    assert document["issuer"] == f"{base}/{TENANT}/v2.0"
    token = server.http.post(document["token_endpoint"], data=DAEMON_FORM | {"scope": f"{GRAPH}/.default"}).json()
    assert server.validator.caller(token["access_token"]).application == DAEMON.id


@pytest.mark.parametrize("path", ["v2.0/.well-known/openid-configuration", "discovery/v2.0/keys"])
def test_unknown_tenant(server: Server, path: str) -> None:
    answer = server.http.get(f"{server.base}/elsewhere.example/{path}")
    assert "elsewhere.example" in refused(answer, "invalid_tenant", 90002)


def test_instance_discovery(server: Server) -> None:
    url = f"{server.base}/common/discovery/instance"
    asked = {"api-version": "1.1", "authorization_endpoint": f"{server.base}/{DOMAIN}/oauth2/v2.0/authorize"}
    answer = server.http.get(url, params=asked).json()
    assert answer["tenant_discovery_endpoint"] == f"{server.base}/{DOMAIN}/v2.0/.well-known/openid-configuration"
    assert "localhost" in answer["metadata"][0]["aliases"]
    refused(server.http.get(url), "invalid_request", 900144)
    for wrong in ("https://[", "x", f"{server.base}/elsewhere/oauth2"):
        refused(server.http.get(url, params={"authorization_endpoint": wrong}), "invalid_tenant", 90002)


def test_user_realm(server: Server) -> None:
    answer = server.http.get(f"{server.base}/common/userrealm/ada@moot.example?api-version=1.0").json()
    assert (answer["ver"], answer["account_type"], answer["domain_name"]) == ("1.0", "Managed", "moot.example")


# ── who the client is ────────────────────────────────────────────────────────────────────────────────────────────────
def test_basic_authentication_of_the_client(server: Server) -> None:
    form = {"grant_type": "client_credentials", "scope": f"{GRAPH}/.default"}
    url = f"{server.authority}/oauth2/v2.0/token"
    assert server.http.post(url, data=form, auth=(DAEMON.id, SECRET)).status_code == 200
    wrong = server.http.post(url, data=form, auth=(DAEMON.id, "wrong"))
    refused(wrong, "invalid_client", 7000215, 401)
    assert wrong.headers["www-authenticate"].startswith("Basic")
    torn = server.http.post(url, data=form, headers={"Authorization": "Basic ???"})
    refused(torn, "invalid_client", 7000215, 401)


def test_refusals_of_the_client(server: Server) -> None:
    scope = {"scope": f"{GRAPH}/.default"}
    nobody = server.token(**DAEMON_FORM | scope | {"client_id": "00000000-0000-4000-8000-000000000000"})
    assert "00000000-0000-4000" in refused(nobody, "unauthorized_client", 700016)
    refused(server.token(**DAEMON_FORM | scope | {"client_id": "\0';--"}), "unauthorized_client", 700016)
    refused(server.token(**DAEMON_FORM | scope | {"client_secret": "x"}), "invalid_client", 7000215, 401)
    refused(server.token(**DAEMON_FORM | scope | {"client_secret": ""}), "invalid_client", 7000218, 401)
    refused(server.token(**DAEMON_FORM | scope | {"client_id": PUBLIC.id}), "invalid_client", 700025, 401)
    public = {"grant_type": "client_credentials", "client_id": PUBLIC.id}
    refused(server.token(**public | scope), "invalid_client", 7000218, 401)
    refused(server.token(**DAEMON_FORM | scope | {"client_assertion": "e30"}), "invalid_client", 700027, 401)


@pytest.mark.parametrize("missing", ["grant_type", "client_id", "scope", "username", "password"])
def test_a_missing_parameter_is_named(server: Server, missing: str) -> None:
    form = PASSWORD_FORM | {"scope": "User.Read"}
    assert f"'{missing}'" in refused(server.token(**form | {missing: ""}), "invalid_request", 900144)


# ── scopes ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("scope", "permissions"),
    [
        ("User.Read", {"User.Read"}),
        ("https://graph.microsoft.com/User.Read", {"User.Read"}),
        ("https://graph.microsoft.com//User.Read", {"User.Read"}),
        ("00000003-0000-0000-c000-000000000000/User.Read", {"User.Read"}),
        ("https://localhost/User.Read Mail.Send", {"User.Read", "Mail.Send"}),
        ("https://graph.microsoft.com/.default", set(PUBLIC.scopes)),
        ("https://127.0.0.1/.default", set(PUBLIC.scopes)),
        ("Group-Conversation.ReadWrite.All  Calendars.Read.Shared", None),
        ("openid profile", {"openid", "profile"}),
        ("User.Read offline_access", {"User.Read"}),
        ("user.read Mail.send", {"User.Read", "Mail.send"}),  # as the samples of MSAL for JavaScript write it
        ("https://graph.microsoft.com/GROUP.READWRITE.ALL", {"Group.ReadWrite.All"}),
        ("user.read User.Read", {"User.Read"}),
    ],
)
def test_scopes(server: Server, scope: str, permissions: set[str] | None) -> None:
    answer = server.token(**PASSWORD_FORM | {"scope": scope}).json()
    caller = server.validator.caller(answer["access_token"])
    assert caller.permissions == (set(scope.split()) if permissions is None else permissions)
    # MSAL keeps the token under the scopes that the answer names (R10)
    assert set(answer["scope"].split()) >= set(scope.split()) - {"offline_access"}
    assert ("id_token" in answer) is ("openid" in scope)
    assert ("refresh_token" in answer) is ("offline_access" in scope)
    assert "client_info" not in answer


def test_the_answer_says_how_a_permission_is_spelt(server: Server) -> None:
    form = PASSWORD_FORM | {"scope": "https://graph.microsoft.com/user.read offline_access"}
    answer = server.token(**form).json()
    spelt = "https://graph.microsoft.com/user.read https://graph.microsoft.com/User.Read"
    assert answer["scope"] == spelt
    form = {"grant_type": "refresh_token", "client_id": PUBLIC.id, "refresh_token": answer["refresh_token"]}
    assert server.token(**form).json()["scope"] == spelt
    assert server.token(**form | {"scope": "USER.READ"}).json()["scope"] == "USER.READ User.Read"


@pytest.mark.parametrize(
    ("scope", "error", "code"),
    [
        ("https://vault.azure.net/.default", "invalid_resource", 500011),
        ("api://something/Read.All", "invalid_resource", 500011),
        ("https://graph.microsoft.com.evil.example/.default", "invalid_resource", 500011),
        ("https://[/.default", "invalid_resource", 500011),
        ("https://graph.microsoft.com", "invalid_scope", 70011),
        ("https://graph.microsoft.com/", "invalid_scope", 70011),
        ("Read", "invalid_scope", 70011),
        ("User.Read;drop", "invalid_scope", 70011),
        ("User..Read", "invalid_scope", 70011),
        ("A.B.C.D.E", "invalid_scope", 70011),
        ("User.Read https://graph.microsoft.com/.default", "invalid_scope", 70011),
    ],
)
def test_refused_scopes_are_named(server: Server, scope: str, error: str, code: int) -> None:
    description = refused(server.token(**PASSWORD_FORM | {"scope": scope}), error, code)
    assert scope.split()[0].removesuffix("/.default").removesuffix("/Read.All") in description


@pytest.mark.parametrize("scope", ["User.Read", f"{GRAPH}/User.Read", f"openid {GRAPH}/.default"])
def test_an_application_asks_for_default_only(server: Server, scope: str) -> None:
    refused(server.token(**DAEMON_FORM | {"scope": scope}), "invalid_scope", 1002012)


# ── codes ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def redeem(server: Server, code: str, **more: str) -> httpx.Response:
    form = {"grant_type": "authorization_code", "client_id": PUBLIC.id, "code": code, "redirect_uri": BACK}
    return server.token(**form | more)


def test_a_code_counts_once(server: Server) -> None:
    code = server.code()
    assert redeem(server, code).status_code == 200
    refused(redeem(server, code), "invalid_grant", 54005)


def test_a_code_lasts_ten_minutes(server: Server) -> None:
    code = server.code()
    server.clock.ahead = 601
    refused(redeem(server, code), "invalid_grant", 70008)


def test_a_code_is_bound(server: Server) -> None:
    code = server.code()
    refused(redeem(server, code + "x"), "invalid_grant", 9002313)
    refused(redeem(server, code, client_id=DAEMON.id, client_secret=SECRET), "invalid_grant", 9002313)
    refused(redeem(server, code, redirect_uri="http://localhost:5000/other"), "invalid_grant", 500112)
    refused(redeem(server, code, code_verifier="v" * 43), "invalid_grant", 501481)
    assert redeem(server, code).status_code == 200


def test_pkce(server: Server) -> None:
    verifier = "a-._~" * 10
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    code = server.code(code_challenge=challenge, code_challenge_method="S256")
    refused(redeem(server, code), "invalid_grant", 501481)
    refused(redeem(server, code, code_verifier="b" * 50), "invalid_grant", 501481)
    refused(redeem(server, code, code_verifier="Ω" * 50), "invalid_grant", 501481)
    assert redeem(server, code, code_verifier=verifier).status_code == 200


@pytest.mark.parametrize("nonce", [None, "n-1"])
def test_the_nonce_comes_back_when_one_was_sent(server: Server, nonce: str | None) -> None:
    answer = redeem(server, server.code(nonce=nonce)).json()
    payload = answer["id_token"].split(".")[1]
    claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims.get("nonce") == nonce
    assert set(claims) >= {"iss", "aud", "sub", "oid", "tid", "preferred_username", "name", "iat", "nbf", "exp"}


@pytest.mark.parametrize(("everyone", "code"), STANDINGS)
def test_a_code_of_somebody_who_may_not_sign_in_now(server: Server, everyone: list[SignIn], code: int) -> None:
    given = server.code()
    server.people.everyone = everyone
    refused(redeem(server, given), "invalid_grant", code)


# ── refresh tokens ───────────────────────────────────────────────────────────────────────────────────────────────────
def refresh(server: Server, token: str, **more: str) -> httpx.Response:
    return server.token(**{"grant_type": "refresh_token", "client_id": PUBLIC.id, "refresh_token": token} | more)


def test_refresh_tokens(server: Server) -> None:
    first = redeem(server, server.code()).json()
    again = refresh(server, first["refresh_token"]).json()
    assert server.validator.caller(again["access_token"]).oid == ADA.oid
    assert refresh(server, again["refresh_token"], scope="openid").status_code == 200
    refused(refresh(server, first["refresh_token"], scope="Mail.Send"), "invalid_grant", 65001)
    other = {"client_id": DAEMON.id, "client_secret": SECRET}
    refused(refresh(server, first["refresh_token"], **other), "invalid_grant", 70000)
    for everyone, code in STANDINGS:
        server.people.everyone = everyone
        refused(refresh(server, first["refresh_token"]), "invalid_grant", code)


def test_a_refresh_token_lasts_ninety_days(server: Server) -> None:
    token = redeem(server, server.code()).json()["refresh_token"]
    server.clock.ahead = 89 * 86400
    assert refresh(server, token).status_code == 200
    server.clock.ahead = 91 * 86400
    refused(refresh(server, token), "invalid_grant", 700082)


def test_tokens_do_not_pass_for_one_another(server: Server) -> None:
    answer = redeem(server, server.code()).json()
    for token in (answer["access_token"], answer["id_token"], "", "x", "é.e30.e30", "e30.e30.e30", "a" * 9000):
        refused(refresh(server, token), "invalid_grant" if token else "invalid_request", 9002313 if token else 900144)
    deep = base64.urlsafe_b64encode(b"[" * 9000).decode()
    refused(refresh(server, f"{deep}.e30.e30"), "invalid_grant", 9002313)
    for token in (answer["refresh_token"], answer["id_token"]):
        with pytest.raises(Exception, match=r"audience|claim|issuer"):
            server.validator.caller(token)


# ── passwords ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_passwords(server: Server) -> None:
    form = PASSWORD_FORM | {"scope": "User.Read"}
    assert server.token(**form | {"username": "Ada@MAIL.test"}).status_code == 200
    refused(server.token(**form | {"password": "wrong"}), "invalid_grant", 50126)
    for nobody in ("eve@moot.example", "a\0b"):
        refused(server.token(**form | {"username": nobody}), "invalid_grant", 50034)
    server.people.everyone = [msgspec.structs.replace(ADA, enabled=False)]
    refused(server.token(**form), "invalid_grant", 50057)
    refused(server.token(**form | {"password": "wrong"}), "invalid_grant", 50126)


# ── devices ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_device_codes(server: Server) -> None:
    url = f"{server.authority}/oauth2/v2.0/devicecode"
    given = server.http.post(url, data={"client_id": PUBLIC.id, "scope": "User.Read"}).json()
    assert (given["expires_in"], given["interval"]) == (900, 5)
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": PUBLIC.id}
    refused(server.token(**form | {"device_code": given["device_code"]}), "authorization_pending", 70016)
    refused(server.token(**form | {"code": given["device_code"]}), "authorization_pending", 70016)
    refused(server.token(**form | {"device_code": "never"}), "invalid_grant", 70000)
    of_javascript = form | {"grant_type": "device_code", "device_code": given["device_code"]}
    refused(server.token(**of_javascript), "authorization_pending", 70016)
    refused(server.token(**form), "invalid_request", 900144)
    refused(server.http.post(url, data={"client_id": PUBLIC.id}), "invalid_request", 900144)
    refused(server.http.post(url, data={"client_id": PUBLIC.id, "scope": "?"}), "invalid_scope", 70011)


# ── whatever may be sent ─────────────────────────────────────────────────────────────────────────────────────────────
def test_the_correlation_id_is_the_clients(server: Server) -> None:
    mine = "12345678-1234-4234-8234-123456789abc"
    url = f"{server.authority}/oauth2/v2.0/token"
    answer = server.http.post(url, data={"grant_type": "x"}, headers={"client-request-id": mine})
    assert answer.json()["correlation_id"] == mine
    refused(answer, "unsupported_grant_type", 70003)


BODIES: dict[str, tuple[bytes, str, int, int]] = {
    "json": (b'{"grant_type":"password"}', "application/json", 400, 900144),
    "no type": (b"grant_type=password", "", 400, 900144),
    "multipart": (b"--x--", "multipart/form-data; boundary=x", 400, 900144),
    "empty": (b"", "application/x-www-form-urlencoded", 400, 900144),
    "not UTF-8": (b"grant_type=\xff", "application/x-www-form-urlencoded", 400, 9002313),
    "not UTF-8, escaped": (b"grant_type=%ff", "application/x-www-form-urlencoded", 400, 9002313),
    "twice": (b"grant_type=a&grant_type=b", "application/x-www-form-urlencoded", 400, 90100),
    "many": (b"&".join(b"a%d=" % n for n in range(200)), "application/x-www-form-urlencoded", 400, 9002313),
    "charset": (b"grant_type=a", "application/x-www-form-urlencoded; charset=UTF-8", 400, 70003),
    "large": (b"a=" + b"x" * 70_000, "application/x-www-form-urlencoded", 413, 90015),
}


@pytest.mark.parametrize("case", BODIES)
@pytest.mark.parametrize("path", ["token", "devicecode"])
def test_bodies(server: Server, case: str, path: str) -> None:
    body, content_type, status, code = BODIES[case]
    if path == "devicecode" and code == 70003:
        code = 900144
    headers = {"Content-Type": content_type} if content_type else {}
    answer = server.http.post(f"{server.authority}/oauth2/v2.0/{path}", content=body, headers=headers)
    refused(answer, "unsupported_grant_type" if code == 70003 else "invalid_request", code, status)


def test_methods_and_browsers(server: Server) -> None:
    url = f"{server.authority}/oauth2/v2.0/token"
    answer = server.http.get(url)
    refused(answer, "invalid_request", 900561, 405)
    assert "POST" in answer.headers["allow"]
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    preflight = server.http.options(url, headers=asked)
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, "*")
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert server.http.head(f"{server.authority}/v2.0/.well-known/openid-configuration").status_code == 200


@pytest.mark.parametrize("form", [PASSWORD_FORM, DAEMON_FORM], ids=["password", "secret"])
def test_a_page_of_another_site_gets_no_token_for_what_is_published(server: Server, form: dict[str, str]) -> None:
    """It reaches this machine through its reader's browser, and the lab's passwords and secrets are known to all."""
    url, asked = f"{server.authority}/oauth2/v2.0/token", form | {"scope": f"{GRAPH}/.default"}
    for origin in ("https://evil.example", "http://localhost.evil.example", "http://evil.example:8443", "null"):
        answer = server.http.post(url, data=asked, headers={"Origin": origin})
        refused(answer, "invalid_request", 9002326)
    for origin in (server.base, "http://localhost:3000", "http://127.0.0.1:5173", "http://[::1]:3000"):
        assert server.http.post(url, data=asked, headers={"Origin": origin}).status_code == 200


def test_answers_are_not_cached(server: Server) -> None:
    answer = server.token(**DAEMON_FORM | {"scope": f"{GRAPH}/.default"})
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
