"""The issuer's pages, as a person and a browser meet them."""

from __future__ import annotations

import httpx
import msgspec
import pytest

from folkmoot.model import SignIn

from .support import ADA, BOB, DAEMON, PASSWORD, PUBLIC, TENANT, Page, Server

BACK = "http://localhost:5000/back"


def location(answer: httpx.Response) -> httpx.URL:
    assert answer.status_code == 303, answer.text
    return httpx.URL(answer.headers["location"])


# ── the sign-in page ─────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_page_names_the_program_and_the_people(server: Server) -> None:
    page = Page(server.authorize().text)
    assert "Sign in to Tester & Sons" in page.text
    assert "Ada Byron" in page.text
    assert "Bob <b>Ω</b>" in page.text  # a name is text, never markup


def test_one_click(server: Server) -> None:
    back = location(server.click(server.authorize(), ADA))
    assert str(back).startswith(BACK + "?")
    assert set(back.params) == {"code", "state"}
    assert back.params["state"] == "s&1"


@pytest.mark.parametrize("resource", ["https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000"])
def test_a_resource_at_the_endpoint_of_before_stands_for_all_that_it_permits(server: Server, resource: str) -> None:
    asked = {"client_id": PUBLIC.id, "response_type": "code", "redirect_uri": BACK, "resource": resource}
    page = server.http.get(f"{server.authority}/oauth2/authorize", params=asked)
    code = location(server.click(page, ADA)).params["code"]
    form = {"client_id": PUBLIC.id, "redirect_uri": BACK, "code": code, "scope": f"{resource}/.default"}
    answer = server.token(grant_type="authorization_code", **form).json()
    assert server.validator.caller(answer["access_token"]).permissions >= set(PUBLIC.scopes)
    assert {"id_token", "refresh_token"} <= answer.keys()


def test_a_resource_stands_for_nothing_at_the_endpoint_of_today(server: Server) -> None:
    answer = server.authorize(scope=None, resource="https://graph.microsoft.com")
    assert "AADSTS90014" in location(answer).params["error_description"]


def test_name_and_password(server: Server) -> None:
    first = server.authorize(login_hint="Ada@moot.example")
    form = Page(first.text).forms[-1]
    assert form.fields["username"] == "Ada@moot.example"
    assert "code" in location(server.submit(first, form, password=PASSWORD)).params


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"username": "ada@moot.example", "password": "wrong"}, "AADSTS50126"),
        ({"username": "eve@moot.example", "password": "x"}, "eve@moot.example does not exist"),
        ({"username": "<script>", "password": "x"}, "<script> does not exist"),
        ({"username": "", "password": ""}, "Enter your user name"),
        ({"username": "ada@moot.example", "password": ""}, "Enter your password"),
    ],
)
def test_what_is_wrong_is_said_on_the_page_and_one_may_try_again(
    server: Server, typed: dict[str, str], says: str
) -> None:
    first = server.authorize()
    second = server.submit(first, Page(first.text).forms[-1], headers=None, **typed)
    assert second.status_code == 400
    assert says in Page(second.text).text
    assert "<script>" not in second.text
    form = Page(second.text).forms[-1]
    assert form.fields["username"] == typed["username"]
    assert "code" in location(server.submit(second, form, username=ADA.upn, password=PASSWORD)).params


def test_cancel(server: Server) -> None:
    first = server.authorize()
    back = location(server.submit(first, Page(first.text).forms[-1], action="cancel"))
    assert (back.params["error"], back.params["state"]) == ("access_denied", "s&1")


def test_one_click_is_for_those_whom_the_directory_offers(server: Server) -> None:
    first = server.authorize()
    server.people.one_click = []
    form = Page(first.text).forms[0]
    assert "no longer" in Page(server.submit(first, form, account=ADA.oid).text).text
    assert [len(form.buttons) for form in Page(server.authorize().text).forms] == [
        1
    ]  # the password form and its Cancel


def test_many_people(server: Server) -> None:
    crowd = [SignIn(oid=f"o{n}", upn=f"p{n}@moot.example", name=f"P {n}", mail="") for n in range(80)]
    server.people.one_click = crowd
    page = Page(server.authorize(login_hint="p70@moot.example").text)
    assert len(page.forms[0].buttons) == 50
    assert page.forms[0].buttons[0] == ("account", "o70")
    assert "And 30 more" in page.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_another_sites_form_signs_nobody_in(server: Server, headers: dict[str, str]) -> None:
    first = server.authorize()
    answer = server.submit(first, Page(first.text).forms[0], headers=headers, account=ADA.oid)
    assert answer.status_code == 403
    assert "sent from another site" in Page(answer.text).text


