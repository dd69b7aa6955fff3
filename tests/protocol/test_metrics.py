"""`/metrics`: what was counted, in the format that Prometheus reads."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from folkmoot import app, observe
from folkmoot.auth.trust import Trust
from folkmoot.config import Settings
from tests.harness import Graph

LINE = re.compile(r'[a-z_]+(\{[a-z]+="[^"]+"\})? [0-9.e+-]+|# (HELP|TYPE) [a-z_]+ .+')


def test_what_was_counted(any_graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "notifications", Counter({"delivered": 7, "dropped": 1}))
    lag = observe.Durations()
    for seconds in (0.01, 0.3, 99_999.0):
        lag.add(seconds)
    monkeypatch.setattr(observe, "lag_seconds", lag)
    answer = any_graph.send_raw("GET", b"/metrics")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    lines = answer.content.decode().splitlines()
    assert all(LINE.fullmatch(line) for line in lines)
    for wanted in (
        'folkmoot_notifications_total{outcome="delivered"} 7',
        'folkmoot_notifications_total{outcome="dropped"} 1',
        'folkmoot_notification_lag_seconds_bucket{le="0.1"} 1',
        'folkmoot_notification_lag_seconds_bucket{le="0.5"} 2',
        'folkmoot_notification_lag_seconds_bucket{le="14400"} 2',
        'folkmoot_notification_lag_seconds_bucket{le="+Inf"} 3',
        "folkmoot_notification_lag_seconds_count 3",
    ):
        assert wanted in lines


@pytest.mark.parametrize(("said", "status"), [(False, 401), (True, 200)])
def test_production_answers_where_it_was_told_to(
    any_graph: Graph, monkeypatch: pytest.MonkeyPatch, said: bool, status: int
) -> None:
    trust = Trust(issuer="https://login.example.org", audience=("x",), jwks_uri="https://login.example.org/keys")
    settings = Settings(mode="production", issuers={"main": trust}, metrics=said)
    monkeypatch.setattr(any_graph, "application", app.build(settings, any_graph.store, any_graph.clock))
    assert any_graph.send_raw("GET", b"/metrics").status == status
