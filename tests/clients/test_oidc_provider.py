"""A production server and a certified OpenID provider (npm oidc-provider), neither of them changed for the other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from folkmoot import app
from folkmoot.auth.published import UNKNOWN_SECONDS
from folkmoot.auth.trust import Trust
from folkmoot.ops import directory
from folkmoot.store import everywhere
from tests.clients.provider import RESOURCE, Provider
from tests.harness import DOMAIN, GROUP, PERSON, Client, Graph, address


@pytest.fixture(scope="module", autouse=True)
def trust(provider: Provider) -> Iterator[None]:
    """The server trusts whom the system trusts, and that is the provider's authority."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(provider.ca))
        yield


class Moot:
    """A production server in this process, whose only issuer is the provider."""

    def __init__(self, seeded: Graph, provider: Provider, **trust: Any) -> None:
        self.seeded = seeded
        self.provider = provider
        seeded.clock.now = time.time()  # the provider's clock cannot be set
        said = Trust(issuer=provider.issuer, **{"audience": (RESOURCE,), **trust})
        settings = msgspec.structs.replace(seeded.settings, mode="production", issuers={"main": said})
        application = app.build(settings, seeded.store, seeded.clock)
        self.graph = Graph(seeded.store, seeded.clock, application, seeded.key, settings, seeded.loop)

    def with_token(self, token: str) -> Client:
        return Client(self.graph, token)

    def person(self, name: str) -> Client:
        return self.with_token(self.provider.person(name))

    def write(self, function: Any) -> Any:
        return self.graph.loop.run(self.graph.store.write(function))


PROVISIONING: dict[str, Any] = {"provision": "first-sign-in", "provision_domains": ("example.org",)}


def test_a_person_signs_in_for_the_first_time_and_takes_part(graph: Graph, provider: Provider) -> None:
    moot = Moot(graph, provider, **PROVISIONING)
    ada = moot.person("ada")
    me = ada.get("/me").json
    assert (me["displayName"], me["mail"], me["userPrincipalName"]) == (
        "Ada of the provider",
        "ada@example.org",
        "ada@example.org",
    )
    place = ada.start("From outside")
    assert ada.get(place.post_path()).json["from"]["emailAddress"]["address"] == "ada@example.org"
    # A new token is the same person.
    assert moot.person("ada").get("/me").json["id"] == me["id"]
    # Administration is nothing that comes with a token.
    assert ada.get(f"/groups/{GROUP['HR']}").status == 404


def test_without_provisioning_the_person_is_told_why(graph: Graph, provider: Provider) -> None:
    answer = Moot(graph, provider).person("ada").get("/me")
    assert answer.refusal == (403, "ErrorAccessDenied")
    assert "folkmoot person add" in answer.error["message"]


def test_an_address_that_the_provider_does_not_vouch_for_lets_nobody_in(graph: Graph, provider: Provider) -> None:
    answer = Moot(graph, provider, **PROVISIONING).person("eve").get("/me")
    assert answer.status == 403
    assert "verified mail address at example.org" in answer.error["message"]


def test_a_verified_address_finds_who_is_there(graph: Graph, provider: Provider) -> None:
    moot = Moot(graph, provider, link=("mail",))
    moot.write(lambda tx: directory.update_user(tx, PERSON["AdeleV"], {"mail": "adele@example.org"}))
    me = moot.person("adele").get("/me").json
    assert (me["id"], me["displayName"]) == (PERSON["AdeleV"], "Adele Vance")


def test_a_disabled_person_stays_out(graph: Graph, provider: Provider) -> None:
    moot = Moot(graph, provider, **PROVISIONING)
    ada = moot.person("ada")
    id = ada.get("/me").json["id"]
    moot.write(lambda tx: directory.update_user(tx, id, {"account_enabled": False}))
    for _ in range(2):
        assert ada.get("/me").status == 403
        graph.clock.advance(60)
    assert "disabled" in ada.get("/me").error["message"]


