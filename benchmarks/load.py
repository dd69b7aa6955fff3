"""The load: a process that sends ready-made HTTP/1.1 requests on keep-alive connections and times the answers.

It speaks only as much HTTP as the servers measured here answer with (a status and a Content-Length), so that it costs a
fraction of what it measures; `Measured.cpu` says how much. Each connection sends its next request when the answer to
the last is complete. It reads one `Job` per line from standard input and writes one `Measured` per line.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time
from types import TracebackType

import msgspec

PATIENCE_SECONDS = 30.0  # a server that is silent for so long has hung


class Job(msgspec.Struct, kw_only=True):
    """What to send, and what every answer must be: its status, and at least so many bytes of body.

    Connections take the requests in turn, each from a place of its own. What is answered in the first `warm` seconds is
    not measured.
    """

    port: int
    requests: list[str]
    status: int
    least: int = 0
    connections: int = 1
    seconds: float = 1.0
    warm: float = 0.2


class Measured(msgspec.Struct, kw_only=True):
    """`rate` in answers a second, `p50` and `p99` in milliseconds, `answered` with those of the warm-up.

    `size` is the mean length of a body, `cpu` the share of one core that the load itself took. `problems` are the first
    answers that were not as they must be; any makes the measurement void.
    """

    rate: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    answered: int = 0
    size: float = 0.0
    cpu: float = 0.0
    problems: list[str] = msgspec.field(default_factory=list)


class _Connection:
    """A connection with one request under way."""

    __slots__ = ("awaited", "parts", "place", "received", "sent", "socket")

    def __init__(self, port: int, place: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.place = place
        self.sent = 0.0
        self.parts: list[bytes] = []
        self.received = 0
        self.awaited = 0

    def answer(self) -> tuple[int, int, bytes] | None:
        """Read what has come: None until the answer is whole, then its status, the length of its body, and all of it.

        Raises ValueError for what is no answer with a Content-Length.
        """
        data = self.socket.recv(262_144)
        if not data:
            raise ValueError("the server closed the connection")
        if not self.parts:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                raise ValueError(f"no complete head in the first packet: {data[:200]!r}")
            at = data.find(b"content-length: ", 0, end)
            if at < 0:
                raise ValueError(f"no content-length: {data[:end]!r}")
            self.awaited = end + 4 + int(data[at + 16 : data.find(b"\r\n", at)])
        self.parts.append(data)
        self.received += len(data)
        if self.received < self.awaited:
            return None
        whole = data if len(self.parts) == 1 else b"".join(self.parts)
        self.parts, self.received = [], 0
        return int(whole[9:12]), self.awaited - whole.find(b"\r\n\r\n") - 4, whole


def drive(job: Job) -> Measured:
    """Send what `job` says for as long as it says."""
    requests = [text.encode("latin-1") for text in job.requests]
    spread = max(1, len(requests) // job.connections)
    connections = [_Connection(job.port, number * spread) for number in range(job.connections)]
    poll = select.epoll()
    by_number = {each.socket.fileno(): each for each in connections}
    clock = time.perf_counter
    latencies: list[float] = []
    problems: list[str] = []
    answered = within = total = 0
    cpu, start = time.process_time(), clock()
    measured_from, deadline = start + job.warm, start + job.warm + job.seconds
    for each in connections:
        poll.register(each.socket, select.EPOLLIN)
        each.sent = clock()
        each.socket.sendall(requests[each.place % len(requests)])
    under_way = len(connections)
    try:
        while under_way:
            ready = poll.poll(PATIENCE_SECONDS)
            if not ready:
                raise ValueError(f"no answer within {PATIENCE_SECONDS:.0f} s")
            for number, _ in ready:
                each = by_number[number]
                answer = each.answer()
                if answer is None:
                    continue
                now = clock()
                status, length, whole = answer
                if (status != job.status or length < job.least) and len(problems) < 3:
                    problems.append(f"instead of {job.status} and {job.least} bytes: {whole[:600]!r}")
                answered += 1
                total += length
                if each.sent >= measured_from:
                    latencies.append(now - each.sent)
                within += measured_from <= now < deadline
                if now < deadline:
                    each.place += 1
                    each.sent = now
                    each.socket.sendall(requests[each.place % len(requests)])
                else:
                    under_way -= 1
    except (OSError, ValueError) as error:
        problems.append(str(error))
    finally:
        spent = (time.process_time() - cpu) / (clock() - start)
        poll.close()
        for each in connections:
            each.socket.close()
    if not latencies:
        problems.append("nothing was measured")
        latencies = [0.0]
    latencies.sort()
    return Measured(
        rate=within / job.seconds,
        p50=latencies[len(latencies) // 2] * 1000,
        p99=latencies[len(latencies) * 99 // 100] * 1000,
        answered=answered,
        size=total / max(1, answered),
        cpu=spent,
        problems=problems,
    )


class Load:
    """The process, from the side of the one who gives it jobs."""

    def __enter__(self) -> Load:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def drive(self, job: Job) -> Measured:
        """Have the process do `job`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(job) + b"\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._process.stdout.readline(), type=Measured)


def _main() -> None:
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(msgspec.json.encode(drive(msgspec.json.decode(line, type=Job))) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main()
