"""What is shipped for operators (`deploy/`, the how-to): it names settings, commands and metrics that there are.

Programs that read these files judge theirs where they are installed.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import yaml

from folkmoot import cli
from folkmoot.auth import certificates
from folkmoot.auth.trust import Trust
from folkmoot.config import Settings, load
from folkmoot.metrics import PrometheusMeter
from tests.server import free_port

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
HOW_TO = ROOT / "docs" / "how-to" / "production.md"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
UNITS = sorted(DEPLOY.glob("*.service"))


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not on this machine")


def judged(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def known(variable: str) -> bool:
    """Whether the server reads this variable of the environment."""
    name = variable.removeprefix("FOLKMOOT_").lower()
    if name.startswith("issuers_"):
        return name.split("_", 2)[2] in Trust.__struct_fields__
    return name == "config" or name in Settings.__struct_fields__


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_variable_is_a_setting() -> None:
    container = re.findall(r"(?m)^(?:ENV| {4})\s*(FOLKMOOT_\w+)=", DOCKERFILE)
    composed = [name for name in COMPOSE["services"]["folkmoot"]["environment"] if name.startswith("FOLKMOOT_")]
    units = [name for unit in UNITS for name in re.findall(r"(?m)^#?Environment=(FOLKMOOT_\w+)=", unit.read_text())]
    assert min(map(len, (container, composed, units))) > 3
    assert [name for name in (*container, *composed, *units) if not known(name)] == []


def test_the_settings_file_is_read(tmp_path: Path) -> None:
    settings = load({"config": str(DEPLOY / "folkmoot.toml")}, {})
    assert (settings.mode, settings.host, settings.metrics) == ("production", "127.0.0.1", True)
    # Without it those whom the how-to adds could not sign in.
    assert settings.issuers["main"].link == ("mail",)


def test_the_container_s_environment_is_one_to_start_with(tmp_path: Path) -> None:
    variables = dict(re.findall(r"(?m)^ {4}(FOLKMOOT_\w+)=(\S+)", DOCKERFILE))
    example = dict(line.split("=", 1) for line in (DEPLOY / "example.env").read_text().splitlines() if "=" in line)
    (tmp_path / "database").write_text("postgresql://folkmoot:secret@database/folkmoot\n")
    asked = set()
    for name, value in COMPOSE["services"]["folkmoot"]["environment"].items():
        asked |= set(re.findall(r"\$\{(\w+)", value))
        variables[name] = re.sub(r"\$\{(\w+)[^}]*\}", lambda found: example[found[1]], value)
    assert asked | {"FOLKMOOT_HOSTNAME"} == set(example)
    assert variables["FOLKMOOT_DATABASE_FILE"] == "/run/secrets/database"
    settings = load({}, {**variables, "FOLKMOOT_DATABASE_FILE": str(tmp_path / "database")})
    assert settings.database == "postgresql://folkmoot:secret@database/folkmoot"
    assert settings.issuers["main"].link == ("mail",)
    assert (settings.mode, settings.public_url, settings.log_format) == (
        "production",
        "https://moot.example.org",
        "json",
    )
    grace = COMPOSE["services"]["folkmoot"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > settings.unready_seconds + settings.grace_seconds


# ── the container ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_dockerfile_has_no_fault_that_a_linter_knows() -> None:
    judged(str(Path(sys.executable).with_name("hadolint")), "--no-color", str(DEPLOY / "Dockerfile"))


def test_the_dockerfile_copies_what_is_there_and_is_let_in() -> None:
    sources = [source for line in re.findall(r"(?m)^COPY (?!--from)(.+)$", DOCKERFILE) for source in line.split()[:-1]]
    let_in = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    assert "requirements-opentelemetry.txt" in sources
    assert [source for source in sources if not (ROOT / source).exists() or f"!{source}" not in let_in] == []
    user = re.findall(r"(?m)^USER (\S+)$", DOCKERFILE)
    assert user == ["10001:10001"]


def test_the_image_is_built_of_what_is_pinned_and_holds_nothing_to_install_more_with() -> None:
    # A syntax line would have each build run a program from a registry that nobody has checked.
    assert "syntax=" not in DOCKERFILE
    assert "pip uninstall --yes setuptools pip" in DOCKERFILE


def test_a_migration_may_take_as_long_in_a_container_as_under_systemd() -> None:
    """A server answers nothing before it is done; a check that has succeeded once no longer waits."""
    patience = re.search(r"--start-period=(\w+)", DOCKERFILE)
    unit = re.search(r"(?m)^TimeoutStartSec=(\d+)min$", (DEPLOY / "folkmoot.service").read_text())
    assert patience is not None
    assert unit is not None
    assert patience[1] == f"{unit[1]}m"


@contextmanager
def answering(status: int) -> Iterator[int]:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (500, False)])
def test_the_container_s_health_check_asks_the_server(status: int, healthy: bool) -> None:
    command = json.loads(re.findall(r"(?m)^ {4}CMD (\[.*\])$", DOCKERFILE)[0])
    assert command[0] == "python"
    with answering(status) as port:
        done = subprocess.run(
            [sys.executable, *command[1:]], env={"FOLKMOOT_HTTP_PORT": str(port)}, capture_output=True, timeout=20
        )
    assert (done.returncode == 0) is healthy, done.stderr


def test_the_compose_file_names_what_it_has() -> None:
    services: Mapping[str, Mapping[str, Any]] = COMPOSE["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"])
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert (DEPLOY / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"]
        for name, condition in service.get("depends_on", {}).items():
            # The image of the server has its own health check.
            assert condition == {"condition": "service_healthy"}
            assert "healthcheck" in services[name] or "build" in services[name]
    build = services["folkmoot"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).resolve() == DEPLOY / "Dockerfile"
    # Nothing but the proxy is published, and no password is in an environment.
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    named = [name for service in services.values() for name in service.get("environment", ())]
    assert [name for name in named if "PASSWORD" in name and not name.endswith("_FILE")] == []


# ── units, proxies, Prometheus ───────────────────────────────────────────────────────────────────────────────────────


@needs("systemd-analyze")
def test_the_units_are_sound_and_hardened(tmp_path: Path) -> None:
    for file in (*UNITS, DEPLOY / "folkmoot-backup.timer", DEPLOY / "folkmoot.socket"):
        # The program is not installed where the unit expects it; any other does for a check of the file.
        (tmp_path / file.name).write_text(file.read_text().replace("/opt/folkmoot/bin/folkmoot", "/bin/true"))
    said = judged("systemd-analyze", "verify", "--man=no", *map(str, tmp_path.iterdir()))
    assert "folkmoot" not in said, said
    verdict = judged("systemd-analyze", "security", "--offline=true", str(tmp_path / "folkmoot.service"))
    exposure = re.search(r"Overall exposure level for folkmoot.service: ([\d.]+)", verdict)
    assert exposure is not None, verdict
    assert float(exposure[1]) < 2


def test_the_units_run_commands_that_there_are() -> None:
    parser = cli._parser()
    for unit in UNITS:
        for line in re.findall(r"(?m)^ExecStart=/opt/folkmoot/bin/folkmoot (.+)$", unit.read_text()):
            parser.parse_args(shlex.split(line))
    seconds = re.search(r"(?m)^TimeoutStopSec=(\d+)$", (DEPLOY / "folkmoot.service").read_text())
    settings = load({"config": str(DEPLOY / "folkmoot.toml")}, {})
    assert seconds is not None
    assert int(seconds[1]) > settings.unready_seconds + settings.grace_seconds


def nginx_of(folder: Path) -> tuple[str, ...]:
    """The command for nginx with our file, as one that needs nothing outside of `folder`."""
    made = certificates.ensure(folder / "certificates", [])
    server = (DEPLOY / "nginx.conf").read_text()
    server = server.replace("/etc/letsencrypt/live/moot.example.org/fullchain.pem", str(made.certificate))
    server = server.replace("/etc/letsencrypt/live/moot.example.org/privkey.pem", str(made.key))
    server = server.replace("/var/log/nginx/", f"{folder}/")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"pid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\nhttp {{\n{places}access_log off;\n{server}}}\n"
    )
    return "nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")


@needs("nginx")
def test_nginx_takes_its_file(tmp_path: Path) -> None:
    judged(*nginx_of(tmp_path), "-t", "-q")


def put(url: str) -> int:
    """What a proxy answers to a range of an upload while there is no server behind it."""
    return httpx.put(url, content=b"range", headers={"Authorization": "Bearer secret"}, verify=False).status_code  # noqa: S501


@contextmanager
def nginx(folder: Path, *servers: int) -> Iterator[str]:
    """Our file at work in front of servers on these ports; yields its origin."""
    command, port = nginx_of(folder), free_port()
    file = folder / "nginx.conf"
    text = re.sub(r"(?m)^ *listen (80|\[::\]).*\n", "", file.read_text())
    text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    text = text.replace("server 127.0.0.1:8080;", " ".join(f"server 127.0.0.1:{each};" for each in servers))
    # The server that only redirects would listen on the port of HTTP.
    file.write_text(text.replace("server {\n", f"server {{\n    listen 127.0.0.1:{free_port()};\n", 1))
    judged(*command)
    try:
        yield f"https://127.0.0.1:{port}"
    finally:
        judged(*command, "-s", "quit")


@needs("nginx")
def test_nginx_writes_no_upload_s_path_down(tmp_path: Path) -> None:
    with nginx(tmp_path, free_port()) as origin:
        assert put(f"{origin}/uploads/nobodys-business") == 502
    assert " PUT 502 " in (tmp_path / "folkmoot.log").read_text()
    logs = [(tmp_path / name).read_text() for name in ("folkmoot.log", "error.log")]
    assert not re.search("nobodys-business|secret", "".join(logs))


@needs("nginx")
@pytest.mark.parametrize(("answers", "status", "asked"), [(True, 202, 4), (False, 502, 1)])
def test_nginx_asks_the_next_server_where_one_is_away_and_sends_no_post_twice(
    tmp_path: Path, answers: bool, status: int, asked: int
) -> None:
    """As while one of two restarts. A server that ends without an answer may have done what it was asked."""
    seen = []

    class Folkmoot(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.rfile.read(int(self.headers["Content-Length"])))
            if answers:
                self.send_response(202)
                self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Folkmoot) for _ in range(1 if answers else 2)]
    for server in servers:
        Thread(target=server.serve_forever, daemon=True).start()
    ports = [*([free_port()] if answers else []), *(server.server_port for server in servers)]
    try:
        with nginx(tmp_path, *ports) as origin, httpx.Client(base_url=origin, verify=False) as client:  # noqa: S501
            found = [client.post("/v1.0/groups", content=b"{}").status_code for _ in range(asked)]
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
    assert found == [status] * asked
    assert len(seen) == asked


@needs("caddy")
def test_caddy_takes_its_file() -> None:
    judged("caddy", "validate", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile"))


@contextmanager
def caddy(tmp_path: Path, upstream: int, text: str) -> Iterator[tuple[str, list[str]]]:
    """Caddy before a server at the port `upstream`: its URL, and what it has said, which is whole when it has ended."""
    file, url = tmp_path / "Caddyfile", f"http://127.0.0.1:{free_port()}"
    # Nobody is to change its settings while it runs; the port for that may be another program's here.
    file.write_text(text.replace("\n{\n", "\n{\n\tadmin off\n", 1))
    environment = {
        **os.environ,
        "FOLKMOOT_HOSTNAME": url,
        "FOLKMOOT_UPSTREAM": f"127.0.0.1:{upstream}",
        "XDG_CONFIG_HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
    }
    command = ("caddy", "run", "--adapter", "caddyfile", "--config", str(file))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        said = []
        try:
            for line in process.stderr:
                said.append(line)
                if "serving initial configuration" in line:
                    break
            yield url, said
        finally:
            process.terminate()
            said.append(process.stderr.read())


@needs("caddy")
def test_caddy_waits_for_a_server_that_restarts_and_asks_one_that_is_not_ready(tmp_path: Path) -> None:
    class Draining(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(202)
            self.end_headers()

        def do_GET(self) -> None:
            self.send_error(503)

        def log_message(self, *_: object) -> None:
            pass

    port = free_port()
    with caddy(tmp_path, port, (DEPLOY / "Caddyfile").read_text()) as (url, _), ThreadPoolExecutor() as pool:
        waiting = pool.submit(httpx.post, f"{url}/v1.0/groups", timeout=30)
        with ThreadingHTTPServer(("127.0.0.1", port), Draining) as server:
            pool.submit(server.serve_forever)
            try:
                assert waiting.result().status_code == 202
            finally:
                server.shutdown()


@needs("caddy")
def test_caddy_writes_no_upload_s_path_down(tmp_path: Path) -> None:
    impatient = re.sub(r"lb_try_duration \w+", "lb_try_duration 0s", (DEPLOY / "Caddyfile").read_text())
    with caddy(tmp_path, free_port(), impatient) as (url, lines):
        assert put(f"{url}/uploads/nobodys-business") == 502
    said = "".join(lines)
    # It tells both that there was a request, and that nobody answered it.
    assert {"http.log.access.log0", "http.log.error.log0"} <= set(re.findall(r'"logger":"([^"]+)"', said))
    assert not re.search("nobodys-business|secret", said)


@needs("promtool")
def test_prometheus_takes_its_files() -> None:
    judged("promtool", "check", "config", str(DEPLOY / "prometheus.yml"))


# What Prometheus has fetched, once a minute, and which alerts are firing after so many minutes.
_SLOW = 'folkmoot_request_seconds_bucket{operation="%s",method="GET",le="%s"}'
FIRING: tuple[tuple[str, dict[str, str], list[str]], ...] = (
    ("it does not answer", {'up{job="folkmoot"}': "1 0x20"}, ["FolkmootDown"]),
    (
        "requests fail",
        {'folkmoot_requests_total{status="500"}': "0+5x20", 'folkmoot_requests_total{status="200"}': "0+5x20"},
        ["FolkmootFails"],
    ),
    (
        "the database is away",
        {
            'folkmoot_requests_total{status="503"}': "_ 1+9x20",
            'folkmoot_requests_total{status="200"}': "0+500x20",
            'folkmoot_database_errors_total{doing="read"}': "_ 1+60x20",
        },
        ["FolkmootDatabaseErrors", "FolkmootRefusesForLackOfTheDatabase"],
    ),
    ("the disk is full", {'folkmoot_requests_total{status="507"}': "_ 1+2x20"}, ["FolkmootStorageFull"]),
    (
        "reads are slow",
        {_SLOW % ("thread/posts", le): f"0+{n}x20" for le, n in (("1", 9), ("10", 90), ("+Inf", 90))},
        ["FolkmootSlow"],
    ),
    (
        "clients upload slowly",
        {_SLOW % ("upload", le): f"0+{n}x20" for le, n in (("1", 9), ("10", 90), ("+Inf", 90))},
        [],
    ),
    (
        "subscribers hear late, and of some things never",
        {
            'folkmoot_notification_lag_seconds_bucket{le="60"}': "0+1x40",
            'folkmoot_notification_lag_seconds_bucket{le="600"}': "0+9x40",
            'folkmoot_notification_lag_seconds_bucket{le="+Inf"}': "0+9x40",
            'folkmoot_notifications_total{outcome="dropped"}': "0x30 4x10",
        },
        ["FolkmootNotificationsDropped", "FolkmootNotificationsLate"],
    ),
    ("writes wait", {"folkmoot_writer_queue": "900x20"}, ["FolkmootWritesWait"]),
    (
        "the disk is slow",
        {
            'folkmoot_commit_seconds_bucket{le="0.5"}': "0+1x20",
            'folkmoot_commit_seconds_bucket{le="5"}': "0+9x20",
            'folkmoot_commit_seconds_bucket{le="+Inf"}': "0+9x20",
        },
        ["FolkmootCommitsSlow"],
    ),
    ("nothing is swept", {"folkmoot_retention_timestamp_seconds": "1x300"}, ["FolkmootRetentionStopped"]),
    ("nothing was ever to be swept", {"folkmoot_retention_timestamp_seconds": "0x300"}, []),
)


@needs("promtool")
@pytest.mark.parametrize(("series", "firing"), [each[1:] for each in FIRING], ids=[each[0] for each in FIRING])
def test_alerts_fire_when_what_they_are_for_happens(series: dict[str, str], firing: list[str], tmp_path: Path) -> None:
    last = max(int(re.findall(r"x(\d+)", values)[-1]) for values in series.values())
    at = 35 if last == 40 else last
    rules = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]
    assert set(firing) <= {rule["alert"] for rule in rules}
    expected = [
        {
            "alertname": rule["alert"],
            "eval_time": f"{at}m",
            "exp_alerts": [
                {
                    "exp_labels": {**rule["labels"], **_labels(rule["alert"], series)},
                    "exp_annotations": rule["annotations"],
                }
            ]
            if rule["alert"] in firing
            else [],
        }
        for rule in rules
    ]
    input_series = [{"series": name, "values": values} for name, values in series.items()]
    asked = {
        "rule_files": [str(DEPLOY / "alerts.yml")],
        "tests": [{"interval": "1m", "input_series": input_series, "alert_rule_test": expected}],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(asked))
    judged("promtool", "test", "rules", str(tmp_path / "test.yml"))


def _labels(alert: str, series: Mapping[str, str]) -> dict[str, str]:
    """Those of the one series that an alert is about, where it does not add up several."""
    alone = {
        "FolkmootDown": 'up{job="folkmoot"}',
        "FolkmootNotificationsDropped": 'folkmoot_notifications_total{outcome="dropped"}',
    }
    return dict(re.findall(r'(\w+)="([^"]*)"', alone.get(alert, "")))


def test_alerts_and_manual_name_metrics_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    there = {
        name
        for family in PrometheusMeter().registry.collect()
        for name in ({f"{family.name}_total"} if family.type == "counter" else {family.name})
    }
    ours = {name for name in there if name.startswith("folkmoot_")}
    alerts = re.findall(r"folkmoot_\w+", " ".join(re.findall(r"expr: (.+)", (DEPLOY / "alerts.yml").read_text())))
    assert {re.sub("_bucket$", "", name) for name in alerts} - ours == set()
    manual = set(re.findall(r"`(folkmoot_\w+)`", (ROOT / "docs" / "manual" / "running.md").read_text()))
    assert manual == ours


# ── the how-to ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_how_to_gives_commands_files_and_settings_that_there_are() -> None:
    text = HOW_TO.read_text()
    parser = cli._parser()
    blocks = "\n".join(re.findall(r"(?s)```sh\n(.*?)```", text))
    called = r"(?m)^.*?(?:/opt/folkmoot/bin/folkmoot|exec folkmoot folkmoot|^folkmoot) (.+)$"
    commands = [shlex.split(found) for found in re.findall(called, blocks)]
    assert {command[0] for command in commands} >= {"person", "group", "doctor", "backup", "restore", "migrate"}
    for command in commands:
        parser.parse_args(command)  # exits where the command line would be refused
    files = set(re.findall(r"(?<![\w./])deploy/[\w.-]+", text)) - {"deploy/secrets", "deploy/.env"}
    assert [name for name in sorted(files) if not (ROOT / name).exists()] == []
    settings = set(re.findall(r"`([a-z]+_[a-z_]+)(?: = [^`]*)?`", text)) - {"pg_basebackup"}
    assert settings - set(Settings.__struct_fields__) == set()


def test_the_how_to_builds_each_release_of_itself_alone() -> None:
    """What pip finds in `build/` goes into the package, be it of this release or not."""
    installs = re.findall(r"(?m)^.*pip install .*--no-build-isolation \.$", HOW_TO.read_text())
    assert len(installs) == 2
    assert [line for line in installs if not line.startswith("sudo rm -rf build && ")] == []


def test_the_server_its_backups_and_commands_mean_one_database() -> None:
    """One that a unit alone names is another than that of the commands beside it, which would say nothing of it."""
    assert re.search(r"(?m)^#database_file = ", (DEPLOY / "folkmoot.toml").read_text())
    assert [unit.name for unit in UNITS if "DATABASE" in unit.read_text()] == []


@needs("jq")
def test_the_how_to_finds_the_errors_in_a_journal_that_is_not_all_ours() -> None:
    given = re.search(r"`journalctl -u folkmoot -o cat \| (jq [^`]+)`", HOW_TO.read_text())
    assert given is not None
    journal = 'Starting folkmoot.service - Folkmoot\n{"level":"info"}\nfolkmoot: no\n{"level":"error","message":"it"}\n'
    done = subprocess.run(shlex.split(given[1]), input=journal, capture_output=True, text=True, timeout=60)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"level": "error", "message": "it"}), done.stderr


def test_every_setting_has_its_line_in_the_manual() -> None:
    table = (ROOT / "docs" / "manual" / "running.md").read_text()
    assert [name for name in Settings.__struct_fields__ if not re.search(rf"(?m)^\|.*`{name}`.*\|", table)] == []
