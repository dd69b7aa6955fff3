"""Traces by OpenTelemetry, where the operator says where to send them: requests, the database, POSTs to subscribers.

Its packages are an extra (`folkmoot[opentelemetry]`) and are loaded only then; what is off is not wrapped, so it costs
nothing. Spans follow the semantic conventions for HTTP and databases but for paths, URLs, addresses of clients and what
exceptions say: those have ids, sign-in names and secrets in them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from folkmoot import observe
from folkmoot.config import Settings, SettingWrong
from folkmoot.refusals import Busy, OutcomeUnknown, Refusal, StorageFull

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

    from folkmoot.outgoing import Outgoing
    from folkmoot.store.db import Store

# By itself the library tries for ten seconds for each 512 spans to reach a collector that is away.
PATIENCE_SECONDS = 2.0
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
# W3C Trace Context.
_CONTEXT = (b"traceparent", b"tracestate")
# Refusals that are the database's failing. By any other it is the caller who is told no, as it should be.
_FAILINGS = (Busy, OutcomeUnknown, StorageFull)


class Telemetry:
    """Makes spans with the tracer of `provider`."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("folkmoot", metadata.version("folkmoot"))
        self._server, self._client = SpanKind.SERVER, SpanKind.CLIENT
        self._failed = Status(StatusCode.ERROR)
        self._extract = TraceContextTextMapPropagator().extract

    @contextmanager
    def request(self, scope: Mapping[str, Any]) -> Iterator[Callable[[int], None]]:
        """A span for a request (ASGI), within the trace that it names. What is given is told the answer's status."""
        given = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"] if name in _CONTEXT
        }
        method = scope["method"]
        told = {
            "http.request.method": method,
            "url.scheme": scope["scheme"],
            "network.protocol.version": scope["http_version"],
        }
        with self._span(method, self._server, told, self._extract(given) if given else None) as span:

            def ended(status: int) -> None:
                operation = scope.get(observe.OPERATION)
                if operation is not None:
                    span.update_name(f"{method} {operation}")
                    span.set_attribute("http.route", operation)
                if observe.APPLICATION in scope:
                    span.set_attribute("folkmoot.application", scope[observe.APPLICATION])
                if asked := observe.request_id.get():
                    span.set_attribute("folkmoot.request_id", asked)
                if status:
                    span.set_attribute("http.response.status_code", status)
                if not status or status >= 500:
                    span.set_attribute("error.type", str(status or "unanswered"))
                    span.set_status(self._failed)

            yield ended

    def watch_store(self, store: Store) -> None:
        """Make a span of each read and write that waits for `store`; a write's has its wait for a writer in it."""
        read, write = store.read, store.write
        system = {"db.system.name": store.dialect}

        async def traced_read(function: Any, *, quick: bool = False, **more: Any) -> Any:
            with self._span("read", self._client, system) as span:
                span.set_attribute("db.operation.name", "quick read" if quick else "read")
                return await read(function, quick=quick, **more)

        async def traced_write(function: Any, **more: Any) -> Any:
            with self._span("write", self._client, system) as span:
                span.set_attribute("db.operation.name", "write")
                return await write(function, **more)

        # This one instance, so that a store nobody traces is as it was.
        vars(store).update(read=traced_read, write=traced_write)

    def watch_outgoing(self, outgoing: Outgoing) -> None:
        """Make a span of each POST to a URL that a client named; its host is told, and not the rest."""
        post = outgoing.post

        async def traced(url: str, content: bytes, headers: Mapping[str, str], *, seconds: float) -> Any:
            with self._span("POST", self._client, {"http.request.method": "POST"}) as span:
                span.set_attribute("server.address", urlsplit(url).hostname or "")
                reply = await post(url, content, headers, seconds=seconds)
                span.set_attribute("http.response.status_code", reply.status)
                return reply

        vars(outgoing).update(post=traced)

    @contextmanager
    def _span(self, name: str, kind: Any, attributes: Mapping[str, str], context: Any = None) -> Iterator[Span]:
        """A span around what is done within. Of an exception it has the type alone."""
        with self._tracer.start_as_current_span(
            name,
            context=context,
            kind=kind,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except Exception as error:
                if isinstance(error, _FAILINGS) or not isinstance(error, Refusal):
                    span.set_attribute("error.type", type(error).__qualname__)
                    span.set_status(self._failed)
                raise

    def close(self) -> None:
        """Send what has not been sent, for `PATIENCE_SECONDS` at most: the next server waits for the end of this."""
        sending = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        sending.start()
        sending.join(PATIENCE_SECONDS)


def telemetry(settings: Settings, environment: Mapping[str, str] = os.environ) -> Telemetry | None:
    """What traces, where the settings or the standard variables say where to; else None.

    Starts a thread, so it is made in the process that serves. Raises `SettingWrong` where the packages are not there.
    """
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none":
        return None
    if settings.otlp_endpoint is None and not any(environment.get(name) for name in _ENDPOINTS):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise SettingWrong(
            "Traces need packages that are not there: pip install 'folkmoot[opentelemetry]', or leave otlp_endpoint "
            "and OTEL_EXPORTER_OTLP_ENDPOINT out.",
            target="otlp_endpoint",
        ) from error
    facts = {"service.version": metadata.version("folkmoot")}
    named = "OTEL_SERVICE_NAME" in environment or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if not named:
        facts["service.name"] = "folkmoot"
    provider = TracerProvider(resource=Resource.create(facts))
    endpoint = None if settings.otlp_endpoint is None else f"{settings.otlp_endpoint.rstrip('/')}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return Telemetry(provider)
