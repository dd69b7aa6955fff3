"""A server as operators run it: two workers, a log for machines, traces, and a service manager that waits for it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from folkmoot.config import Settings
from tests.harness import GROUP
from tests.server import folkmoot, free_port


@contextmanager
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """What takes traces, as its URL, and what came."""
    came: list[tuple[str, bytes]] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Taking) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", came
        finally:
            server.shutdown()
            thread.join()


def test_an_operator_sees_it_begin_work_and_end(tmp_path: Path) -> None:
    port = free_port()
    options = ("--data", str(tmp_path / "data"), "--https-port", "0", "--http-port", str(port))
    url = f"http://127.0.0.1:{port}"
    with collector() as (traces, came), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "FOLKMOOT_WORKERS": "2",
            "FOLKMOOT_LOG_FORMAT": "json",
            "FOLKMOOT_ACCESS_LOG": "true",
            "FOLKMOOT_OTLP_ENDPOINT": traces,
            "FOLKMOOT_UNREADY_SECONDS": "3",
        }
        with subprocess.Popen(
            [sys.executable, "-m", "folkmoot", "serve", *options], env=environment, stderr=subprocess.PIPE, text=True
        ) as server:
            assert manager.recv(100) == b"READY=1"
            token = folkmoot("token", *options).strip()
            asked = f"{url}/v1.0/groups/{GROUP['SalesAndMarketing']}/conversations"
            for _ in range(4):  # each on a connection of its own, which the workers share out
                assert httpx.get(asked, headers={"Authorization": f"Bearer {token}"}).status_code == 200
            assert httpx.get(f"{url}/readyz").text == "ready\n"
            counted = httpx.get(f"{url}/metrics").text.splitlines()
            assert 'folkmoot_requests_total{method="GET",operation="group/conversations",status="200"} 4.0' in counted
            server.send_signal(signal.SIGTERM)
            # On new connections, too: whoever shares out requests has time to hear of it.
            with httpx.Client() as balancer:
                answers = [balancer.get(f"{url}/readyz")]
                while answers[-1].status_code == 200:
                    answers.append(balancer.get(f"{url}/readyz"))
            assert (answers[-1].status_code, answers[-1].text) == (503, "draining\n")
            assert server.stderr is not None
            written = server.stderr.read()
        assert server.returncode == 0
    lines = [json.loads(line) for line in written.splitlines()]
    access = [line for line in lines if line["logger"] == "folkmoot.access"]
    assert [(line["operation"], line["status"]) for line in access] == [("group/conversations", 200)] * 4
    assert len({line["request_id"] for line in access}) == 4
    assert [line["message"] for line in lines if line["message"].startswith(("Folkmoot", "stopped"))] == [
        f"Folkmoot is running: http://localhost:{port}/v1.0",
        "stopped; everything that was answered is stored.",
    ]
    assert not any(secret in written for secret in (token, f"@{Settings().domain}", GROUP["SalesAndMarketing"]))
    assert {path for path, _ in came} == {"/v1/traces"}
    assert any(b"GET group/conversations" in body for _, body in came)


def started_on(bound: socket.socket, *options: str, **environment: str) -> subprocess.Popen[str]:
    """A server as a service manager starts it that listens on `bound` for it: the descriptor 3, for that process."""
    begin = (
        "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); "
        "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
    )
    return subprocess.Popen(
        [sys.executable, "-c", begin, str(bound.fileno()), "-m", "folkmoot", "serve", *options],
        pass_fds=[bound.fileno()],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("workers", ["1", "2"])
def test_who_connects_while_no_server_runs_is_answered_by_the_next(tmp_path: Path, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
        options = ("--data", str(tmp_path), "--https-port", "0", "--http-port", str(port), "--workers", workers)
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", port), timeout=60) as waiting:
                waiting.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                with started_on(bound, *options) as server:
                    assert waiting.recv(1000).startswith(b"HTTP/1.1 200 ")
                    server.send_signal(signal.SIGTERM)
                    server.communicate(timeout=60)
                assert server.returncode == 0


def test_a_socket_that_is_not_the_servers_is_refused(tmp_path: Path) -> None:
    def said(bound: socket.socket, port: int, **environment: str) -> str:
        options = ("--data", str(tmp_path), "--https-port", "0", "--http-port", str(port))
        with started_on(bound, *options, **environment) as server:
            printed, _ = server.communicate(timeout=60)
        assert server.returncode == 78
        assert "Traceback" not in printed
        return printed

    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
        assert f"listens on port {port} for this server, which is neither" in said(bound, free_port())
    with socket.create_server(("", 0)) as bound:
        assert "--development-beyond-loopback" in said(bound, bound.getsockname()[1])
    with socket.socket(socket.AF_UNIX) as other:
        assert "none that listens for TCP" in said(other, free_port())
