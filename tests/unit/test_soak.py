"""The verdict of the soak: what rises is found, what only shakes is not."""

from __future__ import annotations

from benchmarks.soak import SAMPLES, Sample, rise, verdict


def samples(**slopes: float) -> list[Sample]:
    """A run whose figures rise by so much from sample to sample, and shake."""
    found = []
    for number in range(SAMPLES):
        shake = 1 + 0.05 * (-1) ** number
        of = {"own": 100.0, "p50": 10.0, "p99": 50.0, "cpu": 300.0}
        told = {name: value * shake + slopes.get(name, 0.0) * number for name, value in of.items()}
        found.append(Sample(at=number, rate=1000, worst=100, rss=150, **told))
    return found


def test_what_is_flat_is_found_flat() -> None:
    assert verdict(samples()) == []
    warming = samples()
    for each in warming[:4]:  # what happens while it warms up does not count
        each.own, each.p99 = 10.0, 900.0
    assert verdict(warming) == []


def test_what_rises_is_found() -> None:
    assert "memory rose by" in verdict(samples(own=3.0))[0]
    assert "99th percentile rose by" in verdict(samples(p99=4.0))[0]
    assert "processor time a request rose by" in verdict(samples(cpu=30.0))[0]
    assert round(rise([1.0, 2.0, 3.0, 4.0])) == 3
