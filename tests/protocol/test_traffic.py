"""What is noted of requests: lines of the access log, and spans."""

from __future__ import annotations

import builtins
import json
import logging
from collections.abc import Sequence
from threading import Event
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from folkmoot import app
from folkmoot.config import Settings, SettingWrong
from folkmoot.refusals import Busy
from folkmoot.telemetry import Telemetry, telemetry
from tests.harness import GROUP, Graph

SALES = GROUP["SalesAndMarketing"]
ADELE = f"AdeleV@{Settings().domain}"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def rebuilt(graph: Graph, monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
    settings = Settings(data=graph.settings.data, access_log=True)
    application = app.build(settings, graph.store, graph.clock, outgoing=graph.endpoints, **more)
    monkeypatch.setattr(graph, "application", application)
    monkeypatch.setattr(graph, "_http", httpx.AsyncClient(transport=httpx.ASGITransport(app=application)))


def test_each_request_has_a_line_which_says_nothing_of_whom(
    any_graph: Graph, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rebuilt(any_graph, monkeypatch)
    adele = any_graph.as_("AdeleV")
    with caplog.at_level(logging.INFO, "folkmoot.access"):
        answer = adele.get(f"/users/{ADELE}?$select=displayName", client_request_id="mine")
        any_graph.send_raw("GET", b"/v1.0/me", b"$search=secret", headers=[(b"authorization", b"Bearer sesame")])
        any_graph.send_raw("GET", b"/readyz")
    found, refused = (record.facts for record in caplog.records if record.name == "folkmoot.access")  # type: ignore[attr-defined]
    assert found.pop("milliseconds") >= 0
    assert found == {
        "method": "GET",
        "operation": "user",
        "status": 200,
        "bytes": len(answer.content),
        "request_id": answer.headers["request-id"],
        "client_request_id": "mine",
        "application": any_graph.application_of("AdeleV")
        if hasattr(any_graph, "application_of")
        else found["application"],
    }
    assert (refused["operation"], refused["status"]) == ("none", 401)
    assert "application" not in refused
    said = caplog.text + json.dumps([found, refused])
    assert not any(secret in said for secret in ("AdeleV", "secret", "sesame", "displayName"))
    assert "operation=user status=200 milliseconds=" in caplog.text


def test_what_a_client_sends_is_one_word_of_the_line(
    any_graph: Graph, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rebuilt(any_graph, monkeypatch)
    with caplog.at_level(logging.INFO, "folkmoot.access"):
        any_graph.as_("AdeleV").get("/me", client_request_id='mine status=500 "')
    assert ' client_request_id="mine status=500 \\"" application=' in caplog.text


def test_an_unexpected_failure_is_logged_under_the_request_id_of_its_answer(
    any_graph: Graph, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rebuilt(any_graph, monkeypatch)

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of order")

    adele = any_graph.as_("AdeleV")
    assert adele.get("/me").status == 200
    monkeypatch.setattr(any_graph.store, "read", broken)
    answer = adele.get(f"/users/{ADELE}")
    assert answer.status == 500
    (record,) = [record for record in caplog.records if record.exc_info]
    assert answer.headers["request-id"] in record.getMessage()
    assert "AdeleV" not in record.getMessage()


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def traced(graph: Graph, monkeypatch: pytest.MonkeyPatch, spans: InMemorySpanExporter) -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    made = Telemetry(provider)
    # Undone with the test: what watches puts itself in the place of these.
    for each, name in ((graph.store, "read"), (graph.store, "write"), (graph.endpoints, "post")):
        monkeypatch.setattr(each, name, getattr(each, name))
    made.watch_store(graph.store)
    made.watch_outgoing(graph.endpoints)
    rebuilt(graph, monkeypatch, telemetry=made)


def by_name(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans.get_finished_spans()}


def test_a_request_is_a_span_of_the_trace_that_it_names(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, spans: InMemorySpanExporter
) -> None:
    traced(graph, monkeypatch, spans)
    adele = graph.as_("AdeleV")
    place = adele.start()
    spans.clear()
    parent = f"00-{TRACE}-00f067aa0ba902b7-01"
    answer = adele.post(
        f"/groups/{SALES}/threads/{place.thread}/reply",
        {"post": {"body": {"contentType": "text", "content": "Yes."}}},
        traceparent=parent,
    )
    assert answer.status == 202
    found = by_name(spans)
    request, write = found["POST thread/reply"], found["write"]
    assert request.context is not None
    assert request.parent is not None
    assert f"{request.context.trace_id:032x}" == TRACE
    assert f"{request.parent.span_id:016x}" == "00f067aa0ba902b7"
    assert write.parent is not None
    assert write.parent.span_id == request.context.span_id
    assert request.kind.name == "SERVER"
    assert request.attributes is not None
    told = dict(request.attributes)
    assert told["http.route"] == "thread/reply"
    assert (told["http.request.method"], told["http.response.status_code"]) == ("POST", 202)
    assert told["folkmoot.request_id"] == answer.headers["request-id"]
    assert write.attributes is not None
    assert write.attributes["db.system.name"] == graph.store.dialect
    everything = " ".join(span.to_json() for span in spans.get_finished_spans())
    assert not any(secret in everything for secret in (SALES, "AdeleV", place.thread, "Yes."))


def test_a_request_that_fails_is_a_span_that_failed(
    any_graph: Graph, monkeypatch: pytest.MonkeyPatch, spans: InMemorySpanExporter
) -> None:
    traced(any_graph, monkeypatch, spans)
    adele = any_graph.as_("AdeleV")
    assert adele.get("/me").status == 200

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(any_graph.store, "read", broken)
    assert adele.get("/me").status == 500
    request = spans.get_finished_spans()[-1]
    assert (request.name, request.status.status_code.name) == ("GET user", "ERROR")
    assert request.attributes is not None
    assert request.attributes["error.type"] == "500"


def test_a_read_that_finds_nothing_is_no_failure_and_says_nothing_of_what_was_asked_for(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, spans: InMemorySpanExporter
) -> None:
    traced(graph, monkeypatch, spans)
    adele = graph.as_("AdeleV")
    assert adele.get("/users/grace@moot.example").status == 404
    assert adele.post("/groups/" + SALES + "/threads/AAQkunknown/reply", {"post": {"body": {}}}).status >= 400
    found = spans.get_finished_spans()
    assert "read" in by_name(spans)
    assert [span.name for span in found if span.status.status_code.name == "ERROR"] == []
    everything = " ".join(span.to_json() for span in found)
    assert not any(name in everything for name in ("grace", SALES, "AAQkunknown"))


@pytest.mark.parametrize(
    ("raised", "said"), [(Busy("postgresql://moot:sesame@db"), "Busy"), (RuntimeError("sesame"), "RuntimeError")]
)
def test_a_database_that_fails_is_a_span_that_failed_with_the_kind_of_failure_alone(
    any_graph: Graph, monkeypatch: pytest.MonkeyPatch, spans: InMemorySpanExporter, raised: Exception, said: str
) -> None:
    traced(any_graph, monkeypatch, spans)

    def fails(_: Any) -> None:
        raise raised

    with pytest.raises(type(raised)):
        any_graph.loop.run(any_graph.store.read(fails))
    span = by_name(spans)["read"]
    assert span.status.status_code.name == "ERROR"
    assert span.attributes is not None
    assert span.attributes["error.type"] == said
    assert "sesame" not in span.to_json()


def test_a_post_to_a_subscriber_is_a_span_without_its_url(
    any_graph: Graph, monkeypatch: pytest.MonkeyPatch, spans: InMemorySpanExporter
) -> None:
    traced(any_graph, monkeypatch, spans)
    url = "https://hooks.example/listen?key=sesame"
    any_graph.loop.run(any_graph.endpoints.post(url, b"{}", {}, seconds=1))
    span = by_name(spans)["POST"]
    assert span.attributes is not None
    assert (span.attributes["server.address"], span.attributes["http.response.status_code"]) == ("hooks.example", 200)
    assert "sesame" not in span.to_json()


def test_a_collector_that_is_away_does_not_keep_a_server_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("folkmoot.telemetry.PATIENCE_SECONDS", 0.0)
    back, sent = Event(), Event()

    class Away(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            back.wait()
            sent.set()
            return SpanExportResult.SUCCESS

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Away()))
    provider.get_tracer("test").start_span("GET user").end()
    Telemetry(provider).close()
    assert not sent.is_set()
    back.set()
    assert sent.wait(30)


def test_traces_are_off_unless_a_place_is_named() -> None:
    assert telemetry(Settings(), {}) is None
    for off in ({"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}):
        assert telemetry(Settings(otlp_endpoint="http://localhost:4318"), off) is None


def test_where_the_packages_lack_the_server_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return imported(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SettingWrong, match=r"folkmoot\[opentelemetry\]"):
        telemetry(Settings(), {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"})
