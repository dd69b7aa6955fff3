"""`folkmoot subscriptions`: who is notified of changes, what was delivered, and sending it once more."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from folkmoot.commands import operating
from folkmoot.config import Settings
from folkmoot.store.db import Snapshot, Tx

if TYPE_CHECKING:
    from folkmoot.model import Delivery, Subscription
    from folkmoot.store.db import Store

T = TypeVar("T")

_PAGE = 500


def add_parser(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to `commands`; `shared` holds the options that all commands take."""
    family = commands.add_parser("subscriptions", help="who is notified of changes, and what was delivered")
    verbs = family.add_subparsers(required=True, metavar="COMMAND")
    json = operating.json_option()
    for name, run, says in (
        ("list", _list, "print every subscription"),
        ("show", _show, "print one, with how it stands with its endpoint"),
        ("deliveries", _deliveries, "print the attempts to notify it, newest first"),
        ("replay", _replay, "send once more what an attempt told it of"),
        ("remove", _remove, "end one"),
    ):
        verb = verbs.add_parser(name, parents=[shared] if name == "remove" else [shared, json], help=says)
        if name != "list":
            verb.add_argument("subscription", metavar="SUBSCRIPTION", help="its id")
        if name == "deliveries":
            verb.add_argument("--failed", action="store_true", help="only those that were not answered with a 2xx")
            verb.add_argument("--limit", metavar="NUMBER", type=int, default=100, help="at most so many; 0: all")
        if name == "replay":
            verb.add_argument("delivery", metavar="DELIVERY", help="the attempt's id")
        verb.set_defaults(run=run, log_level=logging.WARNING)


def _list(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.store import subscriptions

    def below(snapshot: Snapshot, last: Subscription | None) -> list[Subscription]:
        return subscriptions.page(snapshot, last.id if last else None, _PAGE)

    with operating.opened(settings) as store:
        operating.listed(options, (_facts(each) for each in _pages(store, below)))


def _show(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.store import deliveries

    def facts(snapshot: Snapshot) -> dict[str, Any]:
        found = _one(snapshot, options.subscription)
        last = deliveries.page(snapshot, found.id, None, 1)
        more = {
            "watches": found.watched,
            "group": found.group,
            "lifecycleUrl": found.lifecycle_url,
            "resourceData": found.include_resource_data,
            "created": _moment(found.created_at / 1e6),
            "paused": None if found.paused_at is None else "its creator may not read the group",
            "lastAttempt": _attempt(last[0]) if last else None,
        }
        return {**_facts(found), **more}

    operating.show(options, operating.read(settings, facts))


def _deliveries(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.store import deliveries

    if options.limit < 0:
        raise operating.WrongUse("--limit is a number of attempts, or 0 for all.")

    def below(snapshot: Snapshot, last: Delivery | None) -> list[Delivery]:
        return deliveries.page(snapshot, options.subscription, last.id if last else None, _PAGE)

    def wanted(store: Store) -> Iterator[dict[str, Any]]:
        told = 0
        for each in _pages(store, below):
            if options.failed and each.status is not None and 200 <= each.status < 300:
                continue
            yield _attempt(each)
            told += 1
            if told == options.limit:
                return

    with operating.opened(settings) as store:
        # Of one that has ended the attempts are still there, for as long as they are kept.
        options.subscription = _id(options.subscription)
        operating.listed(options, wanted(store))


def _replay(options: argparse.Namespace, settings: Settings) -> None:
    import asyncio

    from folkmoot import app
    from folkmoot.graph import delivery_log

    notifications = app.notifications(settings)

    async def sent(wanted: delivery_log.Again) -> Delivery:
        outgoing = app.outgoing_of(settings)
        try:
            return await delivery_log.send(outgoing, wanted)
        finally:
            await outgoing.close()

    def again(snapshot: Snapshot) -> delivery_log.Again:
        found = _one(snapshot, options.subscription)
        return delivery_log.again(snapshot, notifications, found, _id(options.delivery))

    with operating.opened(settings) as store:
        attempt = asyncio.run(sent(store.read_here(again)))
        made = store.write_here(lambda tx: delivery_log.keep(tx, attempt))
    operating.show(options, _attempt(made))


def _remove(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.store import subscriptions

    def remove(tx: Tx) -> None:
        subscriptions.remove(tx, _one(tx, options.subscription).id)

    operating.write(settings, remove)


def _one(snapshot: Snapshot, id: str) -> Subscription:
    from folkmoot.store import subscriptions

    found = subscriptions.one(snapshot, _id(id))
    if found is None:
        raise operating.NotThere(f"There is no subscription '{id}'; `folkmoot subscriptions list` has them.")
    return found


def _id(text: str) -> str:
    id = operating.guid(text)
    if id is None:
        raise operating.NotThere(f"'{text}' is not an id.")
    return id


def _pages(store: Store, below: Callable[[Snapshot, T | None], list[T]]) -> Iterator[T]:
    """The items of all pages, each read by itself: a list may be long."""
    last: T | None = None
    while True:
        start = last
        found = store.read_here(lambda snapshot: below(snapshot, start))  # noqa: B023  (called at once)
        yield from found
        if len(found) < _PAGE:
            return
        last = found[-1]


def _facts(found: Subscription) -> dict[str, Any]:
    # Never the clientState: by it the endpoint knows who sends.
    return {
        "id": found.id,
        "expires": _moment(found.expires_at / 1e6),
        "changeTypes": ",".join(found.change_types),
        "resource": found.resource,
        "url": found.notification_url,
        "application": found.application,
        "creator": found.creator,
    }


def _attempt(each: Delivery) -> dict[str, Any]:
    return {
        "id": each.id,
        "at": _moment(each.at),
        "kind": each.kind,
        "notifications": each.notifications,
        "status": each.status,
        "milliseconds": each.milliseconds,
        "error": each.error,
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
