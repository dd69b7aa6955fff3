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
