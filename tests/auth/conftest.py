"""The issuer on a real HTTPS socket."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator

import httpx
import pytest
import requests
import uvicorn

from folkmoot.auth import certificates
from folkmoot.auth.issuer import issuer_app
from folkmoot.auth.keys import SigningKey
from folkmoot.auth.tokens import GRAPH_AUDIENCES, AnyOrigin, TrustedIssuer, Validator
from folkmoot.signing_in import StoredSignIns
from folkmoot.store import migrate
from folkmoot.store.sqlite import SqliteStore

from .support import ADA, BOB, DAEMON, DOMAIN, PUBLIC, TENANT, Clock, People, Server


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("issuer")
    made = certificates.ensure(directory, [])
    key = SigningKey.load_or_create(directory / "signing-key.pem")
    listening = socket.create_server(("127.0.0.1", 0))
    base = f"https://localhost:{listening.getsockname()[1]}"
    people, clock = People(), Clock()
    migrate.upgrade(directory / "folkmoot.db")
    store = SqliteStore(directory / "folkmoot.db", clock)
    app = issuer_app(
        directory=people,
        key=key,
        tenant_id=TENANT,
        tenant_domain=DOMAIN,
        audience_hosts=lambda: frozenset({"localhost", "127.0.0.1"}),
        base_url=lambda request: f"https://{request.headers['host']}",
        clock=clock,
        sign_ins=StoredSignIns(store),
        permissions=["User.Read", "Group.ReadWrite.All"],
    )
    config = uvicorn.Config(
        app, ssl_certfile=made.certificate, ssl_keyfile=made.key, log_level="warning", ws="none", lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    issuer = TrustedIssuer(AnyOrigin(f"/{TENANT}/v2.0"), GRAPH_AUDIENCES, key.key_set)
    with httpx.Client(verify=ssl.create_default_context(cafile=made.ca)) as http:
        yield Server(base, made.ca, key, people, clock, http, Validator([issuer], clock))
    server.should_exit = True
    thread.join(10)
    listening.close()
    store.close()


@pytest.fixture
def server(running: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The running issuer with its clock right and everybody in the directory; MSAL trusts its certificate."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.ca))
    with requests.Session() as running.session:
        yield running
    running.clock.ahead = 0.0
    running.people.everyone, running.people.one_click = [ADA, BOB], [ADA, BOB]
    running.people.applications = {PUBLIC.id: PUBLIC, DAEMON.id: DAEMON}
