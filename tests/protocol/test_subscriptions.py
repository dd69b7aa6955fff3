"""Subscriptions: what can be followed, the handshake, how long they last, and whose they are."""

from __future__ import annotations

import datetime as dt
from base64 import b64encode
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from sqlalchemy import bindparam, select

from folkmoot import lab
from folkmoot.ops import applications
from folkmoot.ops import subscriptions as verbs
from folkmoot.outgoing import Late, Reply, Unanswered
from folkmoot.store import everywhere, schema, subscriptions
from folkmoot.store.changes import head
from folkmoot.store.db import Statement
from folkmoot.store.wake import DIRECTORY
from tests.harness import GROUP, PERSON, ROOT, START, Answer, Client, Graph, iso
from tests.protocol.rows import EXTENDED, SUBSCRIPTION
from tests.protocol.shapes import refused, well_formed

ROWS = (
    *("GET subscriptions", "POST subscriptions", "GET subscription", "PATCH subscription", "DELETE subscription"),
    "POST subscription/reauthorize",
)
SALES = GROUP["SalesAndMarketing"]
HOOK = "https://hooks.example/notify"
ENDS = "expirationDateTime"
NOBODY = "5b5c0000-0000-4000-8000-0000000000ff"
_CURSORS = Statement(
    select(schema.subscription_cursors.c.group_id, schema.subscription_cursors.c.seq).where(
        schema.subscription_cursors.c.subscription_id == bindparam("id")
    )
)


def asked(**more: Any) -> dict[str, Any]:
    """A body; None leaves a property out."""
    return {name: value for name, value in (SUBSCRIPTION | more).items() if value is not None}


def subscribe(client: Client, headers: Any = None, **more: Any) -> Answer:
    return client.with_body("POST", "/subscriptions", asked(**more), headers or {})


def at(minutes: float) -> str:
    return iso(START + minutes * 60)


