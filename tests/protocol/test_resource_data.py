"""Resource data in notifications, decrypted and checked as the published clients do it."""

from __future__ import annotations

import datetime as dt
import hmac
import json
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.x509.oid import NameOID

from folkmoot import app
from folkmoot.auth.trust import Trust
from folkmoot.config import Settings, SettingWrong
from folkmoot.graph.encryption import read_certificate
from folkmoot.refusals import BadBody
from folkmoot.store.db import Store
from tests.harness import APPLICATIONS, GROUP, ORIGIN, PERSON, START, Graph
from tests.protocol.test_notifications import Told, subscription, told, wording

__all__ = ["told"]

# The application id under which the cloud's change tracking signs; receivers compare it.
PUBLISHER = "0bf30f3b-4a52-48df-9a82-234910c4a086"
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(key: Any = PRIVATE) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "listener")])
    day = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(day).not_valid_after(day + dt.timedelta(days=365))
    return builder.sign(key, hashes.SHA256())


DER = certificate().public_bytes(serialization.Encoding.DER)
MODULUS = PRIVATE.public_key().public_numbers().n.to_bytes(256, "big")
RICH: dict[str, Any] = {
    "include_resource_data": True,
    "certificate": b64encode(DER).decode(),
    "certificate_id": "my-certificate",
}


def decrypted(content: dict[str, str]) -> Any:
    """The data, by the steps of the page "Decrypt resource data from change notifications"."""
    key = PRIVATE.decrypt(b64decode(content["dataKey"]), OAEP(MGF1(hashes.SHA1()), hashes.SHA1(), None))  # noqa: S303
    data = b64decode(content["data"])
    assert hmac.digest(key, data, sha256) == b64decode(content["dataSignature"])
    cipher = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    return json.loads(unpadder.update(cipher.update(data) + cipher.finalize()) + unpadder.finalize())


def test_the_data_is_what_the_api_sends(graph: Graph, told: Told) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start(content="Größe & <b>more</b> " * 100)
    for noun, path in (
        ("conversation", place.conversation_path),
        ("thread", place.thread_path()),
        ("post", place.post_path()),
    ):
        (sent,) = told(subscription(noun, **RICH))
        content = sent["encryptedContent"]
        assert decrypted(content) == adele.get(path).json
        assert content["encryptionCertificateId"] == "my-certificate"
        assert content["encryptionCertificateThumbprint"] == certificate().fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303
        # A key is used once.
        (again,) = told(subscription(noun, **RICH))
        assert again["encryptedContent"]["dataKey"] != content["dataKey"]
    assert "encryptedContent" not in told(subscription("post"))[0]


def test_of_what_is_gone_the_data_is_its_id(graph: Graph, told: Told) -> None:
    place = graph.as_("AdeleV").start()
    reply = graph.as_("AdeleV").reply(place)
    assert graph.as_app("extended").delete(reply.post_path()).status == 204
    first, *others = told(subscription("post", **RICH))
    assert decrypted(first["encryptedContent"])["body"]["content"] == "Hello"
    assert [decrypted(each["encryptedContent"]) for each in others] == [{"id": reply.post}] * 2


def test_people_and_groups_are_sent_as_their_reader_sees_them(graph: Graph, told: Told) -> None:
    daemon = graph.as_app("daemon", roles=("User.ReadWrite.All", "Group.ReadWrite.All"))
    assert daemon.patch(f"/users/{PERSON['AlexW']}", {"jobTitle": "Assistant"}).status == 204
    assert daemon.patch(f"/groups/{GROUP['HR']}", {"description": "New"}).status == 204
    (user,) = told(subscription("user", None, **RICH))
    assert decrypted(user["encryptedContent"])["jobTitle"] == "Assistant"
    (group,) = told(subscription("group", None, by="JoniS", **RICH))
    assert decrypted(group["encryptedContent"]) == graph.as_("JoniS").get(f"/groups/{GROUP['HR']}").json
    assert told(subscription("group", None, by="AlexW", **RICH)) == []


