"""Which endpoint is next: nobody's fault takes the others' places."""

from __future__ import annotations

import random

import pytest

from folkmoot.notify.backoff import MOST_SECONDS, Backoff, asked_to_wait
from folkmoot.notify.health import SLOW_DELAY, SLOWER_DELAY, WINDOW_SECONDS, Health
from folkmoot.notify.schedule import HOST_PLACES, PLACES, SUSPECT_PLACES, Schedule
from folkmoot.store.endpoints import Standing


def taken(schedule: Schedule) -> list[str]:
    return [url for url, _ in schedule.take()]


def test_places_are_few_for_one_host_and_for_those_that_failed() -> None:
    schedule = Schedule()
    for number in range(1000):
        schedule.suspect(f"https://{number}.failing.example/", True)
        schedule.add(f"https://{number}.failing.example/")
        schedule.add(f"https://one.example/{number}")
    first = taken(schedule)
    assert sum("failing" in url for url in first) == SUSPECT_PLACES
    assert sum("one.example" in url for url in first) == HOST_PLACES
    for number in range(100):
        schedule.add(f"https://{number}.well.example/")
    assert len(taken(schedule)) == PLACES - len(first), "all others have what is left"
    schedule.done(first[0])
    assert len(taken(schedule)) == 1


def test_what_comes_while_a_url_is_under_way_or_rests_is_kept() -> None:
    schedule = Schedule()
    schedule.add("https://a.example/", ["one"])
    assert schedule.take() == [("https://a.example/", {"one"})]
    schedule.add("https://a.example/", ["two"])
    schedule.add("https://a.example/", ["three"])
    assert schedule.take() == []
    schedule.rest("https://a.example/", 10.0)
    schedule.done("https://a.example/")
    schedule.wake(9.0)
    assert schedule.take() == []
    assert schedule.next_time() == 10.0
    schedule.wake(10.0)
    assert schedule.take() == [("https://a.example/", {"two", "three"})]


def test_waits_double_and_end_growing() -> None:
    backoff, standing, now = Backoff(random.Random(1)), Standing(), 0.0  # noqa: S311
    for number in range(40):
        standing = backoff.after(standing, now)
        assert standing.retry_at is not None
        wait = standing.retry_at - now
        assert min(2.0**number, MOST_SECONDS) / 2 <= wait <= min(2.0**number, MOST_SECONDS)
        now = standing.retry_at
    assert (standing.failures, standing.failing_since) == (40, 0.0)


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        (429, "7", 7.0),
        (503, " 7 ", 7.0),
        (503, "Mon, 23 Nov 2026 10:00:30 GMT", 30.0),
        (500, "7", None),
        (429, "soon", None),
        (429, "-7", None),
        (429, None, None),
    ],
)
def test_retry_after_is_read_as_the_standard_has_it(status: int, header: str | None, seconds: float | None) -> None:
    assert asked_to_wait(status, header, 1795428000.0) == seconds


def test_a_tenth_of_slow_answers_in_ten_minutes_is_too_much() -> None:
    health = Health()
    delays = []
    for number in range(100):
        health.note("x", 0.0, slow=number % 8 == 7)
        delays.append(health.delay("x", 0.0))
    assert delays[:9] == [0.0] * 9, "few answers say little"
    assert delays[-1] == SLOW_DELAY
    for _ in range(5):
        health.note("x", 0.0, slow=True)
    assert health.delay("x", 0.0) == SLOWER_DELAY
    assert health.delay("y", 0.0) == 0.0
    assert health.delay("x", WINDOW_SECONDS) == 0.0, "it is forgotten"
