"""The validator: who a token says the caller is, and every token that must not be believed."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, KeySet, OctKey

from folkmoot.auth import tokens
from folkmoot.auth.issuer import mint
from folkmoot.auth.keys import SigningKey
from folkmoot.auth.tokens import GRAPH, GRAPH_AUDIENCES, PERSONAL_TENANT, AnyOrigin, TrustedIssuer, Validator
from folkmoot.refusals import TokenInvalid

from .support import ADA, BOB, DAEMON, PUBLIC, TENANT

NOW = 1_800_000_000
KEY = SigningKey.generate()
ISS = f"https://localhost:8443/{TENANT}/v2.0"
GOOD: dict[str, Any] = {
    "iss": ISS,
    "aud": GRAPH,
    "iat": NOW,
    "nbf": NOW,
    "exp": NOW + 3600,
    "tid": TENANT,
    "oid": ADA.oid,
    "appid": PUBLIC.id,
    "scp": "User.Read Group.Read.All",
    "upn": ADA.upn,
    "name": ADA.name,
}


class Now:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now: float = NOW

    def __call__(self) -> float:
        return self.now


def validator(clock: Callable[[], float] | None = None, key: SigningKey = KEY, **options: Any) -> Validator:
    trusted = TrustedIssuer(frozenset({ISS}), GRAPH_AUDIENCES, key.key_set)
    return Validator([trusted], clock or Now(), **options)


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name not in names}


def unsigned(header: object, claims: object, signature: bytes = b"sig") -> str:
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def swapped(token: str, other: str, index: int) -> str:
    """`token` with one of its three parts taken from the other one."""
    parts = token.split(".")
    parts[index] = other.split(".")[index]
    return ".".join(parts)


# ── who the caller is ────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_person() -> None:
    caller = validator().caller(KEY.sign(GOOD))
    assert (caller.kind, caller.oid, caller.tenant, caller.application) == ("person", ADA.oid, TENANT, PUBLIC.id)
    assert caller.permissions == {"User.Read", "Group.Read.All"}
    assert (caller.name, caller.upn, caller.personal, caller.profile) == ("Ada Byron", ADA.upn, False, "strict")


@pytest.mark.parametrize("more", [{"roles": ["Group.Read.All"]}, {"roles": ["Group.Read.All"], "idtyp": "app"}])
def test_an_application(more: dict[str, Any]) -> None:
    caller = validator().caller(KEY.sign(without("scp", "upn", "name") | more))
    assert (caller.kind, caller.permissions, caller.upn) == ("app", frozenset({"Group.Read.All"}), "")


def test_an_application_without_roles_is_an_application_still() -> None:
    caller = validator().caller(KEY.sign(without("scp")))
    assert (caller.kind, caller.permissions) == ("app", frozenset())


def test_a_persons_roles_are_not_permissions() -> None:
    caller = validator().caller(KEY.sign(GOOD | {"roles": ["Directory.ReadWrite.All"]}))
    assert (caller.kind, caller.permissions) == ("person", frozenset({"User.Read", "Group.Read.All"}))


def test_v2_claims_and_the_graphs_application_id() -> None:
    claims = without("appid", "upn") | {
        "azp": PUBLIC.id.upper(),
        "oid": ADA.oid.upper(),
        "preferred_username": "a@b.example",
        "aud": ["urn:other", tokens.GRAPH_APP_ID],
    }
    caller = validator().caller(KEY.sign(claims))
    assert (caller.application, caller.oid, caller.upn) == (PUBLIC.id, ADA.oid, "a@b.example")


@pytest.mark.parametrize("more", [{"tid": PERSONAL_TENANT}, {"idp": "live.com"}])
def test_a_personal_account(more: dict[str, Any]) -> None:
    assert validator().caller(KEY.sign(GOOD | more)).personal


@pytest.mark.parametrize("personal", [True, False])
def test_minted_for_a_person(personal: bool) -> None:
    token = mint(
        KEY,
        base="https://localhost:8443",
        tenant_id=TENANT,
        application=PUBLIC,
        person=BOB,
        permissions=["User.Read", "Mail.Send"],
        lifetime=60,
        now=NOW,
        personal=personal,
    )
    caller = validator().caller(token)
    assert (caller.kind, caller.oid, caller.upn, caller.personal) == ("person", BOB.oid, BOB.upn, personal)
    assert caller.permissions == {"User.Read", "Mail.Send"}


def test_minted_for_an_application() -> None:
    base = "https://localhost:8443"
    options: dict[str, Any] = {"base": base, "tenant_id": TENANT, "person": None, "lifetime": 60, "now": NOW}
    caller = validator().caller(mint(KEY, application=DAEMON, permissions=["Group.Read.All"], **options))
    assert (caller.kind, caller.oid, caller.permissions) == ("app", DAEMON.principal, frozenset({"Group.Read.All"}))


def test_an_outside_issuer_with_es256() -> None:
    key = ECKey.generate_key("P-256", {"kid": "theirs"}, private=True)
    outside = TrustedIssuer(
        frozenset({"https://id.example/"}), frozenset({"api://moot"}), lambda: KeySet([ECKey.import_key(key.as_dict())])
    )
    claims = msgspec.json.encode(GOOD | {"iss": "https://id.example/", "aud": "api://moot"})
    token = jws.serialize_compact({"alg": "ES256", "kid": "theirs"}, claims, key, ["ES256"])
    ours = TrustedIssuer(frozenset({ISS}), GRAPH_AUDIENCES, KEY.key_set)
    assert Validator([ours, outside], Now()).caller(token).oid == ADA.oid
    # an issuer's key is good for its own name and its own audience only
    for swapped in ({"iss": ISS, "aud": "api://moot"}, {"iss": ISS, "aud": GRAPH}, {"iss": "https://id.example/"}):
        forged = msgspec.json.encode(GOOD | swapped)
        with pytest.raises(TokenInvalid):
            Validator([ours, outside], Now()).caller(
                jws.serialize_compact({"alg": "ES256", "kid": "theirs"}, forged, key, ["ES256"])
            )


@pytest.mark.parametrize(
    ("iss", "known"),
    [
        (f"https://localhost:8443/{TENANT}/v2.0", True),
        (f"https://moot.example/{TENANT}/v2.0", True),
        (f"https://[::1]:8443/{TENANT}/v2.0", True),
        (f"https://moot.example/x/{TENANT}/v2.0", False),
        (f"/{TENANT}/v2.0", False),
        (f"ftp://moot.example/{TENANT}/v2.0", False),
        (f"https://moot.example/{TENANT}/v2.0/", False),
    ],
)
def test_our_own_issuer_under_any_origin(iss: str, known: bool) -> None:
    assert (iss in AnyOrigin(f"/{TENANT}/v2.0")) is known


# ── what is not believed ─────────────────────────────────────────────────────────────────────────────────────────────
OTHER = SigningKey.generate()
NOT_BELIEVED: dict[str, tuple[str, str]] = {
    "empty": ("", "not a JSON Web Token"),
    "two parts": ("a.b", "not a JSON Web Token"),
    "five parts": ("a.b.c.d.e", "not a JSON Web Token"),
    "not base64url": ("a+b/.e30.e30", "not a JSON Web Token"),
    "padded": ("e30=.e30=.e30=", "not a JSON Web Token"),
    "not ASCII": ("é.é.é", "not a JSON Web Token"),
    "a surrogate": ("\ud800.e30.e30", "not a JSON Web Token"),
    "a line break": (KEY.sign(GOOD) + "\n", "not a JSON Web Token"),
    "impossible length": ("aaaaa.e30.e30", "not JSON objects"),
    "not JSON": ("aaaa.aaaa.aaaa", "not JSON objects"),
    "not UTF-8": ("_____w._____w.aaaa", "not JSON objects"),
    "huge": ("a" * 20_000, "longer than 16384"),
    "huge but signed": (KEY.sign(GOOD | {"x": "y" * 20_000}), "longer than 16384"),
    "a list": (unsigned([], GOOD), "wrong header or claim"),
    "a list of claims": (unsigned({"alg": "RS256"}, [GOOD]), "wrong header or claim"),
    "no algorithm": (unsigned({"kid": KEY.kid}, GOOD), "wrong header or claim"),
    "none": (unsigned({"alg": "none"}, GOOD), "algorithm is not allowed"),
    "nOnE": (unsigned({"alg": "nOnE", "kid": KEY.kid}, GOOD), "algorithm is not allowed"),
    "HS256 with the public key": (
        jws.serialize_compact(
            {"alg": "HS256", "kid": KEY.kid},
            msgspec.json.encode(GOOD),
            OctKey.import_key(json.dumps(KEY.public_jwks())),
            ["HS256"],
        ),
        "algorithm is not allowed",
    ),
    "ES256 with an RSA key": (unsigned({"alg": "ES256", "kid": KEY.kid}, GOOD), "signature is not valid"),
    "a forged signature": (unsigned({"alg": "RS256", "kid": KEY.kid}, GOOD, b"x" * 256), "signature is not valid"),
    "an empty signature": (unsigned({"alg": "RS256", "kid": KEY.kid}, GOOD, b"\0"), "signature is not valid"),
    "another key": (OTHER.sign(GOOD), "signing key (kid) is not one"),
    "no kid": (unsigned({"alg": "RS256"}, GOOD), "signing key (kid) is not one"),
    "another key with our kid": (
        swapped(OTHER.sign(GOOD), KEY.sign({}), 0),
        "signature is not valid",
    ),
    "changed claims": (
        swapped(KEY.sign(GOOD), KEY.sign(GOOD | {"oid": BOB.oid}), 1),
        "signature is not valid",
    ),
    "critical header": (unsigned({"alg": "RS256", "kid": KEY.kid, "crit": ["b64"]}, GOOD), "critical header"),
    "another issuer": (KEY.sign(GOOD | {"iss": "https://evil.example/"}), "issuer (iss) is not trusted"),
    "another audience": (KEY.sign(GOOD | {"aud": PUBLIC.id}), "Invalid audience"),
    "a list of other audiences": (KEY.sign(GOOD | {"aud": ["a", "b"]}), "Invalid audience"),
    "a list of no audience": (KEY.sign(GOOD | {"aud": []}), "Invalid audience"),
    "expired": (KEY.sign(GOOD | {"exp": NOW - 61}), "the token is expired"),
    "not yet": (KEY.sign(GOOD | {"nbf": NOW + 301}), "not yet valid"),
    "bound by DPoP": (KEY.sign(GOOD | {"cnf": {"jkt": "x"}}), "bound to a key of its client"),
    "bound to a certificate": (KEY.sign(GOOD | {"cnf": {"x5t#S256": "x"}}), "bound to a key of its client"),
    "no exp": (KEY.sign(without("exp")), "wrong header or claim"),
    "no oid": (KEY.sign(without("oid")), "claim oid"),
    "no tid": (KEY.sign(without("tid")), "claim tid"),
    "no application": (KEY.sign(without("appid")), "claim appid or azp"),
    "oid no GUID": (KEY.sign(GOOD | {"oid": "../admin"}), "claim oid"),
}  # fmt: skip
WRONG_TYPES: list[tuple[str, object]] = [
    *(("aud", 1), ("aud", [1]), ("aud", [[]]), ("iss", {}), ("exp", "1"), ("exp", True), ("nbf", [])),
    *(("scp", ["a"]), ("roles", "a"), ("roles", [1]), ("name", 5), ("oid", None), ("tid", {"a": []})),
]
for _claim, _wrong in WRONG_TYPES:
    NOT_BELIEVED[f"{_claim}={_wrong!r}"] = (KEY.sign(GOOD | {_claim: _wrong}), "wrong header or claim")


@pytest.mark.parametrize("case", NOT_BELIEVED)
def test_not_believed(case: str) -> None:
    token, why = NOT_BELIEVED[case]
    with pytest.raises(TokenInvalid) as refused:
        validator().caller(token)
    assert why in refused.value.message
    assert len(refused.value.message) < 400
    for part in token.split("."):
        assert len(part) < 8 or part not in refused.value.message


@pytest.mark.parametrize("name", ["x", "crit", "iss", "aud"])
def test_nested_lists_do_not_exhaust_the_stack(name: str) -> None:
    nested = b'{"alg":"RS256","%s":' % name.encode() + b"[" * 5000 + b"]" * 5000 + b"}"
    part = base64.urlsafe_b64encode(nested).decode().rstrip("=")
    header = KEY.sign({}).partition(".")[0]
    for token in (f"{part}.e30.aaaa", f"{header}.{part}.aaaa"):
        with pytest.raises(TokenInvalid):
            validator().caller(token)


# ── time and memory ──────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_remembered_token_still_expires() -> None:
    clock = Now()
    believing = validator(clock)
    token = KEY.sign(GOOD)
    first = believing.caller(token)
    assert believing.caller(token) is first
    clock.now = NOW + 3659.9
    assert believing.caller(token) is first
    clock.now = NOW + 3660
    with pytest.raises(TokenInvalid, match="expired"):
        believing.caller(token)


def test_skew() -> None:
    assert validator().caller(KEY.sign(GOOD | {"nbf": NOW + 300}))
    assert validator().caller(KEY.sign(GOOD | {"exp": NOW - 59}))
    with pytest.raises(TokenInvalid, match="expired"):
        validator(exp_skew=0).caller(KEY.sign(GOOD | {"exp": NOW}))
    with pytest.raises(ValueError, match="0 to 300"):
        validator(exp_skew=301)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "CACHED", 3)
    believing = validator()
    signed = [KEY.sign(GOOD | {"jti": str(number)}) for number in range(5)]
    first = [believing.caller(token) for token in signed]
    assert len(believing._seen) == 3
    assert believing.caller(signed[4]) is first[4]
    assert believing.caller(signed[0]) is not first[0]


def test_a_remembered_token_costs_about_a_microsecond() -> None:
    believing = validator(time.time if time.time() < NOW else None)
    token = KEY.sign(GOOD | {"nbf": 0})
    believing.caller(token)
    copies = [token[:-1] + token[-1:] for _ in range(2000)]  # each with its hash still to be computed, as from the wire
    begun = time.perf_counter()
    for copy in copies:
        believing.caller(copy)
    assert (time.perf_counter() - begun) / len(copies) < 20e-6  # generous: a busy machine; a signature takes 50 µs up
