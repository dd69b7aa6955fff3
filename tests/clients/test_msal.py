"""MSAL, unmodified, against the whole server: what it signs in, the Graph lets in."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import httpx
import msal  # type: ignore[import-untyped]
import pytest
import requests

from tests.clients.browser import Browser
from tests.clients.sdk import SALES, person
from tests.server import Server


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """MSAL's connections, closed in the end."""
    with requests.Session() as opened:
        yield opened


def called(server: Server, path: str, token: str) -> httpx.Response:
    """A GET with a token and nothing else."""
    trusted = ssl.create_default_context(cafile=server.ca)
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{server.https}/v1.0{path}", headers=headers, verify=trusted)


def test_a_device_signs_a_person_in(server: Server, browser: Browser, session: requests.Session) -> None:
    megan = person(server, "MeganB")
    app = msal.PublicClientApplication(
        server.facts["applications"]["publicClient"]["clientId"],
        authority=server.facts["tenant"]["authority"],
        instance_discovery=False,
        http_client=session,
    )
    flow = app.initiate_device_flow(["User.Read", "Group.Read.All"])
    assert flow["user_code"] in flow["message"]
    said = browser.enter(flow["verification_uri"], flow["user_code"], megan["id"])
    assert "signed in as Megan Bowen" in said
    result = app.acquire_token_by_device_flow(flow)

    me = called(server, "/me", result["access_token"]).json()
    assert (me["id"], me["userPrincipalName"]) == (megan["id"], megan["upn"])
    assert called(server, f"/groups/{SALES}/threads", result["access_token"]).status_code == 200

    [account] = app.get_accounts()
    assert account["username"] == megan["upn"]
    renewed = app.acquire_token_silent_with_error(["User.Read"], account, force_refresh=True)
    assert called(server, "/me", renewed["access_token"]).json()["id"] == megan["id"]
    assert called(server, f"/groups/{SALES}/threads", renewed["access_token"]).status_code == 403


def test_permissions_may_be_asked_for_in_any_case(server: Server, browser: Browser, session: requests.Session) -> None:
    app = msal.PublicClientApplication(
        server.facts["applications"]["publicClient"]["clientId"],
        authority=server.facts["tenant"]["authority"],
        instance_discovery=False,
        http_client=session,
    )
    flow = app.initiate_device_flow(["user.read"])
    browser.enter(flow["verification_uri"], flow["user_code"], person(server, "MeganB")["id"])
    token = app.acquire_token_by_device_flow(flow)["access_token"]
    assert called(server, "/me", token).status_code == 200
    [account] = app.get_accounts()
    for scope in ("user.read", "User.Read"):
        assert app.acquire_token_silent([scope], account)["access_token"] == token


def test_whoever_is_disabled_is_told_so(server: Server) -> None:
    name = f"dora@{server.facts['tenant']['domain']}"
    known = {"displayName": "Dora", "mailNickname": "dora", "userPrincipalName": name}
    made = known | {"accountEnabled": False, "passwordProfile": {"password": "open sesame"}}
    form = {
        "grant_type": "password",
        "client_id": server.facts["applications"]["publicClient"]["clientId"],
        "scope": "User.Read",
        "username": name,
        "password": "open sesame",
    }
    admin = {"Authorization": f"Bearer {server.token('--person', 'admin', '--scope', 'User.ReadWrite.All')}"}
    with httpx.Client(verify=ssl.create_default_context(cafile=server.ca)) as http:
        assert http.post(f"{server.https}/v1.0/users", json=made, headers=admin).status_code == 201
        refused = http.post(f"{server.facts['tenant']['authority']}/oauth2/v2.0/token", data=form).json()
    assert (refused["error"], refused["error_codes"]) == ("invalid_grant", [50057])


def test_a_changed_password_ends_what_was_signed_in_before(server: Server, session: requests.Session) -> None:
    name = f"dave@{server.facts['tenant']['domain']}"
    known = {"displayName": "Dave", "mailNickname": "dave", "userPrincipalName": name, "accountEnabled": True}
    url = f"{server.facts['tenant']['authority']}/oauth2/v2.0/token"
    client = {"client_id": server.facts["applications"]["publicClient"]["clientId"]}
    form = client | {"grant_type": "password", "scope": "User.Read offline_access", "username": name}
    admin = {"Authorization": f"Bearer {server.token('--person', 'admin', '--scope', 'User.ReadWrite.All')}"}
    with httpx.Client(verify=ssl.create_default_context(cafile=server.ca)) as http:
        made = known | {"passwordProfile": {"password": "open sesame"}}
        id = http.post(f"{server.https}/v1.0/users", json=made, headers=admin).json()["id"]
        signed_in = http.post(url, data=form | {"password": "open sesame"}).json()
        refresh = client | {"grant_type": "refresh_token", "refresh_token": signed_in["refresh_token"]}
        assert http.post(url, data=refresh).status_code == 200
        changed = {"passwordProfile": {"password": "close sesame"}}
        assert http.patch(f"{server.https}/v1.0/users/{id}", json=changed, headers=admin).status_code == 204
        refused = http.post(url, data=refresh).json()
        again = http.post(url, data=form | {"password": "close sesame"}).json()
        refresh["refresh_token"] = again["refresh_token"]
        assert http.post(url, data=refresh).status_code == 200
    assert (refused["error"], refused["error_codes"]) == ("invalid_grant", [50173])
    # the access token is good for its hour still, as in the cloud
    assert called(server, "/me", signed_in["access_token"]).status_code == 200


def test_a_daemon_signs_itself_in(server: Server, session: requests.Session) -> None:
    known = server.facts["applications"]["daemon"]
    app = msal.ConfidentialClientApplication(
        known["clientId"],
        client_credential=known["secret"],
        authority=server.facts["tenant"]["authority"],
        instance_discovery=False,
        http_client=session,
    )
    token = app.acquire_token_for_client(["https://graph.microsoft.com/.default"])["access_token"]
    assert called(server, f"/groups/{SALES}/conversations", token).status_code == 200
    refused = called(server, "/me", token)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "BadRequest")
