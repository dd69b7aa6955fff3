"""`/metrics`: what was counted, in the format that Prometheus reads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from folkmoot import app, metrics, observe
from folkmoot.auth.trust import Trust
from folkmoot.config import Settings
from folkmoot.store import retention
from tests.harness import GROUP, Graph

SALES = GROUP["SalesAndMarketing"]
PRODUCTION = Settings(
    mode="production",
    issuers={
        "main": Trust(issuer="https://login.example.org", audience=("x",), jwks_uri="https://login.example.org/k")
    },
)


@pytest.fixture(autouse=True)
def _own_meter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    metrics.meter.cache_clear()
    monkeypatch.setattr(observe, "meter", observe.meter)
    metrics.meter()
    yield
    metrics.meter.cache_clear()


def counted(graph: Graph) -> dict[str, float]:
    """Sample → value, as Prometheus' own parser reads it; labels in the order of their names."""
    answer = graph.send_raw("GET", b"/metrics")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        assert family.documentation, family.name
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_requests_are_counted_by_their_operation_and_say_nothing_of_whom(any_graph: Graph) -> None:
    adele = any_graph.as_("AdeleV")
    place = adele.start()
    adele.reply(place)
    assert adele.get(f"/users/AdeleV@{Settings().domain}").status == 200
    assert adele.get(f"/groups/{GROUP['SalesAndMarketing']}/conversations/none").status == 400
    assert any_graph.send_raw("GET", b"/v1.0/me").status == 401
    assert any_graph.send_raw("BREW", b"/v1.0/me").status == 401
    body = {"requests": [{"id": "1", "method": "GET", "url": "/me"}]}
    assert adele.post("/$batch", body).status == 200
    found = counted(any_graph)
    for sample, wanted in {
        'folkmoot_requests_total{method="POST",operation="thread/reply",status="202"}': 1,
        'folkmoot_requests_total{method="GET",operation="user",status="200"}': 1,
        'folkmoot_requests_total{method="GET",operation="conversation",status="400"}': 1,
        'folkmoot_requests_total{method="GET",operation="none",status="401"}': 1,
        'folkmoot_requests_total{method="other",operation="none",status="401"}': 1,
        'folkmoot_batch_items_total{method="GET",operation="user",status="200"}': 1,
        'folkmoot_request_seconds_count{method="POST",operation="thread/reply"}': 1,
        "folkmoot_requests_in_progress": 0,
        "folkmoot_writer_queue": 0,
        "folkmoot_rollbacks_total": 0,
    }.items():
        assert found[sample] == wanted, (sample, sorted(found))
    assert found["folkmoot_commit_writes_sum"] >= 2 <= found["folkmoot_commit_seconds_count"]
    assert found['folkmoot_database_reads_total{kind="quick"}'] >= 1
    assert found["folkmoot_change_log_newest_timestamp_seconds"] == any_graph.clock.now
    assert found["process_resident_memory_bytes"] > 1e6
    assert any(name.startswith("folkmoot_build_info{") for name in found)
    said = " ".join(found)
    assert not any(secret in said for secret in ("AdeleV", SALES, place.thread))


def test_what_else_happens_is_counted(graph: Graph) -> None:
    graph.as_("AdeleV").start()
    graph.clock.advance(40 * retention.DAY)
    graph.as_("AdeleV").start()
    graph.loop.run(retention.sweep(graph.store, changes_days=30, deliveries_days=0))
    meter = observe.meter
    for seconds in (0.01, 0.3, 99_999.0):
        meter.lagged(seconds)
    meter.notified("delivered", 7)
    meter.posted("unanswered", 0.2)
    meter.database_failed("read")
    found = counted(graph)
    assert found["folkmoot_change_log_removed_total"] > 0
    assert found["folkmoot_retention_timestamp_seconds"] == graph.clock.now
    assert found['folkmoot_notifications_total{outcome="delivered"}'] == 7
    assert found['folkmoot_notification_posts_total{outcome="unanswered"}'] == 1
    assert found['folkmoot_notification_lag_seconds_bucket{le="0.5"}'] == 2
    assert found['folkmoot_notification_lag_seconds_bucket{le="+Inf"}'] == 3
    assert found['folkmoot_database_errors_total{doing="read"}'] == 1


@pytest.mark.parametrize(("said", "status"), [(False, 401), (True, 200)])
def test_production_answers_where_it_was_told_to(
    any_graph: Graph, monkeypatch: pytest.MonkeyPatch, said: bool, status: int
) -> None:
    trust = Trust(issuer="https://login.example.org", audience=("x",), jwks_uri="https://login.example.org/keys")
    settings = Settings(mode="production", issuers={"main": trust}, metrics=said)
    monkeypatch.setattr(any_graph, "application", app.build(settings, any_graph.store, any_graph.clock))
    assert any_graph.send_raw("GET", b"/metrics").status == status


WORKER = """
import asyncio, sys
from folkmoot import observe
from folkmoot.metrics import Measuring
class Store:
    writers = ()
async def work():
    observe.under_way["streams"] = 2
    Measuring(Store()).start()
    observe.meter.answered("thread/reply", "POST", 202, 0.02)
    await asyncio.sleep(0)  # the first look
    print("ready", flush=True)
    sys.stdin.read()
asyncio.run(work())
"""


def test_what_several_workers_counted_is_one_and_stays_when_they_have_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))

    def lines() -> list[str]:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(tmp_path))  # type: ignore[no-untyped-call]
        return generate_latest(registry).decode().splitlines()

    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER], env=dict(os.environ), stdin=-1, stdout=-1, text=True)
        for _ in range(2)
    ]
    for each in workers:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    replies = 'folkmoot_requests_total{method="POST",operation="thread/reply",status="202"} 2.0'
    found = lines()
    assert replies in found
    assert 'folkmoot_request_seconds_bucket{le="0.025",method="POST",operation="thread/reply"} 2.0' in found
    assert "folkmoot_streams_open 4.0" in found
    assert any(line.startswith("process_cpu_seconds_total ") for line in found)
    for each in workers:
        with each:
            each.kill()
        metrics.gone(each.pid)
    found = lines()
    assert replies in found
    assert not any(line.startswith("folkmoot_streams_open ") for line in found)
