"""From an empty directory to the first administrator and the first group, as an operator goes about it."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from folkmoot import cli
from tests.clients.provider import RESOURCE, Provider, until
from tests.server import free_port


@pytest.fixture(scope="module", autouse=True)
def trust() -> None:
    """Nothing here is trusted by this process."""


@contextmanager
def serving(env: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """A production server: its root, and, once the block ends, what it said."""
    said: list[str] = []
    process = subprocess.Popen(
        [sys.executable, "-m", "folkmoot", "serve"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **env},
    )
    assert process.stdout is not None
    with process.stdout:
        try:
            said.append(until(process, "Folkmoot is running"))
            yield f"http://localhost:{env['FOLKMOOT_HTTP_PORT']}/v1.0", said
        finally:
            process.send_signal(signal.SIGTERM)
            said.append(process.stdout.read())
            assert process.wait(timeout=20) == 0, "".join(said)


def environment(data: Path, issuer: str, **more: str) -> dict[str, str]:
    return {
        "FOLKMOOT_MODE": "production",
        "FOLKMOOT_DATA": str(data),
        "FOLKMOOT_HTTPS_PORT": "0",
        "FOLKMOOT_HTTP_PORT": str(free_port()),
        "FOLKMOOT_DOMAIN": "example.org",
        "FOLKMOOT_ISSUERS_MAIN_ISSUER": issuer,
        "FOLKMOOT_ISSUERS_MAIN_AUDIENCE": RESOURCE,
        **more,
    }


def test_the_first_administrator_and_the_first_group(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    env = environment(
        tmp_path / "data", provider.issuer, FOLKMOOT_ISSUERS_MAIN_LINK="mail", SSL_CERT_FILE=str(provider.ca)
    )

    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "umask", lambda mask: mask)  # the tests' own files are nobody's secret

    def says(*words: str) -> Any:
        # In this process, which saves its start, and so beside that of the server all the same.
        cli.main([*words, "--json"])
        return json.loads(capsys.readouterr().out)

    root = says("person", "add", "root", "--admin")
    with serving(env) as (url, said):
        # Beside the running server.
        says("person", "add", "ada")
        team = says("group", "add", "team", "--owner", "ada", "--member", "ada")
        with httpx.Client(base_url=url) as http:

            def get(path: str, name: str) -> httpx.Response:
                return http.get(path, headers={"Authorization": f"Bearer {tokens[name]}"})

            tokens = {name: provider.person(name) for name in ("root", "ada", "bob")}
            assert get("/me", "root").json()["id"] == root["id"]
            assert get("/me", "ada").json()["userPrincipalName"] == "ada@example.org"
            assert "folkmoot person add" in get("/me", "bob").json()["error"]["message"]
            # The administrator sees the private group; its conversations are its members'.
            assert get(f"/groups/{team['id']}", "root").status_code == 200
            assert get(f"/groups/{team['id']}/conversations", "root").status_code == 403
            assert get(f"/groups/{team['id']}/conversations", "ada").status_code == 200
            says("person", "disable", "ada")
            assert get(f"/groups/{team['id']}/conversations", "ada").status_code == 403
    assert "WARNING" not in "".join(said)


def test_a_server_starts_while_its_issuer_is_away_and_says_so(tmp_path: Path) -> None:
    issuer = f"https://localhost:{free_port()}"
    token = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ."
    claims = base64.urlsafe_b64encode(json.dumps({"iss": issuer, "aud": RESOURCE, "exp": 1}).encode()).decode()
    token += f"{claims.rstrip('=')}.AAAA"
    with serving(environment(tmp_path / "data", issuer)) as (url, said), httpx.Client() as http:
        answer = http.get(f"{url}/me", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "issuer cannot be fetched now" in answer.json()["error"]["message"]
    assert f"WARNING the keys of issuer {issuer} cannot be fetched" in "".join(said)
