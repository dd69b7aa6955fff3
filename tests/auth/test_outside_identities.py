"""Tokens of an outside issuer: believed or not, and whom they mean in this server's directory."""

from __future__ import annotations

import asyncio
import base64
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from joserfc import jws
from joserfc.jwk import OctKey

from folkmoot import app, lab
from folkmoot.auth.identities import REMEMBERED_SECONDS, Identities, Outside
from folkmoot.auth.tokens import GRAPH_AUDIENCES, PERSONAL_TENANT, AnyOrigin, TrustedIssuer, Validator
from folkmoot.auth.trust import Trust
from folkmoot.config import Settings, SettingWrong
from folkmoot.model import Caller, UserDraft
from folkmoot.ops import directory, identities
from folkmoot.refusals import Busy, NotAdmitted, TokenInvalid
from folkmoot.store import everywhere
from folkmoot.store import identities as rows
from folkmoot.store.db import Store
from folkmoot.store.postgres import PostgresStore
from tests.harness import APPLICATIONS, DOMAIN, PERSON, Graph, address

from .outside import AUDIENCE, ISSUER, JWKS, FakeIssuer, ec_key, public

TENANT = Settings().tenant_id
ADA = identities.made_id(ISSUER, "person", "ada")


class World:
    """A server on a store, which trusts one outside issuer."""

    def __init__(self, graph: Graph, **trust: Any) -> None:
        self.graph = graph
        self.issuer = FakeIssuer()
        self.trust = Trust(issuer=ISSUER, audience=(AUDIENCE,), **trust)
        self.identities = self.server()

    def server(self, store: Store | None = None) -> Identities:
        """Another server on the same database."""
        outside = Outside(self.trust, self.graph.clock, domain=DOMAIN, fetch=self.issuer.fetch)
        own = Validator([TrustedIssuer(AnyOrigin(f"/{TENANT}/v2.0"), GRAPH_AUDIENCES, self.graph.key.key_set)],
                        self.graph.clock)  # fmt: skip
        return Identities(store or self.graph.store, own, [outside], tenant=TENANT)

    def caller(self, token: str | None = None, **claims: Any) -> Caller:
        return self.graph.loop.run(self.identities.caller(token or self.token(**claims)))

    def token(self, **claims: Any) -> str:
        return self.issuer.token(self.graph.clock(), **claims)

    def write(self, function: Any) -> Any:
        return self.graph.loop.run(self.graph.store.write(function))

    def user(self, id: str) -> Any:
        return self.graph.store.read_here(lambda snapshot: everywhere.person(snapshot, id))

    def refused(self, kind: type[Exception], said: str, token: str | None = None, **claims: Any) -> None:
        with pytest.raises(kind, match=said):
            self.caller(token, **claims)


OPEN: dict[str, Any] = {"provision": "first-sign-in"}


# ── whether a token is believed ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"aud": "another"}, f"aud must be one of {AUDIENCE}"),
        ({"aud": ["another", "more"]}, "Invalid audience"),
        ({"aud": None}, "aud"),
        ({"exp": None}, "exp"),
        ({"exp": "soon"}, "exp"),
        ({"nbf": [1]}, "nbf"),
        ({"iss": "https://elsewhere.example.org"}, "not trusted"),
        ({"iss": 1}, "names its issuer"),
        ({"sub": None}, "no sub claim"),
        ({"sub": "  "}, "no sub claim"),
        ({"sub": "x" * 257}, "longer than 256"),
        ({"client_id": None}, "azp or client_id or appid"),
        ({"typ": "ID"}, "not an access token"),
        ({"at_hash": "x"}, "not an access token"),
        ({"cnf": {"jkt": "x"}}, "bound to a key of its client"),
    ],
)
def test_wrong_claims(graph: Graph, claims: dict[str, Any], said: str) -> None:
    World(graph, **OPEN).refused(TokenInvalid, said, **claims)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"kid": "unknown"}, "kid"),
        ({"typ": "logout+jwt"}, "typ"),
        ({"typ": "dpop+jwt"}, "typ"),
        ({"typ": 5}, "typ"),
    ],
)
def test_wrong_headers(graph: Graph, header: dict[str, Any], said: str) -> None:
    world = World(graph, **OPEN)
    good = world.token()
    _, payload, signature = good.split(".")
    key = world.issuer.keys[0]
    said_header = {"alg": "ES256", "kid": key.kid, **header}
    first = base64.urlsafe_b64encode(msgspec.json.encode(said_header)).rstrip(b"=").decode()
    world.refused(TokenInvalid, said, f"{first}.{payload}.{signature}")


