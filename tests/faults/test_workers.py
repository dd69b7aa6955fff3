"""A server of two worker processes: each step may reach another of them, and either may die at any time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from folkmoot import lab
from folkmoot.config import Settings
from tests import postgres
from tests.auth.support import Page
from tests.faults.clients import AT_ONCE, CLIENTS, GROUPS, PATIENCE, Crowd, Memory, Running, ask, running, tokens, until
from tests.faults.test_stop import TEXT, everything_from, half_a_post, takes_nobody_new
from tests.faults.truth import check
from tests.harness import DATABASES

BACK = "http://localhost:5000/back"
TENANT = Settings().tenant_id
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
# Hints alone wake followers within half a minute.
ENVIRONMENT = {"FOLKMOOT_WORKERS": "2", "FOLKMOOT_POLL_SECONDS": "30", "FOLKMOOT_GRACE_SECONDS": "60"}


@pytest.fixture(params=DATABASES)
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    """A server of two workers, once on each database."""
    if request.param == "sqlite":
        with running(tmp_path / "data", **ENVIRONMENT) as found:
            yield found
    else:
        with postgres.fresh() as url, running(tmp_path / "data", url, **ENVIRONMENT) as found:
            yield found


def worker_of(served: Running, connection: HTTPConnection) -> int:
    """The process that has the other end of a connection: by the socket's inode (proc(5))."""
    here, there = (f":{port:04X}" for port in (served.port, connection.sock.getsockname()[1]))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    inode = next(row[9] for row in rows if row[1].endswith(here) and row[2].endswith(there))

    def holds(pid: int) -> bool:
        files = []
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                files.append(str(each.readlink()))
        return f"socket:[{inode}]" in files

    return next(pid for pid in served.workers if holds(pid))


def connected(served: Running) -> HTTPConnection:
    """A connection that a worker has taken."""
    connection = HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE)
    send(connection, "GET", "/")
    return connection