def test_a_program_may_post_its_request(server: Server) -> None:
    """OpenID Connect Core §3.1.2.1: GET and POST; from the program's own origin, and nobody is signed in by it."""
    form = Page(server.authorize().text).forms[0].fields
    origin = {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "cross-site"}
    answer = server.http.post(f"{server.authority}/oauth2/v2.0/authorize", data=form, headers=origin)
    assert answer.status_code == 200
    assert "Sign in to" in Page(answer.text).text


def test_headers_of_a_page(server: Server) -> None:
    answer = server.authorize()
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'nonce-")
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert "form-action 'self' http://localhost:* " in policy
    assert "http://localhost:5000;" in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "access-control-allow-origin" not in answer.headers
    assert "http://" not in answer.text.replace("http://localhost:5000/back", "")  # nothing is fetched from anywhere


def test_no_session_so_no_silent_sign_in(server: Server) -> None:
    back = location(server.authorize(prompt="none"))
    assert back.params["error"] == "login_required"
    assert "AADSTS50058" in back.params["error_description"]


@pytest.mark.parametrize("prompt", ["login", "select_account", "consent"])
def test_other_prompts_show_the_page(server: Server, prompt: str) -> None:
    assert server.authorize(prompt=prompt).status_code == 200


# ── response modes ───────────────────────────────────────────────────────────────────────────────────────────────────
def test_fragment(server: Server) -> None:
    back = location(server.click(server.authorize(response_mode="fragment"), ADA))
    assert str(back).startswith(BACK + "#")
    assert back.fragment.endswith("&state=s&1")  # as httpx decodes it
    assert str(back).endswith("&state=s%261")


def test_form_post(server: Server) -> None:
    answer = server.click(server.authorize(response_mode="form_post"), ADA)
    [form] = Page(answer.text).forms
    assert (form.action, form.fields["state"]) == (BACK, "s&1")
    assert form.fields["code"]
    nonce = answer.text.partition('<script nonce="')[2].partition('"')[0]
    assert f"script-src 'nonce-{nonce}'" in answer.headers["content-security-policy"]
    assert "<noscript>" in answer.text


def test_out_of_band(server: Server) -> None:
    answer = server.click(server.authorize(redirect_uri="urn:ietf:wg:oauth:2.0:oob"), ADA)
    assert answer.status_code == 200
    assert "Copy this code" in Page(answer.text).text


def test_a_redirect_uri_with_a_query_keeps_it(server: Server) -> None:
    back = location(server.click(server.authorize(redirect_uri=BACK + "?a=b%20c"), ADA))
    assert str(back).startswith(BACK + "?a=b%20c&code=")


def test_client_info_comes_when_asked(server: Server) -> None:
    assert "client_info" in location(server.click(server.authorize(client_info="1"), ADA)).params


# ── requests that cannot be answered ─────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/",
        "http://localhost.evil.example/",
        "http://localhost:5000@evil.example/",
        "http://user@localhost:5000/",
        "http://localhost:5000\\@evil.example/",
        "http://localhost:5000/#x",
        "http://localhost:5000/#",
        "http://localhost:99999/",
        "http://[::1/",
        "http://[::1]evil.example/",
        "http://[::1]5000/",
        "http://localhost:5000/\r\nSet-Cookie: a=b",
        "http://localhost:5000/é",
        "//localhost/",
        "javascript:alert(1)",
        "myapp://auth",
        "http://localhost:5000/" + "x" * 3000,
    ],
)
def test_an_unregistered_redirect_uri_is_a_page_never_a_redirect(server: Server, uri: str) -> None:
    answer = server.authorize(redirect_uri=uri)
    assert answer.status_code == 400
    assert "AADSTS50011" in Page(answer.text).text
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost",
        "http://localhost:8400",
        "https://localhost:3000/a/b?c=d",
        "http://127.0.0.1:1/",
        "http://[::1]:8400/x",
        "https://login.microsoftonline.com/common/oauth2/nativeclient",
    ],
)
def test_registered_redirect_uris(server: Server, uri: str) -> None:
    page = server.authorize(redirect_uri=uri)
    assert str(location(server.click(page, ADA))).startswith(uri)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"client_id": None}, "client_id"),
        ({"client_id": "00000000-0000-4000-8000-000000000000"}, "AADSTS700016"),
        ({"client_id": "x\0"}, "AADSTS700016"),
        ({"redirect_uri": None}, "redirect_uri"),
    ],
)
def test_an_unknown_program_is_a_page(server: Server, changed: dict[str, str | None], says: str) -> None:
    answer = server.authorize(**changed)
    assert answer.status_code == 400
    assert says in Page(answer.text).text


