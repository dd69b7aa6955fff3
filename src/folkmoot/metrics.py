"""What the server counted, for Prometheus to fetch (text exposition format 0.0.4): how much, and never of whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.responses import PlainTextResponse

from folkmoot import observe
from folkmoot.observe import Durations

PATH = "/metrics"
_TYPE = "text/plain; version=0.0.4; charset=utf-8"


async def metrics(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application that answers with the counters of this process, since it began."""
    await PlainTextResponse("".join(_lines()), media_type=_TYPE)(scope, receive, send)


def _lines() -> Iterable[str]:
    yield from _counter(
        "folkmoot_notification_posts_total", "POSTs to subscribers, by what came of them.", observe.posts
    )
    yield from _counter(
        "folkmoot_notifications_total",
        "Notifications to subscribers that were told, or given up.",
        observe.notifications,
    )
    yield from _histogram(
        "folkmoot_notification_post_seconds", "How long POSTs to subscribers took.", observe.post_seconds
    )
    yield from _histogram(
        "folkmoot_notification_lag_seconds", "From a change until its subscriber knew.", observe.lag_seconds
    )


def _counter(name: str, says: str, counted: Mapping[str, int]) -> Iterable[str]:
    yield f"# HELP {name} {says}\n# TYPE {name} counter\n"
    for outcome, count in sorted(counted.items()):
        yield f'{name}{{outcome="{outcome}"}} {count}\n'


def _histogram(name: str, says: str, durations: Durations) -> Iterable[str]:
    yield f"# HELP {name} {says}\n# TYPE {name} histogram\n"
    total = 0
    for bound, count in zip((*durations.bounds, None), durations.buckets, strict=True):
        total += count
        yield f'{name}_bucket{{le="{"+Inf" if bound is None else f"{bound:g}"}"}} {total}\n'
    yield f"{name}_sum {durations.seconds:g}\n{name}_count {durations.count}\n"