def test_a_key_that_only_has_the_right_name(graph: Graph) -> None:
    world = World(graph, **OPEN)
    world.refused(TokenInvalid, "signature", world.token(key=ec_key("first")))


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_algorithms_that_prove_nothing(graph: Graph, algorithm: str) -> None:
    world = World(graph, **OPEN)
    _, payload, _ = world.token().split(".")
    head = base64.urlsafe_b64encode(msgspec.json.encode({"alg": algorithm, "kid": "first"})).rstrip(b"=").decode()
    forged = f"{head}.{payload}.AAAA"
    if algorithm == "HS256":
        published = OctKey.import_key(msgspec.json.encode(world.issuer.keys[0].as_dict(private=False)))
        claims = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        forged = jws.serialize_compact({"alg": "HS256", "kid": "first"}, claims, published, ["HS256"])
    world.refused(TokenInvalid, "algorithm", forged)


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "JWT", "AT+JWT"])
def test_types_of_access_tokens(graph: Graph, typ: str) -> None:
    assert World(graph, **OPEN).caller(header={"typ": typ}).oid == ADA


@pytest.mark.parametrize("skew", [0, 60, 300])
def test_the_clock_skew_is_given_on_both_sides(graph: Graph, skew: int) -> None:
    world = World(graph, **OPEN, clock_skew=skew)
    now = graph.clock.now
    token = world.token(nbf=int(now) + 400, exp=int(now) + 1000)
    graph.clock.now = now + 399 - skew
    world.refused(TokenInvalid, "not yet valid", token)
    graph.clock.now = now + 400 - skew
    assert world.caller(token).oid == ADA
    graph.clock.now = now + 999 + skew
    assert world.caller(token).oid == ADA
    graph.clock.now = now + 1000 + skew
    world.refused(TokenInvalid, "expired", token)


def test_keys_rotate_while_tokens_come(graph: Graph) -> None:
    world = World(graph, **OPEN)
    old = world.token()
    assert world.caller(old).oid == ADA
    world.issuer.rotate("second")
    assert world.caller(world.token()).oid == ADA
    # What was seen a moment ago is believed for that moment; a key that is gone opens nothing after it.
    graph.clock.advance(REMEMBERED_SECONDS)
    world.refused(TokenInvalid, "kid", old)


def test_an_issuer_that_was_never_there_is_no_verdict(graph: Graph) -> None:
    world = World(graph, **OPEN)
    world.issuer.away = True
    world.refused(Busy, "try again")


def test_our_own_tokens_are_taken_beside(graph: Graph) -> None:
    world = World(graph, **OPEN)
    own = graph.as_("AdeleV").token
    assert own is not None
    assert world.caller(own).oid == PERSON["AdeleV"]
    assert world.caller(own).oid == PERSON["AdeleV"]
    assert world.issuer.asked == []


def test_what_is_no_token(graph: Graph) -> None:
    world = World(graph)
    for token in ("x", "a.b.c", "a.b", "x" * 20_000, "e30.e30.AA"):
        world.refused(TokenInvalid, "token", token)


@pytest.mark.parametrize("claim", [b'"name":"\xff"', b'"\xff":1', b'"name":1e999', b'"name":' + b"9" * 5000])
def test_claims_that_cannot_be_read(graph: Graph, claim: bytes) -> None:
    header, payload, signature = World(graph).token().split(".")
    said = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).removesuffix(b"}") + b"," + claim + b"}"
    token = f"{header}.{base64.urlsafe_b64encode(said).decode().rstrip('=')}.{signature}"
    World(graph).refused(TokenInvalid, "claim", token)