def pem(key: Any) -> bytes:
    return certificate(key).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("no base64!", "base64"),
        (b64encode(b"no certificate").decode(), "X.509"),
        (b64encode(pem(ec.generate_private_key(ec.SECP256R1()))).decode(), "RSA key"),
        (b64encode(DER.replace(MODULUS, MODULUS[:-1] + b"\0")).decode(), "nothing can be encrypted"),
    ],
    ids=["base64", "certificate", "key", "modulus"],
)
def test_a_certificate_that_cannot_be_used_is_refused(given: str, named: str) -> None:
    with pytest.raises(BadBody) as refused:
        read_certificate(given)
    assert named in refused.value.message
    assert refused.value.target == "encryptionCertificate"


def test_a_certificate_may_be_in_pem() -> None:
    text = b64encode(pem(PRIVATE)).decode()
    assert read_certificate(text)[1] == read_certificate(b64encode(DER).decode())[1]


# ── validation tokens ────────────────────────────────────────────────────────────────────────────────────────────────


def claims(token: str, keys: Any, audience: str) -> Any:
    """The claims of a validation token, if its signature and audience are right."""
    (key,) = [each for each in jwt.PyJWKSet.from_dict(keys) if each.key_id == jwt.get_unverified_header(token)["kid"]]
    # The clock of the test is not the machine's.
    late: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    return jwt.decode(token, key, algorithms=["RS256"], audience=audience, options=late)


def test_validation_tokens_are_verified_with_the_issuers_keys(graph: Graph) -> None:
    rich = [subscription("post", by=name, **RICH) for name in ("AdeleV", "AdeleV", "extended")]
    assert wording(graph).validation_tokens([subscription("post")]) == []
    tokens = wording(graph).validation_tokens([subscription("post", by="daemon"), *rich])
    tenant = graph.settings.tenant_id
    document = graph.send("GET", f"{ORIGIN}/{tenant}/v2.0/.well-known/openid-configuration", None, {}).json
    keys = graph.send("GET", document["jwks_uri"], None, {}).json
    for token, name in zip(tokens, ("publicClient", "extended"), strict=True):
        found = claims(token, keys, APPLICATIONS[name].id)
        assert (found["iss"], found["tid"]) == (document["issuer"], tenant)
        assert found["appid"] == found["azp"] == PUBLISHER
        assert found["nbf"] <= START < found["exp"]
        # It opens nothing here.
        assert graph.nobody(token).get("/me").status == 401


def production(folder: Path, **more: Any) -> Settings:
    trust = Trust(issuer="https://id.example.org", audience=("moot",))
    given: dict[str, Any] = {"mode": "production", "data": str(folder), "https_port": 0, "issuers": {"main": trust}}
    return Settings(**given | {"public_url": "https://moot.example.org"} | more)


def published(graph: Graph, settings: Settings, store: Store) -> tuple[Any, Any]:
    """The publisher's discovery document and its keys, from a production server."""

    async def fetch() -> tuple[Any, Any]:
        transport = httpx.ASGITransport(app.build(settings, store, graph.clock))
        async with httpx.AsyncClient(transport=transport) as client:
            below = f"https://moot.example.org/{settings.tenant_id}/notifications"
            document = (await client.get(f"{below}/.well-known/openid-configuration")).json()
            return document, (await client.get(document["jwks_uri"])).json()

    return graph.loop.run(fetch())


def test_production_signs_with_a_key_that_servers_share(graph: Graph, tmp_path: Path) -> None:
    first = production(tmp_path / "first")
    document, keys = published(graph, first, graph.store)
    (token,) = app.notifications(first, graph.clock).validation_tokens([subscription("post", **RICH)])
    assert claims(token, keys, APPLICATIONS["publicClient"].id)["iss"] == document["issuer"]
    made = tmp_path / "first" / "notification-key.pem"
    assert made.stat().st_mode & 0o777 == 0o600
    second = production(tmp_path / "second", notification_key=str(made))
    assert published(graph, second, graph.store) == (document, keys)


def test_a_wrong_notification_key_is_named_at_the_start(tmp_path: Path) -> None:
    wrong = tmp_path / "key.pem"
    wrong.write_text("no key")
    with pytest.raises(SettingWrong) as refused:
        app.notifications(production(tmp_path, notification_key=str(wrong)))
    assert refused.value.target == "notification_key"
