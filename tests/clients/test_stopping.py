"""The server and clients that keep their connections."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx

from tests.clients.running import running


def test_stopping_does_not_wait_for_idle_clients(tmp_path: Path) -> None:
    # An idle client reads nothing, so it does not notice that the server would like to end TLS politely.
    trusted = ssl.create_default_context()
    with httpx.Client(verify=trusted) as client, running(tmp_path) as server:
        trusted.load_verify_locations(server.ca)
        assert client.get(f"{server.https}/").status_code == 200
    # That it stopped without a complaint, `running` has seen.