def certificate(key: Any, encoding: Encoding = Encoding.DER) -> str:
    """Base64 of a self-signed certificate of a key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "listener")])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(start).not_valid_after(start + dt.timedelta(days=3650))
    return b64encode(builder.sign(key, hashes.SHA256()).public_bytes(encoding)).decode()


@pytest.fixture(scope="module")
def rsa_certificate() -> str:
    return certificate(rsa.generate_private_key(65537, 2048))


# ── creating ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_is_created_and_read_back(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    answer = subscribe(adele, expirationDateTime="2026-11-25T11:30:00.1234567+01:30")
    well_formed(answer)
    id = answer.json["id"]
    expected = {
        "@odata.context": f"{ROOT}/$metadata#subscriptions/$entity",
        "id": id,
        "resource": SUBSCRIPTION["resource"],
        "applicationId": lab.PUBLIC_CLIENT.id,
        "changeType": "created,updated",
        "clientState": "secret",
        "notificationUrl": SUBSCRIPTION["notificationUrl"],
        "notificationQueryOptions": None,
        "lifecycleNotificationUrl": None,
        "expirationDateTime": "2026-11-25T10:00:00.123456Z",
        "creatorId": PERSON["AdeleV"],
        "includeResourceData": False,
        "latestSupportedTlsVersion": "v1_2",
        "encryptionCertificateId": None,
        "notificationUrlAppId": None,
    }
    assert (answer.status, answer.json) == (201, expected)
    assert answer.headers["location"] == f"{ROOT}/subscriptions/{id}"
    assert adele.get(f"/subscriptions/{id}").json == expected
    listed = adele.get("/subscriptions")
    assert listed.json["@odata.context"] == f"{ROOT}/$metadata#subscriptions"
    assert listed.value == [{name: None if name == "clientState" else value for name, value in expected.items()
                             if name != "@odata.context"}]  # fmt: skip
    # The same again is another one.
    assert subscribe(adele).json["id"] != id


@pytest.mark.parametrize(
    "resource",
    [f"groups/{SALES}/conversations", f"/groups/{SALES}/conversations", f"groups('{SALES}')/conversations",
     f"/Groups('{SALES}')/Conversations/"],
)  # fmt: skip
def test_spellings_of_a_groups_conversations(graph: Graph, resource: str) -> None:
    answer = subscribe(graph.as_("AdeleV"), resource=resource)
    assert (answer.status, answer.json["resource"]) == (201, resource)


def test_what_extended_applications_follow_beside(graph: Graph) -> None:
    place = graph.as_("AdeleV").start()
    extended = graph.as_app("extended", roles=["Group.Read.All", "User.Read.All"])
    posts = f"groups/{SALES}/threads/{place.thread}/posts"
    everything = (f"groups/{SALES}/threads", posts, "groups/conversations", "groups/threads", "groups/posts",
                  "groups", "/users", SUBSCRIPTION["resource"])  # fmt: skip
    for resource in everything:
        assert subscribe(extended, resource=resource).status == 201, resource
        assert subscribe(graph.as_("AdeleV"), EXTENDED, resource=resource).status == 201, resource
        strict = subscribe(graph.as_("AdeleV"), resource=resource)
        if resource != SUBSCRIPTION["resource"]:
            assert f"'{resource}'" in refused(strict, 400, "Request_BadRequest", "resource")


_BAD = "Request_BadRequest"
WRONG: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
    ("resource", _BAD, (
        *(None, "", "me/messages", f"groups/{SALES}", "groups/x/conversations", f"groups/{SALES}/members"),
        *(f"groups/{SALES}/conversations?$filter=1", f"groups/{SALES}/threads/x/posts"),
        *("groups/%zz/threads", "x" * 5000),
    )),
    ("changeType", _BAD, (None, "", "created,moved", "created,")),
    ("notificationUrl", _BAD, (None,)),
    ("notificationUrl", "ValidationError", ("https://user:secret@hooks.example/", "https://169.254.169.254/", "")),
    ("lifecycleNotificationUrl", "ValidationError", ("ftp://hooks.example/", "x")),
    ("expirationDateTime", _BAD, (
        *(None, "", "tomorrow", "2026-11-25T10:00:00", "2026-02-30T10:00:00Z", "2026-11-25"),
    )),
    ("expirationDateTime", "ExtensionError", (at(4231), "9999-12-31T23:59:59Z", at(0), "0001-01-01T00:00:00Z")),
    ("clientState", _BAD, ("x" * 129, 5)),
    ("latestSupportedTlsVersion", _BAD, ("v2", "")),
    ("encryptionCertificate", _BAD, ("AAAA", "*")),
)  # fmt: skip


def test_what_is_wrong_is_named(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    for target, code, values in WRONG:
        for value in values:
            assert "user:secret" not in refused(subscribe(adele, **{target: value}), 400, code, target)
    refused(subscribe(adele, includeResourceData=True), 400, _BAD, "encryptionCertificate")
    assert graph.endpoints.asked == []
    assert adele.get("/subscriptions").value == []


def test_resource_data_needs_a_certificate_and_is_for_extended_ones(graph: Graph, rsa_certificate: str) -> None:
    adele = graph.as_("AdeleV")
    rich = {"includeResourceData": True, "encryptionCertificate": rsa_certificate, "encryptionCertificateId": "one"}
    strict = subscribe(adele, **rich)
    refused(strict, 400, "Request_BadRequest", "includeResourceData")
    answer = subscribe(adele, EXTENDED, **rich)
    assert answer.status == 201
    assert answer.json["includeResourceData"] is True
    assert answer.json["encryptionCertificateId"] == "one"
    assert "encryptionCertificate" not in answer.json
    assert kept(graph, answer.json["id"]).certificate == rsa_certificate
    assert subscribe(adele, EXTENDED, **rich | {"encryptionCertificateId": None}).target == "encryptionCertificateId"
    assert subscribe(adele, EXTENDED, **rich | {"resource": "users"}).target == "includeResourceData"
    pem = certificate(rsa.generate_private_key(65537, 2048), Encoding.PEM)
    assert subscribe(adele, EXTENDED, **rich | {"encryptionCertificate": pem}).status == 201
    for key in (rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP256R1())):  # noqa: S505
        weak = subscribe(adele, EXTENDED, **rich | {"encryptionCertificate": certificate(key)})
        assert "RSA key of 2048 to 4096 bits" in refused(weak, 400, _BAD, "encryptionCertificate")


def test_versions_of_tls_come_back_as_the_cloud_spells_them(graph: Graph) -> None:
    for given, sent in (("v1_3", "v1_3"), ("V13", "v1_3"), ("v10", "v1_0"), (None, "v1_2")):
        answer = subscribe(graph.as_("AdeleV"), latestSupportedTlsVersion=given)
        assert answer.json["latestSupportedTlsVersion"] == sent


def test_what_is_short_is_raised_to_forty_five_minutes(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    assert subscribe(adele, expirationDateTime=at(1)).json["expirationDateTime"] == at(45)
    assert subscribe(adele, expirationDateTime=at(46)).json["expirationDateTime"] == at(46)
    assert subscribe(adele, expirationDateTime=at(4230)).json["expirationDateTime"] == at(4230)


# ── the handshake ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_both_endpoints_are_asked_first(graph: Graph) -> None:
    both = {"notificationUrl": f"{HOOK}?code=a%20b&x=1", "lifecycleNotificationUrl": HOOK}
    assert subscribe(graph.as_("AdeleV"), **both).status == 201
    assert len(graph.endpoints.asked) == 2
    tokens = []
    for (url, content, headers), begins in zip(
        graph.endpoints.asked, (f"{HOOK}?code=a%20b&x=1&validationToken=", f"{HOOK}?validationToken="), strict=True
    ):
        assert url.startswith(begins)
        assert content == b""
        assert headers["Content-Type"] == "text/plain; charset=utf-8"
        tokens += parse_qs(urlsplit(url).query)["validationToken"]
        assert " " in tokens[-1]
        assert " " not in url
    assert tokens[0] != tokens[1]


FAILED = "Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request."
LATE = "Subscription validation request timed out."


@pytest.mark.parametrize("target", ["notificationUrl", "lifecycleNotificationUrl"])
def test_an_endpoint_that_does_not_repeat_the_token_is_none(graph: Graph, target: str) -> None:
    adele, other = graph.as_("AdeleV"), "https://other.example/hook"
    for answer, says, why in (
        (Reply(202, "text/plain", b"", 1), FAILED, "answered with status 202"),
        (Reply(302, "text/plain", b"", 1), FAILED, "answered with status 302"),
        (Reply(200, "text/html", b"x", 1), FAILED, "the type 'text/html', not text/plain"),
        (Reply(200, "text/plain", b"x", 1), FAILED, "did not answer with the validationToken"),
        (Unanswered("the connection was refused"), FAILED, "the connection was refused"),
        (Late("there was no complete answer within 10 seconds"), LATE, "no complete answer within 10 seconds"),
    ):
        graph.endpoints.answers[other] = answer
        url = {target: f"{other}?code=s3cret"}
        assert refused(subscribe(adele, **url), 400, "ValidationError", target) == says
        told = refused(subscribe(adele, EXTENDED, **url), 400, "ValidationError", target)
        assert told.startswith(says)
        assert why in told
        assert "s3cret" not in told
    assert adele.get("/subscriptions").value == []


def test_while_an_endpoint_thinks_nobody_waits_and_all_may_change(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    joni = graph.as_("JoniS")
    place = joni.start(group="HR")
    original = graph.endpoints.post
    answers = []

    async def post(url: str, content: bytes, headers: Any, *, seconds: float) -> Reply:
        body = b'{"post": {"body": {"content": "Meanwhile"}}}'
        own = {"Authorization": f"Bearer {joni.token}", "Content-Type": "application/json"}
        answers.append(await graph.asking("POST", f"{ROOT}{place.thread_path()}/reply", body, own))
        await graph.store.write(lambda tx: everywhere.drop_membership(tx, GROUP["HR"], "member", PERSON["JoniS"]))
        return await original(url, content, headers, seconds=seconds)

    monkeypatch.setattr(graph.endpoints, "post", post)
    answer = subscribe(joni, resource=f"groups/{GROUP['HR']}/conversations")
    assert [each.status for each in answers] == [202]
    refused(answer, 403, "Authorization_RequestDenied")
    assert joni.get("/subscriptions").value == []


def test_the_content_type_may_say_more(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    adele = graph.as_("AdeleV")
    original = graph.endpoints.post

    async def post(url: str, content: bytes, headers: Any, *, seconds: float) -> Reply:
        assert seconds == 10
        return (await original(url, content, headers, seconds=seconds))._replace(
            content_type="Text/Plain; charset=UTF-8"
        )

    monkeypatch.setattr(graph.endpoints, "post", post)
    assert subscribe(adele).status == 201


def test_who_may_not_read_makes_nobody_ask(graph: Graph) -> None:
    """Nor whoever is over a limit: the server is no one's means to knock at doors."""
    joni = graph.as_("JoniS")
    hidden = f"groups/{GROUP['HR']}/conversations"
    refused(subscribe(graph.as_("AdeleV"), resource=hidden), 403, "Authorization_RequestDenied")
    assert subscribe(joni, resource=hidden).status == 201
    graph.endpoints.asked.clear()
    refused(subscribe(joni, resource=f"groups/{NOBODY}/conversations"), 404, "Request_ResourceNotFound")
    refused(subscribe(graph.as_app("daemon")), 403, "Authorization_RequestDenied")
    refused(subscribe(graph.as_app("extendedWithoutRoles"), resource=hidden), 403, "Authorization_RequestDenied")
    users = subscribe(graph.as_("AdeleV", scopes=["Group.Read.All"]), EXTENDED, resource="users")
    assert "User.Read.All" in refused(users, 403, "Authorization_RequestDenied")
    assert graph.endpoints.asked == []


