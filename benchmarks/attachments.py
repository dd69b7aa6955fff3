"""A large attachment up and down: megabytes of file a second, and the most memory that the server had meanwhile."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from benchmarks import tenant
from benchmarks.fill import fill
from benchmarks.measure import Failed
from benchmarks.servers import Databases, Running, server, token
from folkmoot.config import Settings

NAMES = ("attachment-up", "attachment-down")

_SIZE = 100_000_000
_RANGE = 5 * 1024 * 1024  # what the SDKs' upload tasks send at a time
_PIECE = bytes(range(256)) * (_RANGE // 256)


def run(made: Databases, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Send one file up and get it back, as often as there are rounds."""
    place = made.new()
    thread = fill(Settings(data=str(place.data), database=place.url), 1, 1)[0]
    results = []
    with server(place) as running:
        client = _Client(running.port, token(place))
        posts = f"/v1.0/groups/{tenant.GROUP}/threads/{thread}/posts"
        attachments = f"{posts}/{client.json('GET', posts)['value'][0]['id']}/attachments"
        location = ""

        def up() -> None:
            nonlocal location
            location = client.upload(attachments)

        def value() -> None:
            client.download(f"{location}/$value", _SIZE)

        def in_base64() -> None:
            client.download(location, 4 * ((_SIZE + 2) // 3))

        for name, what, does in (
            ("attachment-up", "upload session, ranges of 5 MiB", up),
            ("attachment-down", "$value", value),
            ("attachment-down", "contentBytes", in_base64),
        ):
            results.append(_measured(made.kind, name, what, does, running, options.rounds))
    return results


def _measured(
    kind: str, name: str, what: str, does: Callable[[], None], running: Running, rounds: int
) -> dict[str, Any]:
    rates = []
    before = running.memory()[0]
    _forget_peak(running)
    for _ in range(rounds):
        start = time.perf_counter()
        does()
        rates.append(_SIZE / 1e6 / (time.perf_counter() - start))
    peak = _peak(running)
    rate = statistics.median(rates)
    print(f"{name}, {kind}, {what}: {rate:,.0f} MB/s; memory {before:.0f} MB before, at most {peak:.0f} MB", flush=True)
    return {"database": kind, "name": name, "what": what, "mb_s": rate, "rss_before_mb": before, "rss_peak_mb": peak}


def _forget_peak(running: Running) -> None:
    # proc(5): 5 resets the peak resident set size.
    Path(f"/proc/{running.process.pid}/clear_refs").write_text("5")


def _peak(running: Running) -> float:
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


class _Client:
    """One keep-alive connection."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", port)
        self._headers = {"authorization": f"Bearer {token}", "host": f"localhost:{port}"}

    def json(self, method: str, path: str, body: Any = None) -> Any:
        content = None if body is None else msgspec.json.encode(body)
        self._connection.request(method, path, content, self._headers | {"content-type": "application/json"})
        with self._connection.getresponse() as response:
            answer = response.read()
        if response.status not in (200, 201):
            raise Failed(f"{method} {path}: {response.status} {answer[:200]!r}")
        return msgspec.json.decode(answer)

    def upload(self, attachments: str) -> str:
        """Send the file; the path of the attachment."""
        item = {"AttachmentItem": {"attachmentType": "file", "name": "large.bin", "size": _SIZE}}
        url = urlsplit(self.json("POST", f"{attachments}/createUploadSession", item)["uploadUrl"]).path
        for first in range(0, _SIZE, _RANGE):
            piece = _PIECE[: min(_RANGE, _SIZE - first)]
            headers = {"content-range": f"bytes {first}-{first + len(piece) - 1}/{_SIZE}"}
            self._connection.request("PUT", url, piece, headers)
            with self._connection.getresponse() as response:
                response.read()
            if response.status not in (200, 201):
                raise Failed(f"a range was answered with {response.status}")
        return urlsplit(response.headers["location"]).path

    def download(self, path: str, least: int) -> None:
        """Get the file and look at how much of it came."""
        self._connection.request("GET", path, headers=self._headers)
        length = 0
        with self._connection.getresponse() as response:
            while chunk := response.read(1 << 20):
                length += len(chunk)
        if response.status != 200 or length < least:
            raise Failed(f"GET {path}: {response.status}, {length} bytes")
