"""`folkmoot serve` and its companions, as somebody at a terminal meets them."""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from folkmoot import lab
from folkmoot.commands import serving
from tests.harness import DOMAIN, Graph
from tests.server import Server, folkmoot, start

GROUP = "29981b6a-0e57-42dc-94c9-cd24f5306196"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start(tmp_path_factory.mktemp("serve") / "data")
    yield running
    running.stop()


def _get(url: str, token: str, ca: Path | None = None) -> httpx.Response:
    verify = ssl.create_default_context(cafile=str(ca)) if ca else True
    with httpx.Client(verify=verify) as client:
        return client.get(url, headers={"Authorization": f"Bearer {token}"})


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")
def test_the_printed_curl_line_starts_a_conversation(server: Server) -> None:
    line = server.printed[server.printed.index("curl ") :]
    done = subprocess.run(["sh", "-c", line.replace("curl ", "curl -sS -w '\\n%{http_code}' ", 1)], check=True,
                          capture_output=True, text=True)  # fmt: skip
    body, status = done.stdout.rsplit("\n", 1)
    assert status == "201"
    assert json.loads(body)["threads"][0]["id"]
    listed = _get(f"{server.http}/v1.0/groups/{GROUP}/conversations", server.token()).json()
    assert listed["value"][0]["topic"] == "New product launch"


def test_it_prints_what_clients_must_trust(server: Server) -> None:
    assert f"SSL_CERT_FILE={server.ca}" in server.printed
    assert f"NODE_EXTRA_CA_CERTS={server.ca}" in server.printed
    answer = _get(f"{server.https}/v1.0/me", server.token("--person", "MeganB"), server.ca)
    assert answer.json()["displayName"] == "Megan Bowen"


def test_of_a_certificate_of_ones_own_it_does_not_say_whom_to_trust(server: Server, tmp_path: Path) -> None:
    chain, key = str(server.ca.with_name("server.pem")), str(server.ca.with_name("server-key.pem"))
    other = start(tmp_path / "data", FOLKMOOT_CERTIFICATE=chain, FOLKMOOT_CERTIFICATE_KEY=key)
    own = {"FOLKMOOT_CERTIFICATE": chain, "FOLKMOOT_CERTIFICATE_KEY": key}
    try:
        assert "SSL_CERT_FILE" not in other.printed
        assert "--cacert" not in other.printed
        assert json.loads(folkmoot("lab", "facts", *other.options, env=own))["caFile"] is None
        answer = _get(f"{other.https}/v1.0/me", folkmoot("token", *other.options, env=own).strip(), server.ca)
        assert answer.json()["displayName"] == "Adele Vance"
    finally:
        other.stop()


def test_facts_are_what_a_harness_needs(server: Server) -> None:
    facts = server.facts
    assert facts["tenant"]["domain"] == "contoso.onmicrosoft.com"
    adele = facts["people"][0]
    assert adele["upn"] == "AdeleV@contoso.onmicrosoft.com"
    assert set(adele) >= {"id", "upn", "mail", "name", "password"}
    assert len(facts["people"]) >= 12
    assert GROUP in [group["id"] for group in facts["groups"]]
    assert facts["applications"]["daemon"]["roles"] == ["Group.ReadWrite.All", "User.Read.All"]
    assert facts["applications"]["daemonWithoutRoles"]["roles"] == []
    assert facts["applications"]["publicClient"]["secret"] is None


