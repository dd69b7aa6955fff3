"""The delivery log, "GET subscription/deliveries" and "GET delivery"; sending once more, "POST delivery/replay"."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import delete, update

from folkmoot import lab
from folkmoot.outgoing import Reply, Unanswered
from folkmoot.store import schema
from folkmoot.store.db import Statement
from tests.harness import GROUP, PERSON, START, Client, Graph, iso
from tests.protocol.shapes import refused
from tests.protocol.test_notifications import Told, subscription, told
from tests.protocol.test_resource_data import RICH, claims, decrypted

__all__ = ["told"]

EXTENDED = {"Prefer": "folkmoot.profile=extended"}
HOOK = "https://hooks.example/notify"


def log_of(client: Client, **more: Any) -> str:
    """The path of the delivery log of a subscription of the client's."""
    return f"/subscriptions/{client.graph.subscribed(client.token, **more)}/deliveries"


def test_attempts_are_listed_newest_first_and_by_page(graph: Graph) -> None:
    graph.as_("AdeleV").start()
    program = graph.as_app("extended")
    path = log_of(program)
    own = path.split("/")[2]
    graph.clock.advance(0.5)
    first = graph.delivered(own, id="00000000-0000-7000-8000-000000000001")
    for number in range(2, 6):
        id = f"00000000-0000-7000-8000-00000000000{number}"
        more = {"status": None, "error": "the connection was refused"} if number == 3 else {}
        graph.delivered(own, number=number, id=id, **more)
    pages = [[item["id"][-1] for item in page] for page in program.pages(f"{path}?$top=2")]
    assert pages == [["5", "4"], ["3", "2"], ["1"]]
    assert program.get(f"{path}?$filter=status eq null").value == [
        {
            "id": "00000000-0000-7000-8000-000000000003",
            "attemptedDateTime": "2026-11-23T10:00:00.500Z",
            "kind": "notification",
            "url": HOOK,
            "groupId": GROUP["SalesAndMarketing"],
            "notificationCount": 1,
            "status": None,
            "durationInMilliseconds": 12,
            "error": "the connection was refused",
        }
    ]
    for moment, count in ((START - 1, 5), (START + 1, 0)):
        assert len(program.get(f"{path}?$filter=attemptedDateTime ge {iso(moment)}").value) == count
    assert program.get(f"{path}/{first}").json["status"] == 202


def test_a_replay_sends_the_same_again_and_is_an_attempt_itself(graph: Graph, told: Told) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    path = log_of(adele)
    own = path.split("/")[2]
    attempt = graph.delivered(own)
    graph.endpoints.answers[HOOK] = Reply(503, "text/html", b"Later", 7)
    answer = adele.post(f"{path}/{attempt}/replay", **EXTENDED)
    assert answer.status == 200
    assert (answer.json["kind"], answer.json["status"]) == ("replay", 503)
    ((url, content, headers),) = graph.endpoints.asked
    assert (url, headers["Content-Type"]) == (HOOK, "application/json; charset=utf-8")
    (sent,) = json.loads(content)["value"]
    assert sent["resourceData"]["id"] == place.conversation
    assert sent["id"] == told(subscription("conversation", id=own))[0]["id"]
    got = adele.get(f"{path}/{answer.json['id']}", **EXTENDED).json
    assert got == {**answer.json, "@odata.context": got["@odata.context"]}
    # What was replayed can be replayed, and an endpoint that is away is said to be.
    graph.endpoints.answers[HOOK] = Unanswered("the connection was refused")
    again = adele.post(f"{path}/{answer.json['id']}/replay", **EXTENDED).json
    assert (again["status"], again["error"]) == (None, "the connection was refused")
    assert json.loads(graph.endpoints.asked[1][1])["value"] == [sent]


def test_a_replay_holds_resource_data_where_the_subscription_does(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    path = log_of(adele, **RICH)
    assert adele.post(f"{path}/{graph.delivered(path.split('/')[2])}/replay", **EXTENDED).status == 200
    content = json.loads(graph.endpoints.asked[0][1])
    assert decrypted(content["value"][0]["encryptedContent"])["id"] == place.conversation
    (token,) = content["validationTokens"]
    assert claims(token, graph.key.public_jwks(), lab.PUBLIC_CLIENT.id)["tid"] == graph.settings.tenant_id


def test_what_is_not_in_the_log_any_more_is_not_replayed(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    adele.start()
    path = log_of(adele)
    own = path.split("/")[2]
    attempt = graph.delivered(own)
    lifecycle = graph.delivered(own, number=1, kind="lifecycle", group=None, first_seq=None, last_seq=None)
    refused = adele.post(f"{path}/{lifecycle}/replay", **EXTENDED)
    assert refused.refusal == (409, "invalidRequest")
    graph.run(Statement(delete(schema.changes).where(schema.changes.c.group_id == GROUP["SalesAndMarketing"])))
    refused = adele.post(f"{path}/{attempt}/replay", **EXTENDED)
    assert refused.refusal == (409, "resyncRequired")
    assert "log" in refused.error["message"]
    assert graph.endpoints.asked == []


def test_who_lost_the_group_is_sent_nothing(graph: Graph) -> None:
    joni = graph.as_("JoniS")
    joni.start(group="HR")
    path = log_of(joni, group="HR")
    attempt = graph.delivered(path.split("/")[2])
    assert graph.as_("DiegoS").delete(f"/groups/{GROUP['HR']}/members/{PERSON['JoniS']}/$ref").status == 204
    assert joni.post(f"{path}/{attempt}/replay", **EXTENDED).status == 409
    assert graph.endpoints.asked == []


def test_the_log_is_its_owners(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    adele.start()
    path = log_of(adele)
    attempt = graph.delivered(path.split("/")[2])
    admin = graph.as_("admin", scopes=("Group.Read.All", "Subscription.Read.All"))
    for other in (graph.as_("AlexW"), graph.as_("admin"), graph.as_app("extended")):
        for answer in (
            other.get(path, **EXTENDED),
            other.get(f"{path}/{attempt}", **EXTENDED),
            other.post(f"{path}/{attempt}/replay", **EXTENDED),
        ):
            assert answer.status == 404, answer
    assert len(admin.get(path, **EXTENDED).value) == 1
    assert admin.post(f"{path}/{attempt}/replay", **EXTENDED).status == 404
    assert graph.endpoints.asked == []
    # A subscription that ended has no log.
    subscriptions = schema.subscriptions
    graph.run(Statement(update(subscriptions).values(expires_at=START * 1_000_000)))
    assert adele.get(path, **EXTENDED).status == 404


@pytest.mark.parametrize("id", ["x", "00000000-0000-4000-8000-000000000000"])
def test_an_attempt_that_is_not_there(graph: Graph, id: str) -> None:
    adele = graph.as_("AdeleV")
    path = log_of(adele)
    assert adele.get(f"{path}/{id}", **EXTENDED).status == 404
    assert adele.post(f"{path}/{id}/replay", **EXTENDED).status == 404
    assert adele.get(f"/subscriptions/{id}/deliveries", **EXTENDED).status == 404
    # The cloud has no such thing.
    refused(adele.get(path), 400, "BadRequest")