# ── applications ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_application_by_itself(graph: Graph) -> None:
    caller = World(graph).caller(sub="daemon", client_id="daemon", scope=None, roles=["Group.Read.All"])
    assert (caller.kind, caller.permissions) == ("app", frozenset({"Group.Read.All"}))
    assert caller.application == identities.made_id(ISSUER, "app", "daemon")
    assert caller.tenant == TENANT


@pytest.mark.parametrize(
    ("is_app", "claims", "app"),
    [
        ((), {"sub": "x"}, False),
        ((), {"sub": "moot-web"}, True),
        ((), {"sub": "moot-web", "idtyp": "user"}, False),
        ((), {"sub": "x", "idtyp": "app"}, True),
        (("preferred_username=service-account-*",), {"preferred_username": "service-account-moot"}, True),
        (("preferred_username=service-account-*",), {"sub": "moot-web"}, False),
        (("kind.of=daemon",), {"kind": {"of": ["daemon"]}}, True),
        (("gty",), {"gty": "client-credentials"}, True),
        (("!scope",), {"scope": None}, True),
        (("!scope",), {}, False),
    ],
)
def test_what_makes_it_an_application(graph: Graph, is_app: tuple[str, ...], claims: dict[str, Any], app: bool) -> None:
    assert World(graph, **OPEN, is_app=is_app).caller(**claims).kind == ("app" if app else "person")


def test_a_client_id_that_is_a_guid_is_the_applications_id(graph: Graph) -> None:
    extended = APPLICATIONS["extended"]
    caller = World(graph).caller(sub=extended.id.upper(), client_id=extended.id.upper())
    assert (caller.application, caller.oid) == (extended.id, lab.principal(extended))


def test_a_client_id_that_was_linked_is_the_application(graph: Graph) -> None:
    world = World(graph, applications="registered", permissions_from="registration")
    world.refused(NotAdmitted, "'daemon' .* is not registered", sub="daemon", client_id="daemon")
    world.write(lambda tx: identities.link(tx, ISSUER, "app", "daemon", lab.DAEMON.id))
    caller = world.caller(sub="daemon", client_id="daemon", scope="Files.Read.All")
    assert (caller.application, caller.oid) == (lab.DAEMON.id, lab.principal(lab.DAEMON))
    assert caller.permissions == {*lab.DAEMON.roles, "Files.Read.All"}


def test_permissions_are_said_in_many_words(graph: Graph) -> None:
    world = World(
        graph,
        **OPEN,
        permissions=("scope", "realm_access.roles", "https://moot.example/groups"),
        permission_map={"moot:write": ("Group.ReadWrite.All", "User.Read")},
    )
    claims: dict[str, Any] = {
        "scope": "openid moot:write",
        "realm_access": {"roles": ["GroupMember.Read.All", 5]},
        "https://moot.example/groups": ["User.ReadBasic.All"],
    }
    caller = world.caller(**claims)
    wanted = {"openid", "Group.ReadWrite.All", "User.Read", "GroupMember.Read.All", "User.ReadBasic.All"}
    assert caller.permissions == wanted


# ── people ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_provisioning_an_unknown_person_is_told_so(graph: Graph) -> None:
    World(graph).refused(NotAdmitted, "not in this server's directory.*folkmoot person add.*folkmoot person link")


def test_the_first_sign_in_adds_the_person(graph: Graph) -> None:
    world = World(graph, **OPEN)
    caller = world.caller()
    assert (caller.kind, caller.oid, caller.name, caller.upn) == ("person", ADA, "Ada Byron", "ada@example.org")
    assert "Group.Read.All" in caller.permissions
    person = world.user(ADA)
    assert (person.mail, person.guest, person.enabled, person.admin) == ("ada@example.org", False, True, False)
    # Another server, another day.
    graph.clock.advance(86_400)
    world.identities = world.server()
    assert world.caller() == caller