def test_an_application_by_itself(graph: Graph, provider: Provider) -> None:
    moot = Moot(graph, provider)
    daemon = moot.with_token(provider.application())
    assert daemon.get(f"/groups/{GROUP['HR']}").status == 200
    assert daemon.get("/me").status == 400
    # It is strict unless an operator registers it otherwise.
    post = {"body": {"contentType": "text", "content": "x"}}
    body = {"topic": "x", "threads": [{"posts": [post]}]}
    assert daemon.post(f"/groups/{GROUP['HR']}/conversations", body).status == 403
    without = moot.with_token(provider.application(scope=""))
    assert without.get(f"/groups/{GROUP['HR']}").status == 403


def test_a_token_for_somebody_else(graph: Graph, provider: Provider) -> None:
    moot = Moot(graph, provider, **PROVISIONING)
    answer = moot.with_token(provider.person("ada", resource="https://other.example.org")).get("/me")
    assert answer.refusal == (401, "InvalidAuthenticationToken")
    assert f"aud must be one of {RESOURCE}" in answer.error["message"]
    several = Moot(graph, provider, **PROVISIONING, audience=("x", "https://other.example.org"))
    assert several.with_token(provider.person("ada", resource="https://other.example.org")).get("/me").status == 200


@pytest.mark.parametrize("skew", [0, 60])
def test_an_expired_token(graph: Graph, provider: Provider, skew: int) -> None:
    moot = Moot(graph, provider, clock_skew=skew)
    daemon = moot.with_token(provider.application())
    ends = graph.clock.now + 120 + skew  # the provider's lifetime of a token
    graph.clock.now = ends - 30
    assert daemon.get("/groups").status == 200
    graph.clock.now = ends + 1
    assert "expired" in daemon.get("/groups").error["message"]


def test_the_provider_rotates_its_keys_while_both_run(graph: Graph, provider: Provider) -> None:
    moot = Moot(graph, provider)
    old = moot.with_token(provider.application())
    assert old.get("/groups").status == 200
    provider.rotate()
    new = moot.with_token(provider.application())
    assert new.get("/groups").status == 200
    assert old.get("/groups").status == 200
    # The old key is gone for good: what it signed is refused once the keys are known to be others.
    provider.drop()
    provider.rotate()
    graph.clock.advance(UNKNOWN_SECONDS)
    assert moot.with_token(provider.application()).get("/groups").status == 200
    assert "kid" in old.get("/groups").error["message"]


def test_development_takes_them_beside_its_own(graph: Graph, provider: Provider) -> None:
    said = Trust(issuer=provider.issuer, audience=(RESOURCE,))
    graph.clock.now = time.time()
    settings = msgspec.structs.replace(graph.settings, issuers={"main": said})
    both = Graph(graph.store, graph.clock, app.build(settings, graph.store, graph.clock), graph.key, settings,
                 graph.loop)  # fmt: skip
    assert both.as_("AdeleV").get("/me").status == 200
    assert Client(both, provider.application()).get("/groups").status == 200


def test_production_takes_nothing_of_the_development_issuer(graph: Graph, provider: Provider) -> None:
    moot = Moot(graph, provider)
    answer = moot.with_token(graph.token("daemon", None, ["Group.Read.All"])).get("/groups")
    assert answer.refusal == (401, "InvalidAuthenticationToken")
    assert moot.graph.send("GET", "https://localhost:8443/common/v2.0/.well-known/openid-configuration", None, {}
                           ).status != 200  # fmt: skip


def test_somebody_with_an_odd_name(graph: Graph, provider: Provider) -> None:
    moot = Moot(graph, provider, provision="first-sign-in", provision_as="guest", verified="")
    me = moot.person("o'neil").get("/me").json
    assert me["userPrincipalName"] == f"oneil@{DOMAIN}"
    assert me["mail"] == "o'neil@example.org"
    person = graph.store.read_here(lambda snapshot: everywhere.person(snapshot, me["id"]))
    assert person is not None
    assert person.guest
    assert address("AdeleV") != person.upn