def test_a_grant_in_the_group_is_enough_for_an_extended_application(graph: Graph) -> None:
    application = graph.as_app("extendedWithoutRoles")
    id = subscribe(application).json["id"]  # the lab's own grant
    path = f"/subscriptions/{id}"
    assert application.get(path).json["creatorId"] == lab.principal(lab.EXTENDED_WITHOUT_ROLES)
    assert application.patch(path, {"expirationDateTime": at(60)}).status == 200
    assert application.post(f"{path}/reauthorize").status == 204
    refused(subscribe(application, resource="groups/conversations"), 403, "Authorization_RequestDenied")
    grant = f"/groups/{SALES}/permissionGrants/{lab.GRANT}"
    assert graph.as_("AdeleV").delete(grant, **EXTENDED).status == 204
    refused(application.post(f"{path}/reauthorize"), 403, "Authorization_RequestDenied")
    assert application.delete(path).status == 204


# ── from when on ─────────────────────────────────────────────────────────────────────────────────────────────────────


def cursors(graph: Graph, id: str) -> list[tuple[str, int]]:
    return [(row[0], row[1]) for row in graph.store.read_here(lambda s: s.all(_CURSORS, id=id))]


def test_it_is_told_of_what_comes_after_it(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    adele.start()
    id = subscribe(adele).json["id"]
    assert cursors(graph, id) == [(SALES, graph.store.read_here(lambda s: head(s, SALES)))]
    users = subscribe(adele, EXTENDED, resource="users").json["id"]
    assert [group for group, _ in cursors(graph, users)] == [DIRECTORY]
    everything = subscribe(adele, EXTENDED, resource="groups/posts").json["id"]
    assert cursors(graph, everything) == []
    assert adele.delete(f"/subscriptions/{id}").status == 204
    assert cursors(graph, id) == []


def test_posts_beside_it_come_before_it_or_after(graph: Graph) -> None:
    """However many write at once, its place in the log is that of its own transaction."""
    adele = graph.as_("AdeleV")
    place = adele.start()
    reply = ("POST", f"{place.thread_path()}/reply", {"post": {"body": {"content": "x"}}})
    new = ("POST", "/subscriptions", SUBSCRIPTION)
    answers = adele.together([reply, new, reply, new, reply, new, reply])
    assert [answer.status for answer in answers] == [202, 201, 202, 201, 202, 201, 202]
    [newest] = {graph.store.read_here(lambda s: head(s, SALES))}
    for answer in answers[1::2]:
        [(group, seq)] = cursors(graph, answer.json["id"])
        assert group == SALES
        # A reply is three changes; a subscription never begins within one.
        assert (newest - seq) % 3 == 0


# ── renewing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def kept(graph: Graph, id: str) -> Any:
    return graph.store.read_here(lambda s: subscriptions.one(s, id))


def test_a_renewal_moves_the_end(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    id = graph.subscribed(adele.token, reminded_at=START, paused_at=START)
    path = f"/subscriptions/{id}"
    graph.clock.advance(3600)
    answer = adele.patch(path, {"ExpirationDateTime": at(60 + 4230)})
    well_formed(answer)
    assert answer.status == 200
    assert answer.json == adele.get(path).json
    assert answer.json["expirationDateTime"] == at(60 + 4230)
    assert (kept(graph, id).reminded_at, kept(graph, id).paused_at) == (None, None)
    assert adele.patch(path, {"expirationDateTime": at(61)}).json["expirationDateTime"] == at(60 + 45)
    refused(adele.patch(path, {"expirationDateTime": at(60 + 4231)}), 400, "ExtensionError", ENDS)
    refused(adele.patch(path, {"expirationDateTime": at(59)}), 400, "ExtensionError", ENDS)
    assert adele.patch(path, {}).json["expirationDateTime"] == at(60 + 45)
    assert graph.endpoints.asked == []


def test_what_two_change_at_a_time_is_both_changed(graph: Graph, rsa_certificate: str) -> None:
    id = graph.subscribed(graph.as_("AdeleV").token)
    read = kept(graph, id)  # by each of them, before either has written
    first, other = ({"wished": int((START + 9000) * 1e6)}, {"certificate": rsa_certificate, "certificate_id": "new"})
    nothing = {"wished": None, "certificate": None, "certificate_id": None, "by_grant": False}
    for given in (first, other):
        graph.store.write_here(lambda tx, given=given: verbs.renew(tx, read, **{**nothing, **given}))  # type: ignore[misc]
    assert kept(graph, id).expires_at == first["wished"]
    assert kept(graph, id).certificate == rsa_certificate


def test_what_is_repeated_may_be_spelt_otherwise(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    made = subscribe(
        adele, changeType="created,updated", latestSupportedTlsVersion="v1_3", notificationUrlAppId="x"
    ).json
    again = {"changeType": "Updated, created", "latestSupportedTlsVersion": "v13", "notificationUrlAppId": "x"}
    answer = adele.patch(f"/subscriptions/{made['id']}", again)
    assert (answer.status, answer.json["changeType"]) == (200, "created,updated")


def test_what_is_set_at_creation_may_only_be_repeated(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    made = subscribe(adele).json
    path = f"/subscriptions/{made['id']}"
    assert adele.patch(path, made | {"expirationDateTime": at(100)}).json["expirationDateTime"] == at(100)
    for name, value in (
        *(("notificationUrl", "https://elsewhere.example/"), ("lifecycleNotificationUrl", HOOK), ("resource", "users")),
        *(("clientState", "other"), ("includeResourceData", True), ("changeType", "deleted"), ("changeType", "x")),
        *(("latestSupportedTlsVersion", "v1_3"), ("latestSupportedTlsVersion", "x"), ("notificationUrlAppId", "other")),
    ):
        answer = adele.patch(path, {name: value, "expirationDateTime": at(200)})
        refused(answer, 400, "Request_BadRequest", name)
    assert adele.get(path).json["expirationDateTime"] == at(100)


def test_a_certificate_is_changed_with_its_name(graph: Graph, rsa_certificate: str) -> None:
    adele = graph.as_("AdeleV")
    path = f"/subscriptions/{subscribe(adele).json['id']}"
    assert adele.patch(path, {"encryptionCertificate": rsa_certificate}).target == "encryptionCertificateId"
    both = {"encryptionCertificate": rsa_certificate, "encryptionCertificateId": "two"}
    assert adele.patch(path, both).json["encryptionCertificateId"] == "two"
    assert kept(graph, path.rpartition("/")[2]).certificate == rsa_certificate


def test_a_reauthorization_needs_what_reading_needs(graph: Graph) -> None:
    joni, diego = graph.as_("JoniS"), graph.as_("DiegoS")
    id = graph.subscribed(joni.token, group="HR", reminded_at=START, paused_at=START)
    path = f"/subscriptions/{id}"
    ends = kept(graph, id).expires_at
    answer = joni.post(f"{path}/reauthorize")
    assert (answer.status, answer.content) == (204, b"")
    assert joni.post(f"{path}/microsoft.graph.reauthorize").status == 204
    assert (kept(graph, id).reminded_at, kept(graph, id).paused_at, kept(graph, id).expires_at) == (None, None, ends)
    assert diego.delete(f"/groups/{GROUP['HR']}/members/{PERSON['JoniS']}/$ref").status == 204
    refused(joni.post(f"{path}/reauthorize"), 403, "Authorization_RequestDenied")
    refused(joni.patch(path, {"expirationDateTime": at(100)}), 403, "Authorization_RequestDenied")
    assert joni.delete(path).status == 204
    refused(joni.get(path), 404, "ResourceNotFound")


# ── whose they are ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_others_have_none_of_it(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    path = f"/subscriptions/{subscribe(adele).json['id']}"
    for other in (graph.as_("AlexW"), graph.as_("admin"), graph.as_app("extended"), graph.as_app("daemon")):
        assert other.get("/subscriptions").value == []
        refused(other.get(path), 404, "ResourceNotFound")
        refused(other.patch(path, {"expirationDateTime": at(100)}), 404, "ResourceNotFound")
        refused(other.delete(path), 404, "ResourceNotFound")
    for id in (NOBODY, "x", "'"):
        assert adele.get(f"/subscriptions/{id}").refusal in ((404, "ResourceNotFound"), (400, "BadRequest"))


def test_the_same_person_by_another_application_is_another(graph: Graph) -> None:
    """With Subscription.Read.All a person sees their own by any, and who runs the organisation everybody's."""
    mine = subscribe(graph.as_("AdeleV")).json["id"]
    other = graph.subscribed(graph.as_("AdeleV").token, application="another", creator=PERSON["AdeleV"])
    alexs = graph.subscribed(graph.as_("AlexW").token)
    assert graph.as_("AdeleV").get("/subscriptions").ids == [mine]
    all_of_hers = graph.as_("AdeleV", scopes=["Subscription.Read.All"])
    assert set(all_of_hers.get("/subscriptions").ids) == {mine, other}
    # The secret between an application and its endpoint stays between them.
    assert all_of_hers.get(f"/subscriptions/{mine}").json["clientState"] is None
    refused(all_of_hers.get(f"/subscriptions/{alexs}"), 404, "ResourceNotFound")
    refused(all_of_hers.delete(f"/subscriptions/{mine}"), 403, "Authorization_RequestDenied")
    assert set(graph.as_("admin", scopes=["Subscription.Read.All"]).get("/subscriptions").ids) == {mine, other, alexs}


def test_an_application_by_itself_sees_what_was_made_by_it(graph: Graph) -> None:
    extended = graph.as_app("extended")
    own = subscribe(extended).json["id"]
    for_adele = graph.subscribed(extended.token, creator=PERSON["AdeleV"], creator_kind="person")
    assert set(extended.get("/subscriptions").ids) == {own, for_adele}
    refused(extended.delete(f"/subscriptions/{for_adele}"), 404, "ResourceNotFound")


def test_a_list_comes_in_pages(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    made = [subscribe(adele).json["id"] for _ in range(5)]
    refused(adele.get("/subscriptions?$top=2"), 400, _BAD, "$top")
    pages = [adele.get("/subscriptions?$top=2&$select=id", **EXTENDED)]
    while (link := pages[-1].json.get("@odata.nextLink")) is not None:
        pages.append(adele.get(link, **EXTENDED))
    assert [len(page.ids) for page in pages] == [2, 2, 1]
    assert [id for page in pages for id in page.ids] == sorted(made)


def test_a_strict_application_follows_the_link_to_the_next_page(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    made = {graph.subscribed(adele.token, client_state=str(number)) for number in range(101)}
    first, second = adele.pages("/subscriptions")
    assert (len(first), len(second)) == (100, 1)
    assert {item["id"] for item in first + second} == made


def test_an_account_that_is_off_has_nothing(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    path = f"/subscriptions/{subscribe(adele).json['id']}"
    switched = graph.as_("admin", scopes=["User.ReadWrite.All"])
    assert switched.patch(f"/users/{PERSON['AdeleV']}", {"accountEnabled": False}).status == 204
    for answer in (adele.get("/subscriptions"), adele.get(path), adele.delete(path), subscribe(adele)):
        refused(answer, 403, "Authorization_RequestDenied")


# ── limits, and the end ──────────────────────────────────────────────────────────────────────────────────────────────


def test_expired_ones_are_gone(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    made = subscribe(adele, expirationDateTime=at(60)).json["id"]
    path = f"/subscriptions/{made}"
    graph.clock.advance(3599)
    assert adele.get(path).status == 200
    graph.clock.advance(1)
    refused(adele.get(path), 404, "ResourceNotFound")
    refused(adele.patch(path, {"expirationDateTime": at(200)}), 404, "ResourceNotFound")
    refused(adele.post(f"{path}/reauthorize"), 404, "ResourceNotFound")
    refused(adele.delete(path), 404, "ResourceNotFound")
    assert adele.get("/subscriptions").value == []
    assert kept(graph, made) is not None
    subscribe(graph.as_("AlexW"))
    assert kept(graph, made) is None
    assert cursors(graph, made) == []


def test_those_of_an_application_that_is_removed_end(graph: Graph) -> None:
    adele, daemon = graph.as_("AdeleV"), graph.as_app("daemon")
    hers = subscribe(adele).json["id"]
    its = [subscribe(daemon, EXTENDED, resource=each).json["id"] for each in ("groups/posts", "users")]
    graph.store.write_here(lambda tx: applications.remove(tx, lab.DAEMON.id))
    for id in its:
        refused(daemon.get(f"/subscriptions/{id}", **EXTENDED), 404, "ResourceNotFound")
    assert adele.get(f"/subscriptions/{hers}").status == 200


def test_there_are_only_so_many(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    adele, alex = graph.as_("AdeleV"), graph.as_("AlexW")
    monkeypatch.setattr(verbs, "PER_GROUP", 2)
    monkeypatch.setattr(verbs, "PER_APPLICATION", 3)
    assert subscribe(adele).status == 201
    first = subscribe(alex, expirationDateTime=at(60)).json["id"]
    assert "The group has 2 subscriptions" in refused(subscribe(adele), 403, "quotaLimitReached")
    assert len(graph.endpoints.asked) == 2
    assert alex.delete(f"/subscriptions/{first}").status == 204
    assert subscribe(alex, expirationDateTime=at(60)).status == 201
    other = {"resource": f"groups/{GROUP['Engineering']}/conversations"}
    assert subscribe(adele, **other).status == 201
    assert "The application has 3 subscriptions" in refused(subscribe(adele, **other), 403, "quotaLimitReached")
    graph.clock.advance(3600)
    assert subscribe(adele, **other).status == 201


def test_whose_group_or_person_is_gone_are_not_seen_and_end_by_themselves(graph: Graph) -> None:
    adele, admin = graph.as_("AdeleV"), graph.as_("admin", scopes=["User.ReadWrite.All"])
    id = subscribe(adele).json["id"]
    assert adele.delete(f"/groups/{SALES}").status == 204
    refused(adele.post(f"/subscriptions/{id}/reauthorize"), 404, "Request_ResourceNotFound")
    assert adele.delete(f"/subscriptions/{id}").status == 204
    left = subscribe(graph.as_("AlexW"), resource=f"groups/{GROUP['Mark8']}/conversations").json["id"]
    assert admin.delete(f"/users/{PERSON['AlexW']}").status == 204
    refused(graph.as_("AlexW").get("/subscriptions"), 403, "Authorization_RequestDenied")
    graph.clock.advance(3 * 86_400)
    mark8 = f"groups/{GROUP['Mark8']}/conversations"
    ends = iso(graph.clock.now + 3600)
    assert subscribe(graph.as_("MeganB"), resource=mark8, expirationDateTime=ends).status == 201
    assert kept(graph, left) is None