def test_many_first_requests_at_once_add_one_person(graph: Graph) -> None:
    world = World(graph, **OPEN)
    servers = [world.server() for _ in range(3)]

    async def all_of_them() -> list[Caller]:
        return list(await asyncio.gather(*(each.caller(world.token()) for each in servers for _ in range(5))))

    assert {caller.oid for caller in graph.loop.run(all_of_them())} == {ADA}


def test_two_servers_on_one_database_add_one_person(graph: Graph) -> None:
    if not isinstance(graph.store, PostgresStore):
        pytest.skip("a SQLite file has one writer at a time")
    world = World(graph, **OPEN)
    with closing(PostgresStore(graph.store._url, graph.clock)) as other:
        servers = [world.server(), world.server(other)]

        async def both(name: str) -> list[Caller]:
            token = world.token(sub=name, email=f"{name}@example.org")
            return list(await asyncio.gather(*(each.caller(token) for each in servers)))

        for number in range(20):
            found = graph.loop.run(both(f"p{number}"))
            assert {caller.oid for caller in found} == {identities.made_id(ISSUER, "person", f"p{number}")}


def test_people_may_come_as_guests(graph: Graph) -> None:
    world = World(graph, **OPEN, provision_as="guest")
    assert world.user(world.caller().oid).guest


@pytest.mark.parametrize("claims", [{"email": "eve@evil.example"}, {"email_verified": False}, {"email": None}])
def test_people_of_other_domains_are_not_added(graph: Graph, claims: dict[str, Any]) -> None:
    world = World(graph, **OPEN, provision_domains=("Example.org",))
    world.refused(NotAdmitted, r"verified mail address at example\.org", **claims)
    assert world.caller().oid == ADA


@pytest.mark.parametrize(
    ("claims", "upn", "mail"),
    [
        ({"email_verified": False}, f"ada@{DOMAIN}", None),
        ({"email_verified": None}, f"ada@{DOMAIN}", None),
        ({"email_verified": "true"}, "ada@example.org", "ada@example.org"),
        # An address that nobody vouched for is not one that somebody may post as.
        ({"email": None, "preferred_username": "boss@example.org"}, f"boss@{DOMAIN}", None),
        ({"email": None, "preferred_username": address("AdeleV")}, f"AdeleV.{ADA[-12:]}@{DOMAIN}", None),
        ({"email": None, "preferred_username": "Ödön (1)"}, f"dn1@{DOMAIN}", None),
        ({"email": None, "preferred_username": "…"}, f"{ADA}@{DOMAIN}", None),
        ({"email": None, "preferred_username": None, "name": None}, f"{ADA}@{DOMAIN}", None),
    ],
)
def test_the_sign_in_name(graph: Graph, claims: dict[str, Any], upn: str, mail: str | None) -> None:
    world = World(graph, **OPEN)
    caller = world.caller(**claims)
    assert (caller.upn, world.user(caller.oid).mail) == (upn, mail)


NO_ADDRESSES = (
    "@example.org",
    "a b@example.org",
    "Ada <ada@example.org>",
    "a@b@example.org",
    "a" * 65 + "@example.org",
)


@pytest.mark.parametrize("mail", NO_ADDRESSES)
def test_a_mail_address_that_is_none_counts_as_none(graph: Graph, mail: str) -> None:
    world = World(graph, **OPEN, update=("mail",))
    assert world.caller(email=mail).upn == f"ada@{DOMAIN}"
    world.caller(email="ada@example.org")
    assert world.user(world.caller(email=mail, jti="again").oid).mail == "ada@example.org"


@pytest.mark.parametrize("claim", ["sub", "name", "preferred_username", "email", "client_id"])
def test_a_name_that_no_database_keeps_is_refused(graph: Graph, claim: str) -> None:
    World(graph, **OPEN).refused(TokenInvalid, f"claim {claim} has a NUL", **{claim: "a\0b@example.org"})