def test_whoever_has_read_enough_breaks_nothing(server: Server) -> None:
    """As `folkmoot lab facts | head -1`."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [sys.executable, "-m", "folkmoot", "lab", "facts", *server.options]
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_facts_and_tokens_know_the_ports_of_the_running_server(server: Server) -> None:
    data = server.options[1]
    facts = json.loads(folkmoot("lab", "facts", "--data", data))
    assert facts["httpUrl"] == server.http
    token = folkmoot("token", "--data", data, "--person", "alexw@contoso.onmicrosoft.com").strip()
    assert _get(f"{server.http}/v1.0/me", token).json()["displayName"] == "Alex Wilber"


@pytest.mark.parametrize("command", ["token", "lab facts"])
def test_where_no_server_ever_ran_a_command_says_so(tmp_path: Path, command: str) -> None:
    arguments = [sys.executable, "-m", "folkmoot", *command.split(), "--data", str(tmp_path / "data")]
    said = [subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=60) for _ in range(2)]
    assert str(tmp_path / "data") in said[0].stderr
    assert "--data" in said[0].stderr
    assert said[1].stderr == ""  # a server that is started there now takes what was said


def test_a_server_that_stops_leaves_word_of_another_on_its_directory(tmp_path: Path) -> None:
    first = start(tmp_path / "data")
    second = start(tmp_path / "data")
    try:
        first.stop()
        assert json.loads(folkmoot("lab", "facts", "--data", str(tmp_path / "data")))["httpUrl"] == second.http
    finally:
        second.stop()
    assert not (tmp_path / "data" / "running.json").exists()


def test_a_token_carries_the_chosen_scopes_alone(server: Server) -> None:
    token = server.token("--scope", "User.Read")
    assert _get(f"{server.http}/v1.0/me", token).status_code == 200
    assert _get(f"{server.http}/v1.0/groups/{GROUP}/conversations", token).status_code == 403


def test_tokens_of_applications(server: Server) -> None:
    assert _get(f"{server.http}/v1.0/groups", server.token("--app", "daemon")).status_code == 200
    assert _get(f"{server.http}/v1.0/groups", server.token("--app", "daemonWithoutRoles")).status_code == 403


def test_every_absolute_url_names_the_origin_that_was_used(server: Server) -> None:
    token = server.token()
    by_address = server.http.replace("localhost", "127.0.0.1")
    page = _get(f"{by_address}/v1.0/users?$top=1", token).json()
    assert page["@odata.context"].startswith(by_address)
    assert page["@odata.nextLink"].startswith(by_address)
    with httpx.Client() as client:
        page = client.get(
            f"{server.http}/v1.0/users?$top=1", headers={"Authorization": f"Bearer {token}", "Host": "evil.example"}
        ).json()
    assert page["@odata.nextLink"].startswith(server.https)


def test_the_public_url_rules_every_absolute_url(tmp_path: Path) -> None:
    server = start(tmp_path / "data", FOLKMOOT_PUBLIC_URL="https://moot.example.org")
    try:
        token = folkmoot("token", *server.options, env={"FOLKMOOT_PUBLIC_URL": "https://moot.example.org"}).strip()
        page = _get(f"{server.http}/v1.0/users?$top=1", token).json()
        assert page["@odata.context"].startswith("https://moot.example.org/v1.0/$metadata#")
        assert page["@odata.nextLink"].startswith("https://moot.example.org/v1.0/users?")
        found = httpx.get(f"{server.http}/{server.facts['tenant']['id']}/v2.0/.well-known/openid-configuration").json()
        addresses = {key: value for key, value in found.items() if key == "issuer" or key.endswith(("endpoint", "uri"))}
        assert len(addresses) >= 5
        assert all(value.startswith("https://moot.example.org/") for value in addresses.values())
    finally:
        server.stop()


def test_the_home_page_says_where_to_go(server: Server) -> None:
    page = httpx.get(server.http)
    assert page.status_code == 200
    assert f"{server.https}/v1.0" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_an_unknown_path_is_answered_in_the_envelope(server: Server) -> None:
    for path in ("/nowhere", "/v2.0/me", "/beta/me"):
        answer = httpx.get(f"{server.http}{path}")
        assert answer.status_code >= 400, path
        assert set(answer.json()["error"]) >= {"code", "message", "innerError"}, path


def test_a_taken_port_is_said_with_the_option_to_change(server: Server) -> None:
    port = server.http.rsplit(":", 1)[1]
    done = _run("serve", "--data", server.options[1], "--https-port", "0", "--http-port", port)
    assert done.returncode == 1
    assert f":{port}" in done.stderr
    assert "--http-port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_misspelt_variable_is_warned_of_without_its_value(server: Server) -> None:
    port = server.http.rsplit(":", 1)[1]
    where = ("--data", server.options[1], "--https-port", "0", "--http-port", port)
    done = _run("serve", *where, env={"FOLKMOOT_DATABSE": "postgresql://moot:secret@db/moot"})
    assert [line for line in done.stderr.splitlines() if line.startswith("WARNING") and "FOLKMOOT_DATABSE" in line]
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("token", "--person", "Nobody"), 1, "Nobody is called 'Nobody'"),
        (("token", "--app", "nothing"), 1, "No application is called 'nothing'"),
        (("token", "--scope", "all of it"), 1, "'all of it' is not the name of a permission"),
        (("token", "--lifetime", "0"), 1, "--lifetime"),
        (("token", "--database", "oracle://x"), 1, "postgresql://"),
        (("serve", "--host", "0.0.0.0"), 78, "--development-beyond-loopback"),  # noqa: S104
        (("serve", "--database", "oracle://x"), 78, "postgresql://"),
        (("serve", "--public-url", "https://x/y?z"), 78, "public_url"),
        (("serve", "--https-port", "22412", "--http-port", "22412"), 78, "https_port and http_port are both 22412"),
        (("serve", "--database", "postgresql://localhost:1/x?nonsense=1"), 78, "database is no URL of"),
        (("doctor", "--database", "postgresql://localhost:1/x?nonsense=1"), 1, "database is no URL of"),
        (("lab", "fill", "--posts", "10", "--processes", "-1"), 1, "--processes must be 0 or more"),
        (("serve", "--database", "postgresql:///?host=/nowhere"), 1, "The database cannot be reached"),
        (
            ("serve", "--host", "192.0.2.7", "--development-beyond-loopback"),
            1,
            "an address of this machine with --host",
        ),
        (
            ("serve", "--host", "x.invalid", "--development-beyond-loopback"),
            1,
            "an address of this machine with --host",
        ),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(
    tmp_path: Path, arguments: tuple[str, ...], status: int, said: str
) -> None:
    """A server whose setting is wrong ends with a status of its own, so that it is not started again."""
    done = _run(*arguments, "--data", str(tmp_path))
    assert done.returncode == status
    assert done.stderr.startswith("folkmoot: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["serve", "migrate", "person list"])
@pytest.mark.parametrize(
    ("session", "said"),
    [
        ("role=pg_read_all_stats", "permission denied for schema public"),
        ("search_path=nowhere", "no schema has been selected to create in"),
    ],
)
def test_a_role_without_rights_in_the_database_is_one_clear_line(
    tmp_path: Path, fresh_database: str, command: str, session: str, said: str
) -> None:
    url = f"{fresh_database}{'&' if '?' in fresh_database else '?'}options=-c%20{session.replace('=', '%3D')}"
    done = _run(*command.split(), "--data", str(tmp_path), "--database", url)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert f"do what is needed: {said}. " in last
    assert "own the database" in last


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_names_are_printed_whatever_the_terminal_can_show(tmp_path: Path, encoding: str) -> None:
    env = {"PYTHONIOENCODING": encoding}
    where = ("--data", str(tmp_path))
    folkmoot("person", "add", "zoe", "--name", "Zoë Ł 日 😀", *where)
    command = [sys.executable, "-m", "folkmoot", "person", "show", "zoe", "--json", *where]
    shown = subprocess.run(command, check=True, capture_output=True, env={**os.environ, **env}, timeout=60).stdout
    assert json.loads(shown.decode(encoding))["displayName"] == "Zoë Ł 日 😀"
    assert _run("serve", "--help", env=env).returncode == 0


def test_an_argument_that_is_no_text_is_one_clear_line(tmp_path: Path) -> None:
    folkmoot("person", "add", "zoe", "--data", str(tmp_path))
    command = [sys.executable, "-m", "folkmoot", "person", "show", os.fsdecode(b"zo\xe9"), "--data", str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "An argument has bytes that are no text" in done.stderr


@pytest.mark.parametrize("closed", ["1", "2", "0 1 2"])
@pytest.mark.parametrize("command", ["person list", "doctor", "backup whole.zip"])
def test_streams_may_be_closed(tmp_path: Path, command: str, closed: str) -> None:
    folkmoot("migrate", "--data", str(tmp_path / "data"))
    close = f"import os; [os.close(int(each)) for each in '{closed}'.split()];"
    run = f"os.execv('{sys.executable}', ['{sys.executable}', '-m', 'folkmoot', *'{command} --data data'.split()])"
    program = [sys.executable, "-c", close + run]
    done = subprocess.run(program, check=False, capture_output=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0
    assert b"Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [("backup", "{0}/b.zip"), ("serve",)], ids=["backup", "serve"])
def test_a_full_disk_is_one_clear_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    folkmoot("migrate", "--data", str(tmp_path / "data"))
    # No file may grow beyond this, which is where a disk that is full refuses.
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100));"
    command = limited + "from folkmoot.cli import main; main()"
    words = [*(each.format(tmp_path) for each in arguments), "--data", str(tmp_path / "data"), "--https-port", "0"]
    done = subprocess.run(
        [sys.executable, "-c", command, *words], check=False, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1
    assert done.stderr.startswith("folkmoot: ")
    assert done.stderr.count("\n") == 1


def test_the_data_directory_is_for_its_owner_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    folkmoot("token", "--data", str(data))
    folkmoot("migrate", "--data", str(data))
    assert [oct(path.stat().st_mode & 0o077) for path in (data, *data.rglob("*"))] == ["0o0"] * (
        1 + len(list(data.rglob("*")))
    )


def test_production_has_no_issuer_and_no_people(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text('{"keys": []}')
    environment = {
        "FOLKMOOT_MODE": "production",
        "FOLKMOOT_ISSUERS_MAIN_ISSUER": "https://id.example.org",
        "FOLKMOOT_ISSUERS_MAIN_AUDIENCE": "moot",
        "FOLKMOOT_ISSUERS_MAIN_JWKS_FILE": str(keys),
        "FOLKMOOT_HTTPS_PORT": "0",
    }
    for command in (("token",), ("lab", "facts")):
        done = _run(*command, "--data", str(tmp_path), env=environment)
        assert done.returncode == 1
        assert "development mode only" in done.stderr
    assert not list(tmp_path.glob("*.pem"))


def test_production_says_that_people_of_development_are_there(graph: Graph, caplog: pytest.LogCaptureFixture) -> None:
    settings = msgspec.structs.replace(graph.settings, mode="production")
    serving._seeded(graph.store, settings)
    assert f"admin@{DOMAIN}" in caplog.text
    assert "folkmoot person remove" in caplog.text
    caplog.clear()
    admin = graph.as_("admin", scopes=["User.ReadWrite.All"])
    for person in sorted(lab.PEOPLE, key=lambda each: each.admin):  # the administrator last
        assert admin.delete(f"/users/{person.id}").status == 204
    serving._seeded(graph.store, settings)
    assert caplog.text == ""


def test_migrate_says_where_it_ended(tmp_path: Path) -> None:
    assert re.search(r"revision \d{4}", folkmoot("migrate", "--data", str(tmp_path)))
    assert re.search(r"revision \d{4}", folkmoot("migrate", "--data", str(tmp_path)))


def _run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "folkmoot", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, **(env or {})},
    )
