"""What a process remembers of requests has an end, however long what clients ask for is."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

from tests.harness import GROUP, Graph

MEBIBYTE = 1_048_576
LONG = 60_000  # characters; the head of a request may be a little longer
TIMES = 40


def kept(ask: Callable[[int], object]) -> int:
    """Bytes that are still there after `TIMES` questions, of which none was asked before."""
    for number in range(TIMES):
        ask(number)
    tracemalloc.start()
    try:
        for number in range(TIMES, 2 * TIMES):
            ask(number)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_of_long_paths(graph: Graph) -> None:
    headers = [(b"authorization", f"Bearer {graph.as_('guest').token}".encode())]

    def ask(number: int) -> None:
        for below in (b"", b"/conversations"):
            path = f"/v1.0/groups/{number:08}{'x' * LONG}".encode() + below
            assert graph.send_raw("GET", path, headers=headers).status in (400, 404)

    assert kept(ask) < MEBIBYTE


def test_of_long_ids_in_bodies(graph: Graph) -> None:
    token = graph.as_("AdeleV", scopes=["User.ReadBasic.All"]).token
    headers = [(b"authorization", f"Bearer {token}".encode()), (b"content-length", b"100000")]

    def ask(number: int) -> None:
        body = f'{{"ids": ["{number:08}{"x" * LONG}"]}}'.encode()
        assert graph.send_raw("POST", b"/v1.0/users/getByIds", headers=headers, parts=[body]).status == 400

    assert kept(ask) < MEBIBYTE


def test_of_long_queries(graph: Graph) -> None:
    """The plans of some stay; a thousand of the longest would take a gigabyte."""
    headers = [(b"authorization", f"Bearer {graph.as_('AdeleV').token}".encode())]
    path = f"/v1.0/groups/{GROUP['SalesAndMarketing']}/conversations".encode()

    def ask(number: int) -> None:
        topics = ",".join(f"'{number}-{each}'" for each in range(900))
        assert graph.send_raw("GET", path, f"$filter=topic%20in%20({topics})".encode(), headers=headers).status == 200

    assert kept(ask) < 24 * MEBIBYTE
