"""`folkmoot grant`, beside a server that runs on the same data directory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.server import Server, folkmoot, start

HR = "02bd9fd6-8f93-4758-87c3-1fb73740a315"
WRITE = "Group-Conversation.ReadWrite.Group"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start(tmp_path_factory.mktemp("grant") / "data")
    yield running
    running.stop()


def _post(server: Server, application: str) -> int:
    body = {"topic": "beep", "threads": [{"posts": [{"body": {"contentType": "text", "content": "x"}}]}]}
    headers = {"Authorization": f"Bearer {server.token('--app', application)}"}
    return httpx.post(f"{server.http}/v1.0/groups/{HR}/conversations", json=body, headers=headers).status_code


def test_an_extended_application_may_start_a_conversation(server: Server) -> None:
    """What the issue asks of the cloud in vain, as a newcomer would try it."""
    assert _post(server, "daemon") == 403
    assert _post(server, "extended") == 201


def test_a_grant_is_given_listed_and_taken(server: Server) -> None:
    data = server.options[:2]
    assert _post(server, "extendedWithoutRoles") == 403
    id = folkmoot("grant", "add", "HR", "extendedWithoutRoles", WRITE, *data).strip()
    assert _post(server, "extendedWithoutRoles") == 201
    listed = folkmoot("grant", "list", HR, *data)
    application = server.facts["applications"]["extendedWithoutRoles"]["clientId"]
    assert listed == f"{id}  {application}  {WRITE}  Extended without roles\n"
    group = "HR@contoso.onmicrosoft.com"
    assert folkmoot("grant", "remove", group, application, WRITE.lower(), *data) == ""
    assert folkmoot("grant", "list", "HR", *data) == ""
    assert _post(server, "extendedWithoutRoles") == 403


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "Nowhere", "extended", WRITE), "There is no group 'Nowhere'."),
        (("list", "AdeleV"), "There is no group 'AdeleV'."),
        (("add", "HR", "nobody", WRITE), "'nobody' is not an application's client id."),
        (("add", "HR", HR, WRITE), f"Resource '{HR}' does not exist"),
        (("add", "HR", "extended", "Group.Read.All"), "'Group.Read.All' cannot be granted in a group"),
        (("remove", "HR", "extended", WRITE), f"The application has no grant '{WRITE}' in this group."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_one_clear_line(server: Server, arguments: tuple[str, ...], said: str) -> None:
    command = [sys.executable, "-m", "folkmoot", "grant", *arguments, *server.options[:2]]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"folkmoot: {said}"), done.stderr
    assert len(done.stderr.splitlines()) == 1