def test_a_mail_address_that_is_taken_opens_nothing(graph: Graph) -> None:
    world = World(graph, **OPEN)
    for nick in ("AdeleV", "SalesAndMarketing"):
        world.refused(NotAdmitted, "mail address of another", email=address(nick))


def test_the_mail_links_to_who_is_there(graph: Graph) -> None:
    world = World(graph, link=("mail",))
    world.refused(NotAdmitted, "not in this server's directory", email=address("AdeleV"), email_verified=False)
    caller = world.caller(email=address("AdeleV").upper())
    assert (caller.oid, caller.upn, caller.name) == (PERSON["AdeleV"], address("AdeleV"), "Adele Vance")
    # The subject is linked for good: a new address at the issuer makes nobody somebody else.
    world.identities = world.server()
    assert world.caller(email=address("MeganB")).oid == PERSON["AdeleV"]
    # And an address that the issuer gave to somebody new does not make them Adele.
    world.refused(NotAdmitted, "another subject", sub="new", email=address("AdeleV"))


def test_the_sign_in_name_links_to_who_is_there(graph: Graph) -> None:
    world = World(graph, link=("sign_in_name",))
    assert world.caller(preferred_username="adelev").oid == PERSON["AdeleV"]
    assert world.caller(sub="x", preferred_username=address("MeganB")).oid == PERSON["MeganB"]
    world.refused(NotAdmitted, "not in this server's directory", sub="y", preferred_username="nobody")


@pytest.mark.parametrize("subject", ["squatter", "7d8a4a1e-1111-4111-8111-111111111111"])
@pytest.mark.parametrize("link", ["mail", "sign_in_name"])
def test_a_name_that_nobody_vouched_for_is_no_address_to_link_by(graph: Graph, link: Any, subject: str) -> None:
    """Somebody calls himself as the president at an issuer where one may, and waits for her to come by another one."""
    careless = World(graph, **OPEN)
    squatter = careless.caller(sub=subject, email=None, preferred_username="president")
    assert squatter.upn == f"president@{DOMAIN}"
    world, other = World(graph, link=(link,), jwks_uri=JWKS), "https://other.example"
    world.trust = msgspec.structs.replace(world.trust, issuer=other)
    world.identities = world.server()
    world.refused(NotAdmitted, "vouched for", iss=other, email=squatter.upn, preferred_username="president")
    # Who came with an address that was vouched for is known by it.
    known = careless.caller(sub="b", email="b@example.org").oid
    if link == "mail":
        assert world.caller(iss=other, sub="at the other", email="b@example.org").oid == known


def test_the_id_links_to_who_is_there(graph: Graph) -> None:
    world = World(graph, link=("id",), subject=("oid", "sub"))
    assert world.caller(oid=PERSON["AdeleV"].upper()).oid == PERSON["AdeleV"]
    world.refused(NotAdmitted, "not in this server's directory", oid="7d8a4a1e-1111-4111-8111-111111111111")
    # Without the link an id proves nothing.
    other = World(graph, subject=("oid",))
    other.refused(NotAdmitted, "not in this server's directory", oid=PERSON["MeganB"])


def test_a_subject_that_is_a_guid_is_the_id_unless_that_is_taken(graph: Graph) -> None:
    world = World(graph, **OPEN)
    free = "7d8a4a1e-1111-4111-8111-111111111111"
    assert world.caller(sub=free).oid == free
    taken = world.caller(sub=PERSON["MeganB"], email="m@example.org").oid
    assert taken == identities.made_id(ISSUER, "person", PERSON["MeganB"])
    group = lab.GROUPS[0].id
    assert world.caller(sub=group, email="g@example.org").oid == identities.made_id(ISSUER, "person", group)


def test_disabled_people_stay_out(graph: Graph) -> None:
    world = World(graph, **OPEN, link=("mail",))
    token = world.token()
    assert world.caller(token).oid == ADA
    world.write(lambda tx: directory.update_user(tx, ADA, {"account_enabled": False}))
    graph.clock.advance(REMEMBERED_SECONDS)
    world.refused(NotAdmitted, "disabled", token)
    world.write(lambda tx: directory.update_user(tx, PERSON["AdeleV"], {"account_enabled": False}))
    world.refused(NotAdmitted, "disabled", sub="adele", email=address("AdeleV"))


