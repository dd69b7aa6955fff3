"""Real azure-identity credentials, unmodified, against the issuer."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import httpx
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import (
    AuthorizationCodeCredential,
    ClientSecretCredential,
    DeviceCodeCredential,
    InteractiveBrowserCredential,
)

from .support import ADA, BOB, DAEMON, PUBLIC, SECRET, TENANT, Page, Server

DEFAULT = "https://graph.microsoft.com/.default"


def aimed(server: Server) -> dict[str, Any]:
    return {"authority": server.base, "disable_instance_discovery": True}


@pytest.mark.parametrize("scope", [DEFAULT, "https://localhost/.default", "https://graph.microsoft.com//.default"])
def test_client_secret(server: Server, scope: str) -> None:
    with ClientSecretCredential(TENANT, DAEMON.id, SECRET, **aimed(server)) as credential:
        token = credential.get_token(scope)
    caller = server.validator.caller(token.token)
    assert (caller.kind, caller.permissions) == ("app", frozenset(DAEMON.roles))


def test_client_secret_with_claims_as_the_sdk_sends_them(server: Server) -> None:
    with ClientSecretCredential(TENANT, DAEMON.id, SECRET, **aimed(server)) as credential:
        assert credential.get_token(DEFAULT, enable_cae=True).token


def test_wrong_client_secret_is_named(server: Server) -> None:
    with (
        ClientSecretCredential(TENANT, DAEMON.id, "wrong", **aimed(server)) as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS7000215"),
    ):
        credential.get_token(DEFAULT)


def test_device_code(server: Server) -> None:
    def prompt(page: str, user_code: str, expires: dt.datetime) -> None:
        first = server.http.get(page)
        second = server.submit(first, Page(first.text).forms[0], user_code=user_code)
        assert server.click(second, BOB).status_code == 200

    options = aimed(server) | {"tenant_id": TENANT, "prompt_callback": prompt}
    with DeviceCodeCredential(PUBLIC.id, **options) as credential:
        token = credential.get_token("User.Read")
        assert server.validator.caller(token.token).oid == BOB.oid
        # the account is remembered: no second prompt, and a refresh token for what the application has anyway
        assert server.validator.caller(credential.get_token("Group.ReadWrite.All").token).oid == BOB.oid


@pytest.mark.parametrize("scope", ["User.Read", "https://graph.microsoft.com/User.Read offline_access"])
def test_authorization_code_without_pkce_and_without_openid(server: Server, scope: str) -> None:
    code = server.code(scope=scope)
    redirect = "http://localhost:5000/back"
    with AuthorizationCodeCredential(TENANT, PUBLIC.id, code, redirect, **aimed(server)) as credential:
        token = credential.get_token("User.Read")
        assert server.validator.caller(token.token).oid == ADA.oid


def test_authorization_code_of_a_web_app(server: Server) -> None:
    code = server.code(client_id=DAEMON.id, scope="User.Read offline_access")
    options = aimed(server) | {"client_secret": SECRET}
    with AuthorizationCodeCredential(TENANT, DAEMON.id, code, "http://localhost:5000/back", **options) as credential:
        assert server.validator.caller(credential.get_token(DEFAULT).token).application == DAEMON.id


def test_interactive_browser(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The credential listens on a loopback port and takes the answer by form_post; the "browser" is a thread here."""
    said: list[str] = []

    def browse(url: str) -> None:
        posted = server.click(server.http.get(url), ADA)
        [form] = Page(posted.text).forms  # the page that sends itself on
        said.append(httpx.post(form.action, data=form.fields).text)

    threads: list[threading.Thread] = []

    def open_browser(url: str, *args: object) -> bool:
        threads.append(threading.Thread(target=browse, args=(url,)))
        threads[0].start()
        return True

    monkeypatch.setattr("webbrowser.open", open_browser)
    options = aimed(server) | {"tenant_id": TENANT, "client_id": PUBLIC.id, "timeout": 20}
    with InteractiveBrowserCredential(**options) as credential:
        token = credential.get_token("User.Read")
    threads[0].join(10)
    assert server.validator.caller(token.token).oid == ADA.oid
    assert "Authentication complete" in said[0]
