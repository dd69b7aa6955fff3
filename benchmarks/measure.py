"""Rounds of load on a server and on its floor in turn, and what they come to."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from http.client import HTTPConnection
from typing import Any

import msgspec

from benchmarks import tenant
from benchmarks.load import Job, Load, Measured
from benchmarks.servers import Kind, Place, Running
from benchmarks.workloads import Target, Workload

TARGET = 0.5  # of the floor's rate
_LOAD_LIMIT = 0.9  # of a core; more, and the load was what was measured


class Side(msgspec.Struct):
    """Medians of one side's rounds: answers a second, milliseconds, bytes of body, cores taken by the load.

    `spent` is the processor time of the process for an answer, in microseconds: what a busy machine changes least.
    """

    rate: float
    p50: float
    p99: float
    size: float
    cpu: float
    rates: list[float]
    spent: float


class Line(msgspec.Struct):
    """One workload at one number of connections: the server beside its floor."""

    database: Kind
    workload: str
    connections: int
    server: Side
    floor: Side
    ratio: float
    notes: list[str]


class Failed(Exception):
    """An answer was not as it must be."""


def line(
    load: Load,
    kind: Kind,
    name: str,
    workload: Workload,
    connections: int,
    sides: tuple[Target, Target],
    processes: tuple[Running, Running],
    seconds: float,
    rounds: int,
    answered: list[int],
) -> Line:
    """Measure one line; `answered` counts the answers of the server and of the floor on and on."""
    measured: tuple[list[Measured], list[Measured]] = ([], [])
    spent: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for side, target in enumerate(sides):
            job = Job(
                port=target.port,
                requests=workload.requests(target),
                status=workload.status,
                least=workload.least,
                connections=connections,
                seconds=seconds,
            )
            before = processes[side].spent()
            found = load.drive(job)
            if found.problems:
                raise Failed(f"{name} on the {('server', 'floor')[side]}: {'; '.join(found.problems)}")
            measured[side].append(found)
            answered[side] += found.answered
            spent[side].append((processes[side].spent() - before) / found.answered * 1e6)
    server, floor = _side(measured[0], spent[0]), _side(measured[1], spent[1])
    # Of each round by itself: a machine that is busy for a while slows both sides of it.
    ratio = statistics.median(real / least for real, least in zip(server.rates, floor.rates, strict=True))
    notes = [f"below {TARGET} of the floor"] if ratio < TARGET else []
    if max(server.cpu, floor.cpu) > _LOAD_LIMIT:
        notes.append("the load took a whole core")
    if abs(server.size - floor.size) > 0.01 * floor.size:
        notes.append(f"answers of {server.size:.0f} bytes, the floor's of {floor.size:.0f}")
    return Line(kind, name, connections, server, floor, ratio, notes)


def _side(rounds: Sequence[Measured], spent: Sequence[float]) -> Side:
    def median(of: Callable[[Measured], float]) -> float:
        return statistics.median(map(of, rounds))

    return Side(
        median(lambda each: each.rate),
        median(lambda each: each.p50),
        median(lambda each: each.p99),
        median(lambda each: each.size),
        median(lambda each: each.cpu),
        [each.rate for each in rounds],
        statistics.median(spent),
    )


def ceiling(load: Load, floor: Target) -> Measured:
    """What the load can drive: the floor's answer to a request that asks for nothing."""
    request = f"GET /v1.0/groups HTTP/1.1\r\nhost: localhost:{floor.port}\r\n\r\n"
    return load.drive(Job(port=floor.port, requests=[request], status=200, least=2, connections=32))


def differences(server: Target, floor: Target) -> list[str]:
    """How the floor's pages differ from the server's, apart from tokens, which have the same length."""
    paths = [f"threads/{server.threads[0]}/posts?$top={server.page}", f"conversations?$top={server.page}"]
    return [path.partition("?")[0] for path in paths if _comparable(server, path) != _comparable(floor, path)]


def _comparable(target: Target, path: str) -> Any:
    connection = HTTPConnection("127.0.0.1", target.port)
    headers = {"authorization": f"Bearer {target.token}", "host": f"localhost:{target.port}"}
    connection.request("GET", f"/v1.0/groups/{tenant.GROUP}/{path}", headers=headers)
    with connection.getresponse() as response:
        text = response.read().replace(f"localhost:{target.port}".encode(), b"localhost")
    connection.close()
    page = msgspec.json.decode(text)
    return {**page, "@odata.nextLink": page["@odata.nextLink"].partition("$skiptoken")[0]}, len(text)


_COUNTS = (
    "SELECT count(*) FROM posts",
    "SELECT count(*) FROM changes",
    f"SELECT seq FROM sequences WHERE group_id = '{tenant.GROUP}'",  # noqa: S608  (a constant)
)


def counts(place: Place) -> list[int]:
    """Posts, changes, and the number of the group's last change."""
    return place.numbers(*_COUNTS)


def check_durable(name: str, before: Sequence[int], place: Place, writes: int) -> None:
    """Raise unless the database holds exactly the writes that were answered: a post and three changes each."""
    after = counts(place)
    expected = [before[0] + writes, before[1] + 3 * writes, before[2] + 3 * writes]
    if after != expected:
        raise Failed(f"{name}: {writes} writes were answered; posts, changes, seq are {after}, not {expected}")