@pytest.mark.parametrize("linked", [True, False])
def test_deleted_people_stay_out(graph: Graph, linked: bool) -> None:
    world = World(graph, **OPEN, link=("id",))
    operator = Caller(kind="app", oid=ADA, tenant=TENANT, application=ADA, permissions=frozenset())
    id = PERSON["MeganB"]
    if linked:
        assert world.caller(sub=id).oid == id
    world.write(lambda tx: directory.delete_user(tx, operator, id))
    world.identities = world.server()
    world.refused(NotAdmitted, "deleted", sub=id)


def test_somebody_who_was_provisioned_and_deleted_stays_out(graph: Graph) -> None:
    world = World(graph, **OPEN)
    operator = Caller(kind="app", oid=ADA, tenant=TENANT, application=ADA, permissions=frozenset())
    assert world.caller().oid == ADA
    world.write(lambda tx: directory.delete_user(tx, operator, ADA))
    world.write(lambda tx: rows.drop_names(tx, "person", ADA))
    world.identities = world.server()
    world.refused(NotAdmitted, "deleted")


def test_later_sign_ins_change_what_they_may(graph: Graph) -> None:
    world = World(graph, **OPEN)
    world.caller()
    world.identities = world.server()
    assert world.caller(name="Ada Lovelace", email="lovelace@example.org").name == "Ada Byron"
    world = World(graph, update=("display_name", "mail"))
    changed = world.caller(name="Ada Lovelace", email="lovelace@example.org")
    assert (changed.name, world.user(ADA).mail) == ("Ada Lovelace", "lovelace@example.org")
    # What cannot be believed, or is another's, is left as it is, and the person comes in all the same.
    world.caller(email="unsure@example.org", email_verified=False)
    assert world.caller(name="Ada", email=address("AdeleV")).name == "Ada"
    assert world.user(ADA).mail == "lovelace@example.org"


def test_two_issuers_mean_two_people(graph: Graph) -> None:
    first = World(graph, **OPEN)
    second = World(graph, **OPEN)
    other = "https://other.example.org"
    second.trust = Trust(issuer=other, audience=(AUDIENCE,), jwks_uri="https://keys.example.org/jwks", **OPEN)
    second.identities = second.server()
    assert first.caller().oid == ADA
    assert second.caller(iss=other, email="b@example.org").oid == identities.made_id(other, "person", "ada")
    first.refused(TokenInvalid, "not trusted", second.token(iss=other))


def test_personal_microsoft_accounts_are_known(graph: Graph) -> None:
    world = World(graph, **OPEN)
    assert world.caller(tid=PERSONAL_TENANT).personal
    assert not world.caller(tid=TENANT).personal


def test_a_linked_subject_needs_no_provisioning(graph: Graph) -> None:
    world = World(graph)

    def add(tx: Any) -> str:
        draft = UserDraft(
            user_principal_name="a@example.org", display_name="A", mail_nickname="a", account_enabled=True
        )
        id = directory.create_user(tx, draft)
        identities.link(tx, ISSUER, "person", "ada", id)
        return id

    id = world.write(add)
    assert world.caller().oid == id
    assert graph.store.read_here(lambda s: rows.names_of(s, "person", id)) == [(ISSUER, "ada")]


def test_a_key_file_that_cannot_be_used_stops_the_start(graph: Graph, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    trust = Trust(issuer=ISSUER, audience=(AUDIENCE,), jwks_file=str(keys))
    settings = msgspec.structs.replace(graph.settings, mode="production", issuers={"main": trust})
    for content in (None, b"", b'{"keys": []}'):
        if content is not None:
            keys.write_bytes(content)
        with pytest.raises(SettingWrong, match=r"issuers\.main\.jwks_file"):
            app.build(settings, graph.store, graph.clock)
    keys.write_bytes(public(ec_key("first")))
    assert app.build(settings, graph.store, graph.clock)
