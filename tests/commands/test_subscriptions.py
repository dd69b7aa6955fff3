"""`folkmoot subscriptions`: what an operator sees of them, and sends once more."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from folkmoot import app, lab
from folkmoot.commands import operating
from folkmoot.model import Delivery, PostDraft, Subscription, ThreadDraft
from folkmoot.ops import conversations
from folkmoot.outgoing import Outgoing, Reply
from folkmoot.store import changes, deliveries, subscriptions
from folkmoot.store.db import Tx
from tests.commands.test_operating import PRODUCTION, Operator, operator
from tests.harness import GROUP, PERSON

__all__ = ["operator"]

SALES = GROUP["SalesAndMarketing"]
OWN = "5b5c0000-0000-4000-8000-000000000001"
OTHER = "5b5c0000-0000-4000-8000-000000000002"
ATTEMPTS = tuple(f"00000000-0000-7000-8000-00000000000{n}" for n in (1, 2))


class Listener(HTTPServer):
    """An endpoint that takes everything it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent: list[Any] = []
        self.url = f"http://127.0.0.1:{self.server_port}/notified"


class _Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        self.server.sent.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing: the test's output is the command's."""


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def followed(operator: Operator, listener: Listener) -> Operator:
    """A conversation, two subscriptions, and two attempts to tell the first of them of it."""
    store = app.open_store(operator.settings)

    def fill(tx: Tx) -> None:
        post = PostDraft(content_type="text", content="Hello", preview="Hello")
        standing = operating.standing(tx, SALES, operator.settings)
        conversations.start(tx, standing, "Launch", ThreadDraft(topic=None, post=post))
        seq = changes.next_seq(tx, SALES) - 1
        for id in (OWN, OTHER):
            subscriptions.add(tx, subscription(id, listener.url), group=SALES, seq=seq)
        for id, status in zip(ATTEMPTS, (202, None), strict=True):
            deliveries.add(tx, attempt(id, seq, status))

    try:
        asyncio.run(lab.seed(store, operator.settings))
        store.write_here(fill)
    finally:
        store.close()
    return operator


def subscription(id: str, url: str) -> Subscription:
    return Subscription(
        id=id,
        application=lab.PUBLIC_CLIENT.id,
        creator=PERSON["AdeleV"],
        creator_kind="person",
        resource=f"groups/{SALES}/conversations",
        watched="conversation",
        group=SALES,
        parent=None,
        change_types=("created",),
        notification_url=url,
        lifecycle_url=None,
        client_state="a secret between two",
        include_resource_data=False,
        certificate=None,
        certificate_id=None,
        tls_version="v1_2",
        url_app_id=None,
        expires_at=1_795_605_600_123_000,
        created_at=0,
    )


def attempt(id: str, seq: int, status: int | None) -> Delivery:
    return Delivery(
        subscription=OWN,
        id=id,
        at=1_795_605_600.5,
        endpoint="https://elsewhere.example",
        kind="notification",
        group=SALES,
        first_seq=seq,
        last_seq=seq,
        notifications=1,
        status=status,
        milliseconds=3,
        error=None if status else "the connection was refused",
    )


def test_what_an_operator_sees(followed: Operator, listener: Listener) -> None:
    listed = followed.lines("subscriptions", "list")
    assert [each["id"] for each in listed] == [OWN, OTHER]
    assert listed[0]["url"] == listener.url
    shown = followed.facts("subscriptions", "show", OWN)
    assert (shown["expires"], shown["lastAttempt"]["error"]) == (
        "2026-11-25T11:20:00.123Z",
        "the connection was refused",
    )
    log = followed.lines("subscriptions", "deliveries", OWN)
    assert [(each["id"], each["status"]) for each in log] == [(ATTEMPTS[1], None), (ATTEMPTS[0], 202)]
    assert [each["id"] for each in followed.lines("subscriptions", "deliveries", OWN, "--failed")] == [ATTEMPTS[1]]
    assert len(followed.lines("subscriptions", "deliveries", OWN, "--limit", "1")) == 1
    for words in (("list",), ("show", OWN)):
        assert "secret" not in followed.says("subscriptions", *words)


def test_what_was_told_is_sent_again(followed: Operator, listener: Listener) -> None:
    made = followed.facts("subscriptions", "replay", OWN, ATTEMPTS[1])
    assert (made["kind"], made["status"], made["notifications"]) == ("replay", 202, 1)
    ((sent,),) = (each["value"] for each in listener.sent)
    assert (sent["changeType"], sent["subscriptionId"], sent["clientState"]) == ("created", OWN, "a secret between two")
    newest = followed.lines("subscriptions", "deliveries", OWN)[0]
    assert newest == made


def test_what_is_sent_again_goes_where_the_server_may_send(followed: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    async def post(self: Outgoing, url: str, *_: Any, **__: Any) -> Reply:
        self.check(url)
        return Reply(202, "", b"", 1)

    for name, value in {**PRODUCTION, "FOLKMOOT_WEBHOOK_NETWORKS": "10.20.0.0/16"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Outgoing, "post", post)
    store = app.open_store(followed.settings)
    try:
        store.write_here(lambda tx: subscriptions.remove(tx, OWN))
        again = subscription(OWN, "https://10.20.0.7/notified")
        store.write_here(lambda tx: subscriptions.add(tx, again, group=SALES, seq=0))
    finally:
        store.close()
    assert followed.facts("subscriptions", "replay", OWN, ATTEMPTS[1])["status"] == 202


def test_one_that_is_removed_is_gone(followed: Operator) -> None:
    assert followed.says("subscriptions", "remove", OWN) == ""
    assert [each["id"] for each in followed.lines("subscriptions", "list")] == [OTHER]
    for words in (("show", OWN), ("remove", OWN), ("replay", OWN, ATTEMPTS[0])):
        assert "no subscription" in followed.refused("subscriptions", *words)
    # What was sent before is still told of.
    assert len(followed.lines("subscriptions", "deliveries", OWN)) == 2
    assert "not an id" in followed.refused("subscriptions", "show", "x")