def send(
    connection: HTTPConnection,
    method: str,
    path: str,
    body: str | bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[HTTPResponse, bytes]:
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    return answer, answer.read()


def test_each_step_may_reach_another_worker(served: Running) -> None:
    with closing(connected(served)) as one, closing(connected(served)) as two:
        assert {worker_of(served, one), worker_of(served, two)} == set(served.workers)
        token = signed_in(one, two)
        assert signed_in_on_a_device(one, two)
        # What one wrote, the other knows at once, and tells its stream.
        group = GROUPS[0]
        headers = {"Authorization": f"Bearer {token}", "Prefer": "folkmoot.profile=extended"}
        with closing(connected(served)) as streaming:
            other, writer = (one, two) if worker_of(served, streaming) == worker_of(served, one) else (two, one)
            streaming.request("GET", f"/v1.0/groups/{group}/changes", headers=headers)
            events = streaming.getresponse()
            assert events.status == 200, events.read()
            assert streaming.sock is not None
            streaming.sock.settimeout(AT_ONCE)
            body = {"topic": "Hello", "threads": [{"posts": [{"body": {"contentType": "text", "content": "Hello"}}]}]}
            made = ask(writer, "POST", f"/groups/{group}/conversations", token, body)
            assert made.status == 201
            thread = made.json["threads"][0]["id"]
            while b"created" not in events.readline():
                pass
        posts = ask(other, "GET", f"/groups/{group}/threads/{thread}/posts", token).json["value"]
        assert [post["body"]["content"] for post in posts] == ["Hello"]
        uploaded(one, two, token, f"/groups/{group}/threads/{thread}/posts/{posts[0]['id']}/attachments")


def signed_in(one: HTTPConnection, two: HTTPConnection) -> str:
    """An access token, by an authorization code."""
    path = f"/{TENANT}/oauth2/v2.0"
    wanted = {
        "client_id": lab.PUBLIC_CLIENT.id,
        "response_type": "code",
        "redirect_uri": BACK,
        "scope": "https://graph.microsoft.com/Group.ReadWrite.All openid",
    }
    _, page = send(one, "GET", f"{path}/authorize?{urlencode(wanted)}")
    form = Page(page.decode()).forms[0]
    filled = form.fields | dict(form.buttons[:1])
    answer, _ = send(two, "POST", f"{path}/authorize", urlencode(filled), FORM)
    assert answer.status == 303
    [code] = parse_qs(urlsplit(answer.headers["Location"]).query)["code"]
    asked = urlencode(
        {
            "client_id": lab.PUBLIC_CLIENT.id,
            "grant_type": "authorization_code",
            "redirect_uri": BACK,
            "code": code,
        }
    )
    answer, content = send(one, "POST", f"{path}/token", asked, FORM)
    assert answer.status == 200, content
    again, refused = send(two, "POST", f"{path}/token", asked, FORM)
    assert (again.status, json.loads(refused)["error"]) == (400, "invalid_grant")
    return str(json.loads(content)["access_token"])


def signed_in_on_a_device(one: HTTPConnection, two: HTTPConnection) -> Any:
    path = f"/{TENANT}/oauth2/v2.0"
    asked = {"client_id": lab.PUBLIC_CLIENT.id, "scope": "User.Read"}
    device = json.loads(send(one, "POST", f"{path}/devicecode", urlencode(asked), FORM)[1])
    poll = urlencode(
        {
            "client_id": lab.PUBLIC_CLIENT.id,
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": device["device_code"],
        }
    )
    assert json.loads(send(two, "POST", f"{path}/token", poll, FORM)[1])["error"] == "authorization_pending"
    typed = urlencode({"user_code": device["user_code"]})
    form = Page(send(two, "POST", "/common/oauth2/deviceauth", typed, FORM)[1].decode()).forms[0]
    send(one, "POST", "/common/oauth2/deviceauth", urlencode(form.fields | dict(form.buttons[:1])), FORM)
    return json.loads(send(two, "POST", f"{path}/token", poll, FORM)[1])["access_token"]


def uploaded(one: HTTPConnection, two: HTTPConnection, token: str, path: str) -> None:
    """A file whose ranges land on different workers."""
    content = os.urandom(4 * 1024 * 1024)
    item = {"AttachmentItem": {"attachmentType": "file", "name": "a.bin", "size": len(content)}}
    made = ask(one, "POST", f"{path}/createUploadSession", token, item)
    assert made.status == 201, made.content
    url = urlsplit(made.json["uploadUrl"]).path
    half = len(content) // 2
    for connection, first, last in ((two, 0, half), (one, half, len(content))):
        headers = {"Content-Range": f"bytes {first}-{last - 1}/{len(content)}"}
        answer, said = send(connection, "PUT", url, content[first:last], headers)
        assert answer.status in (200, 201), said
    location = urlsplit(answer.headers["Location"]).path
    assert send(two, "GET", f"{location}/$value", headers={"Authorization": f"Bearer {token}"})[1] == content


def test_what_was_acknowledged_survives_the_death_of_a_worker(served: Running) -> None:
    memory, keys = Memory(), tokens(served.data)
    first = served.workers
    crowd = Crowd(served.port, keys, memory, "Meanwhile")
    memory.wait_for_more(4 * CLIENTS)
    os.kill(first[0], signal.SIGKILL)
    # Those who were with the other one go on.
    memory.wait_for_more(4 * CLIENTS)
    until(lambda: len(served.workers) == 2 and first[0] not in served.workers)
    with Crowd(served.port, keys, memory, "Afterwards"):
        memory.wait_for_more(4 * CLIENTS)
    assert served.stop() == 0
    crowd.join()
    assert memory.others == [], memory.others[:3]
    check(served.data, served.database, memory)
    assert f"worker process {first[0]} has ended (SIGKILL)" in "".join(served.printed)


def test_all_stop_together(tmp_path: Path) -> None:
    """Also when a service manager signals each of them: that is not a second signal."""
    with running(tmp_path / "data", **ENVIRONMENT) as served:
        workers = served.workers
        memory = Memory()
        with half_a_post(served) as (connection, rest):
            served.server.process.terminate()
            for pid in workers:
                os.kill(pid, signal.SIGTERM)
                os.kill(pid, signal.SIGINT)
            until(lambda: takes_nobody_new(served))
            connection.sendall(rest)
            head, _, body = everything_from(connection).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 201 ")
        assert served.stop() == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
        memory.tried[TEXT] = "Adele Vance"
        memory.acknowledged[TEXT] = json.loads(body)["threads"][0]["id"]
        check(served.data, served.database, memory)
        said = served.server.printed + "".join(served.printed)
        assert said.count("Folkmoot is running") == said.count("everything that was answered is stored") == 1


def test_workers_do_not_outlive_their_parent(tmp_path: Path) -> None:
    with running(tmp_path / "data", **ENVIRONMENT) as served:
        workers = served.workers
        os.kill(served.server.process.pid, signal.SIGKILL)
        until(lambda: not any(alive(pid) for pid in workers))


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="nothing keeps files in memory here")  # noqa: S108
def test_what_workers_count_is_not_on_a_disk(tmp_path: Path) -> None:
    """Where that is full, whoever touches the next page of a mapped file is killed: all workers, again and again."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with running(tmp_path / "data", TMPDIR=str(temporary), **ENVIRONMENT) as served:
        assert served.workers
        assert [*temporary.iterdir()] == []


def counted_in(served: Running) -> Path:
    """Where a worker's counts are: files that it has mapped."""
    mapped = Path(f"/proc/{served.workers[0]}/maps").read_text().split()
    return next(Path(each).parent for each in mapped if "/folkmoot-counts-" in each)


def test_what_a_killed_server_counted_goes_with_the_next_start(tmp_path: Path) -> None:
    """It takes memory, which one that is killed again and again would fill; what others count stays."""
    with running(tmp_path / "other", **ENVIRONMENT) as other:
        with running(tmp_path / "data", **ENVIRONMENT) as served:
            left, workers = counted_in(served), served.workers
            os.kill(served.server.process.pid, signal.SIGKILL)
            until(lambda: not any(alive(pid) for pid in workers))
        assert left.exists()
        with running(tmp_path / "data", **ENVIRONMENT):
            assert not left.exists()
            assert counted_in(other).exists()


def alive(pid: int) -> bool:
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


DOOMED = """
import sys
from folkmoot.refusals import Refusal
from folkmoot.workers import Supervisor

class Wrong(Refusal):
    "This cannot be used."

def work(place, started):
    if place.number == 1:
        raise Wrong("The second one cannot start.")
    started()
    while place.orders.recv(1) != b"a":
        pass

try:
    Supervisor(2, work, lambda: None, grace_seconds=1).run(lambda: print("started"))
except Refusal as refusal:
    sys.exit(refusal.message)
"""


def test_a_worker_that_cannot_start_ends_the_server_with_the_reason() -> None:
    done = subprocess.run([sys.executable, "-c", DOOMED], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "The second one cannot start.\n")