@pytest.mark.parametrize(
    ("changed", "error", "code"),
    [
        ({"response_type": "token"}, "unsupported_response_type", "AADSTS700054"),
        ({"response_type": None}, "invalid_request", "AADSTS900144"),
        ({"response_mode": "smoke"}, "invalid_request", "AADSTS70007"),
        ({"scope": None}, "invalid_request", "AADSTS900144"),
        ({"scope": "https://vault.azure.net/.default"}, "invalid_resource", "AADSTS500011"),
        ({"scope": "what?"}, "invalid_scope", "AADSTS70011"),
        ({"code_challenge": "x" * 43}, "invalid_request", "AADSTS501491"),
        ({"code_challenge": "short", "code_challenge_method": "S256"}, "invalid_request", "AADSTS501491"),
        ({"code_challenge": "x" * 43, "code_challenge_method": "plain"}, "invalid_request", "AADSTS501491"),
    ],
)
def test_other_refusals_go_back_to_the_program(
    server: Server, changed: dict[str, str | None], error: str, code: str
) -> None:
    back = location(server.authorize(**changed))
    assert (back.params["error"], back.params["state"]) == (error, "s&1")
    assert back.params["error_description"].startswith(code)


@pytest.mark.parametrize("query", ["%ff=%ff", "client_id=a&client_id=b", "&&&=", "client_id[]=1", "a" * 5000])
def test_odd_queries_are_a_page(server: Server, query: str) -> None:
    assert server.http.get(f"{server.authority}/oauth2/v2.0/authorize?{query}").status_code == 400


def test_odd_bodies_are_a_page(server: Server) -> None:
    for path in ("oauth2/v2.0/authorize", "oauth2/deviceauth", "oauth2/v2.0/logout"):
        url = f"{server.authority}/{path}"
        assert server.http.post(url, json={}).status_code == 400
        assert server.http.post(url, data={"a": "x" * 70_000}).status_code == 413
        assert server.http.get(url.replace(TENANT, "elsewhere")).status_code == 400


# ── devices and signing out ──────────────────────────────────────────────────────────────────────────────────────────
def test_device_page(server: Server) -> None:
    asked = {"client_id": PUBLIC.id, "scope": "User.Read"}
    given = server.http.post(f"{server.authority}/oauth2/v2.0/devicecode", data=asked).json()
    first = server.http.get(given["verification_uri_complete"])
    [form] = Page(first.text).forms
    assert form.fields["user_code"] == given["user_code"]
    wrong = server.submit(first, form, user_code="AAAA")
    assert "not known" in Page(wrong.text).text
    second = server.submit(first, form)
    bad = server.submit(second, Page(second.text).forms[-1], username=ADA.upn, password="x")
    assert "AADSTS50126" in Page(bad.text).text
    forged = {"Sec-Fetch-Site": "cross-site"}
    assert server.submit(second, Page(second.text).forms[0], headers=forged, account=BOB.oid).status_code == 403
    assert "Tester & Sons" in Page(server.click(bad, BOB).text).text
    assert "was used" in Page(server.submit(second, Page(second.text).forms[0], account=ADA.oid).text).text


def test_logout(server: Server) -> None:
    url = f"{server.authority}/oauth2/v2.0/logout"
    assert "signed out" in Page(server.http.get(url).text).text
    there = {"post_logout_redirect_uri": "http://localhost:3000/bye", "state": "a b"}
    assert str(location(server.http.get(url, params=there))) == "http://localhost:3000/bye?state=a+b"
    for uri in ("https://evil.example/", "//evil.example", "http://localhost\\@evil.example"):
        assert server.http.get(url, params={"post_logout_redirect_uri": uri}).status_code == 200


def test_an_application_that_is_gone_is_a_page(server: Server) -> None:
    first = server.authorize(client_id=DAEMON.id)
    server.people.applications = {PUBLIC.id: msgspec.structs.replace(PUBLIC)}
    gone = server.submit(first, Page(first.text).forms[0], account=ADA.oid)
    assert "AADSTS700016" in Page(gone.text).text
