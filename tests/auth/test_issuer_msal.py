"""Real MSAL, unmodified, against the issuer: every grant that it has."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import msal  # type: ignore[import-untyped]
import msgspec
import pytest
import requests

from .support import ADA, BOB, DAEMON, DOMAIN, PASSWORD, PUBLIC, SECRET, TENANT, Page, Server

# What MSAL tells its callers of their choices, which are made on purpose here.
pytestmark = [
    pytest.mark.filterwarnings("ignore:This API has been deprecated for public client flows:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Using /common or /organizations authority:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:response_mode='form_post' is recommended:UserWarning"),
]
GRAPH = "https://graph.microsoft.com"


def public(server: Server, **options: Any) -> Any:
    options = {"authority": server.authority, "instance_discovery": False, "http_client": server.session} | options
    return msal.PublicClientApplication(PUBLIC.id, **options)


def daemon(server: Server, **options: Any) -> Any:
    options = {"authority": server.authority, "instance_discovery": False, "client_credential": SECRET} | options
    options.setdefault("http_client", server.session)
    return msal.ConfidentialClientApplication(DAEMON.id, **options)


def signed_in(server: Server, app: Any, scopes: list[str], mode: str = "form_post") -> dict[str, Any]:
    """Sign Ada in by the page, as a browser would, and let MSAL redeem the code."""
    back = "http://localhost:5000/back"
    flow = app.initiate_auth_code_flow(scopes, redirect_uri=back, login_hint="ada", response_mode=mode)
    answer = server.click(server.http.get(flow["auth_uri"]), ADA)
    if mode == "form_post":
        [form] = Page(answer.text).forms
        assert form.action == back
        given = form.fields
    else:
        location = httpx.URL(answer.headers["location"])
        assert str(location).startswith(back + "?")
        given = dict(location.params)
    result: dict[str, Any] = app.acquire_token_by_auth_code_flow(flow, given)
    assert "error" not in result, result
    return result


def test_a_daemon_gets_a_token_with_its_roles(server: Server) -> None:
    result = daemon(server).acquire_token_for_client([f"{GRAPH}/.default"])
    assert result["expires_in"] == 3599
    caller = server.validator.caller(result["access_token"])
    assert (caller.kind, caller.oid, caller.application) == ("app", DAEMON.principal, DAEMON.id)
    assert caller.permissions == {"Group.Read.All", "User.Read.All"}
    assert caller.tenant == TENANT


def test_a_daemon_finds_its_token_in_the_cache(server: Server) -> None:
    app = daemon(server)
    first = app.acquire_token_for_client([f"{GRAPH}/.default"])
    again = app.acquire_token_for_client([f"{GRAPH}/.default"])
    assert again["token_source"] == "cache"
    assert again["access_token"] == first["access_token"]


def test_a_daemon_with_a_wrong_secret_is_told_so(server: Server) -> None:
    result = daemon(server, client_credential="wrong").acquire_token_for_client([f"{GRAPH}/.default"])
    assert result["error"] == "invalid_client"
    assert result["error_description"].startswith("AADSTS7000215: Invalid client secret provided.")
    assert result["error_codes"] == [7000215]


@pytest.mark.parametrize("tenant", [TENANT, TENANT.upper(), DOMAIN, "common", "organizations"])
def test_every_name_of_the_tenant_is_an_authority(server: Server, tenant: str) -> None:
    result = daemon(server, authority=f"{server.base}/{tenant}").acquire_token_for_client([f"{GRAPH}/.default"])
    assert server.validator.caller(result["access_token"]).tenant == TENANT


def test_an_unknown_tenant_is_no_authority(server: Server) -> None:
    with pytest.raises(ValueError, match="double check your tenant name"):
        daemon(server, authority=f"{server.base}/elsewhere.example").acquire_token_for_client([f"{GRAPH}/.default"])


def test_instance_discovery_may_be_asked_here(server: Server) -> None:
    discovery = f"{server.base}/common/discovery/instance"
    result = daemon(server, instance_discovery=discovery).acquire_token_for_client([f"{GRAPH}/.default"])
    assert "access_token" in result


def test_as_an_openid_connect_authority(server: Server) -> None:
    app = msal.ConfidentialClientApplication(
        DAEMON.id,
        client_credential=SECRET,
        oidc_authority=f"{server.authority}/v2.0",
        http_client=server.session,
    )
    assert "access_token" in app.acquire_token_for_client([f"{GRAPH}/.default"])


@pytest.mark.parametrize("mode", ["form_post", "query"])
def test_signing_in_with_a_code_and_pkce(server: Server, mode: str) -> None:
    app = public(server)
    result = signed_in(server, app, ["User.Read"], mode)
    claims = result["id_token_claims"]
    assert (claims["oid"], claims["tid"], claims["aud"]) == (ADA.oid, TENANT, PUBLIC.id)
    assert (claims["name"], claims["preferred_username"]) == ("Ada Byron", "ada@moot.example")
    assert claims["iss"] == f"{server.authority}/v2.0"
    caller = server.validator.caller(result["access_token"])
    assert (caller.kind, caller.oid, caller.upn, caller.name) == ("person", ADA.oid, ADA.upn, ADA.name)
    assert caller.permissions >= {"User.Read"}
    assert not caller.personal
    [account] = app.get_accounts()
    assert account["username"] == ADA.upn
    assert account["home_account_id"] == f"{ADA.oid}.{TENANT}"


def test_a_web_app_signs_in_with_its_secret(server: Server) -> None:
    result = signed_in(server, daemon(server), ["User.Read"])
    assert server.validator.caller(result["access_token"]).application == DAEMON.id


def test_silently_from_the_cache_then_by_refresh_token(server: Server) -> None:
    app = public(server)
    signed_in(server, app, ["User.Read", "Group.Read.All"])
    [account] = app.get_accounts()
    cached = app.acquire_token_silent_with_error(["Group.Read.All"], account)
    assert cached["token_source"] == "cache"
    fresh = app.acquire_token_silent_with_error(["User.Read", "Group.Read.All"], account, force_refresh=True)
    assert fresh["token_source"] == "identity_provider"
    assert server.validator.caller(fresh["access_token"]).oid == ADA.oid


def test_refreshing_may_ask_for_fewer_permissions(server: Server) -> None:
    app = public(server)
    signed_in(server, app, ["User.Read", "Group.Read.All"])
    [account] = app.get_accounts()
    less = app.acquire_token_silent_with_error(["User.Read"], account, force_refresh=True)
    permissions = server.validator.caller(less["access_token"]).permissions
    assert "User.Read" in permissions
    assert "Group.Read.All" not in permissions
    # and the new refresh token is good for all of them still
    both = app.acquire_token_silent_with_error(["User.Read", "Group.Read.All"], account, force_refresh=True)
    assert server.validator.caller(both["access_token"]).permissions >= {"User.Read", "Group.Read.All"}


def test_refreshing_cannot_ask_for_more_than_was_agreed(server: Server) -> None:
    app = public(server)
    signed_in(server, app, ["User.Read"])
    [account] = app.get_accounts()
    more = app.acquire_token_silent_with_error(["Mail.Send"], account)
    assert more["error"] == "invalid_grant"
    assert "AADSTS65001" in more["error_description"]


def test_default_stands_for_the_applications_permissions(server: Server) -> None:
    app = public(server)
    result = signed_in(server, app, [f"{GRAPH}/.default"])
    assert server.validator.caller(result["access_token"]).permissions >= set(PUBLIC.scopes)
    [account] = app.get_accounts()
    for scopes in ([f"{GRAPH}/.default"], [f"{GRAPH}/User.Read"]):
        assert app.acquire_token_silent_with_error(scopes, account)["token_source"] == "cache"


def approve(server: Server, flow: dict[str, Any], *, cancel: bool = False) -> str:
    """Enter the code on the device page and sign in as Bob. Answers what the page says in the end."""
    first = server.http.get(flow["verification_uri"])
    typed = flow["user_code"][:4].lower() + "-" + flow["user_code"][4:]
    second = server.submit(first, Page(first.text).forms[0], user_code=typed)
    assert "Tester & Sons" in Page(second.text).text
    assert flow["user_code"] in Page(second.text).text
    passwords = Page(second.text).forms[-1]
    done = server.submit(second, passwords, action="cancel") if cancel else server.click(second, BOB)
    assert done.status_code == 200
    return Page(done.text).text


def test_device_code(server: Server) -> None:
    app = public(server)
    flow = app.initiate_device_flow(["User.Read"])
    assert flow["verification_uri"] == f"{server.base}/common/oauth2/deviceauth"
    assert flow["user_code"] in flow["message"]
    assert flow["verification_uri"] in flow["message"]
    waiting = app.acquire_token_by_device_flow(flow, exit_condition=lambda flow: True)
    assert waiting["error"] == "authorization_pending"
    assert "You are signed in" in approve(server, flow)
    flow["latest_attempt_at"] = 0  # or MSAL warns that it was asked again too soon
    result = app.acquire_token_by_device_flow(flow, exit_condition=lambda flow: True)
    assert result["id_token_claims"]["oid"] == BOB.oid
    again = app.acquire_token_by_device_flow(flow | {"latest_attempt_at": 0}, exit_condition=lambda flow: True)
    assert again["error"] == "invalid_grant"


def test_device_code_of_somebody_disabled_meanwhile(server: Server) -> None:
    app = public(server)
    flow = app.initiate_device_flow(["User.Read"])
    approve(server, flow)
    server.people.everyone = [msgspec.structs.replace(BOB, enabled=False)]
    result = app.acquire_token_by_device_flow(flow, exit_condition=lambda flow: True)
    assert result["error_codes"] == [50057]


def test_device_code_declined(server: Server) -> None:
    app = public(server)
    flow = app.initiate_device_flow(["User.Read"])
    assert "cancelled" in approve(server, flow, cancel=True)
    assert app.acquire_token_by_device_flow(flow, exit_condition=lambda flow: True)["error"] == "authorization_declined"


def test_device_code_expired(server: Server) -> None:
    app = public(server)
    flow = app.initiate_device_flow(["User.Read"])
    server.clock.ahead = 901
    assert app.acquire_token_by_device_flow(flow, exit_condition=lambda flow: True)["error"] == "expired_token"
    page = server.http.get(flow["verification_uri"])
    late = server.submit(page, Page(page.text).forms[0], user_code=flow["user_code"])
    assert "has expired" in Page(late.text).text


class OnThisPort(requests.Session):
    """MSAL asks for the user's realm without the authority's port (R4). This puts the port back; nothing else."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.server = server

    def request(self, method: str, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:  # type: ignore[override, unused-ignore]
        given = url if isinstance(url, str) else url.decode()
        if given.startswith("https://localhost/"):
            given = given.replace("https://localhost/", self.server.base + "/", 1)
        return super().request(method, given, *args, **kwargs)


def test_user_name_and_password(server: Server) -> None:
    with OnThisPort(server) as session:
        app = public(server, http_client=session)
        result = app.acquire_token_by_username_password("ADA@moot.example", PASSWORD, ["User.Read"])
        assert result["id_token_claims"]["oid"] == ADA.oid
        wrong = app.acquire_token_by_username_password("ada@moot.example", "guess", ["User.Read"])
        assert wrong["error_codes"] == [50126]
        nobody = app.acquire_token_by_username_password("eve@moot.example", "guess", ["User.Read"])
        assert nobody["error_codes"] == [50034]


def test_client_info_names_the_account(server: Server) -> None:
    """R10: unpadded base64url of uid and utid, when it is asked for."""
    answer = server.token(
        grant_type="authorization_code",
        client_id=PUBLIC.id,
        code=server.code(),
        redirect_uri="http://localhost:5000/back",
        client_info="1",
    ).json()
    text = answer["client_info"]
    assert "=" not in text
    padded = text + "=" * (-len(text) % 4)
    assert json.loads(base64.urlsafe_b64decode(padded)) == {"uid": ADA.oid, "utid": TENANT}
