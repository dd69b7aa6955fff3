"""Filling a database: the directory by the verbs themselves, then blocks, made by processes and written by this one.

Each transaction leaves a sound database. Broken off at any moment, the same wish goes on where the last one ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgspec

from folkmoot import lab
from folkmoot.app import open_store
from folkmoot.config import Settings, SettingWrong
from folkmoot.filling.content import Made, Maker
from folkmoot.filling.plan import Block, Group, Member, Plan, Unfit, Wish
from folkmoot.filling.sinks import PostgresSink, Sink, SqliteSink
from folkmoot.graph import ids
from folkmoot.model import Caller, GroupDraft, UserDraft
from folkmoot.ops import directory
from folkmoot.store import everywhere
from folkmoot.store.db import Dialect, Tx

_COMMIT: Final = 10_000  # posts in a transaction, about
_ALONE: Final = 5_000  # so few posts are made faster than a process starts
_AT_ONCE: Final = 50  # groups or people in a transaction

Progress = Callable[[str], None]


class Filled(msgspec.Struct, rename="camel"):
    """What there is now. Ids are as the wire has them."""

    posts: int
    written: int
    """How many of them by this run."""
    seconds: float
    groups: int
    people: int
    group: str
    """The first group, which has the most posts, and in which Adele Vance is an owner."""
    thread: str | None
    """The long thread in it."""


def fill(
    settings: Settings, wish: Wish, *, processes: int | None = None, progress: Progress = lambda line: None
) -> Filled:
    """Bring the database to what `wish` says, and say what that is.

    `processes` make the rows (None: one for each core but one, 0: this one). Raises `SettingWrong` in production,
    `Unfit` for a wish that cannot be or where somebody has written to the groups meanwhile.
    """
    if settings.mode != "development":
        raise SettingWrong("Only a development database is filled: mode must be development.", target="mode")
    plan = Plan(wish, settings.domain)
    dialect = seed_directory(settings, plan, progress)
    sink: Sink
    if settings.database is None:
        sink = SqliteSink(Path(settings.data) / "folkmoot.db")
    else:
        sink = PostgresSink(settings.database)
    with contextlib.closing(sink):
        done, todo = _split(plan, sink.heads())
        written = sum(block.posts for block in todo)
        began = time.monotonic()
        if processes is None:
            processes = max(1, (os.cpu_count() or 2) - 1) if written > _ALONE else 0
        with contextlib.closing(_each(plan, todo, settings.domain, dialect, processes)) as each:
            _write(sink, each, done, wish.posts, progress)
        seconds = time.monotonic() - began
        if todo:
            progress("putting the indexes in order")
            sink.tidy()
    long = next((block for block in plan.blocks_of(plan.groups[0]) if block.part == 0), None)
    group = plan.groups[0]
    return Filled(
        posts=wish.posts,
        written=written,
        seconds=round(seconds, 1),
        groups=len(plan.groups),
        people=len(plan.people),
        group=group.id,
        thread=None if long is None else ids.thread_id(group.id, plan.long_id(long), plan.long_id(long)),
    )


# ── who is there ─────────────────────────────────────────────────────────────────────────────────────────────────────


def seed_directory(settings: Settings, plan: Plan, progress: Progress = lambda line: None) -> Dialect:
    """Add the people and the groups that are not there yet."""
    now = plan.groups[0].created_at

    with contextlib.closing(open_store(settings, lambda: now)) as store:
        asyncio.run(lab.seed(store, settings))
        for start in range(0, len(plan.people), _AT_ONCE):
            some = plan.people[start : start + _AT_ONCE]
            store.write_here(lambda tx, some=some: _add(_person, tx, some))  # type: ignore[misc]
        for start in range(0, len(plan.groups), _AT_ONCE):
            groups = plan.groups[start : start + _AT_ONCE]
            now = groups[0].created_at
            store.write_here(lambda tx, groups=groups: _add(_group, tx, groups, settings))  # type: ignore[misc]
        progress(f"{len(plan.groups):,} groups, {len(plan.people):,} people")
        return store.dialect


def _add(one: Callable[..., None], tx: Tx, some: Iterable[Any], *more: Any) -> None:
    for each in some:
        one(tx, each, *more)


def _person(tx: Tx, person: Member) -> None:
    if everywhere.person(tx, person.id) is not None:
        return
    first, _, last = person.name.partition(" ")
    draft = UserDraft(
        id=person.id,
        user_principal_name=person.address,
        mail=person.address,
        mail_nickname=person.address.partition("@")[0],
        display_name=person.name,
        given_name=first,
        surname=last,
        account_enabled=True,
    )
    directory.create_user(tx, draft)


def _group(tx: Tx, group: Group, settings: Settings) -> None:
    if everywhere.group_exists(tx, group.id):
        return
    owner = group.members[0].id
    caller = Caller(
        kind="person",
        oid=owner,
        tenant=settings.tenant_id,
        application=lab.PUBLIC_CLIENT.id,
        permissions=frozenset(),
    )
    draft = GroupDraft(
        id=group.id,
        display_name=group.name,
        mail_nickname=group.nick,
        mail_enabled=True,
        security_enabled=False,
        group_types=("Unified",),
        description=f"{group.name}, filled for development",
        visibility=group.visibility,
        owners=(owner,),
        members=tuple(member.id for member in group.members),
    )
    directory.create_group(tx, caller, draft, settings.domain)


# ── what is said ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _split(plan: Plan, heads: dict[str, int]) -> tuple[int, list[Block]]:
    """How many posts are there already, and the blocks that are not. Raises `Unfit` where others have written."""
    done, todo, told = 0, [], set()
    for block in plan.blocks():
        group = plan.groups[block.group]
        head = heads[group.id]
        if head > block.head:
            if head < block.next_head:
                raise _written_to(group)
            told.add(block.group)
            done += block.posts
        else:
            todo.append(block)
    return done, todo


def _written_to(group: Group) -> Unfit:
    return Unfit(
        f"Somebody has written to the group {group.name} ({group.id}) since it was filled in part, so this cannot go "
        "on. Another --seed fills groups of its own."
    )


def _write(sink: Sink, each: Iterator[Made], done: int, total: int, progress: Progress) -> None:
    waiting: list[Made] = []
    began, before = time.monotonic(), done

    def commit() -> None:
        nonlocal done
        if not sink.write(waiting):
            raise Unfit("Somebody writes to the groups that are being filled. What is there so far is sound.")
        done += sum(made.posts for made in waiting)
        waiting.clear()
        rate = (done - before) / max(0.001, time.monotonic() - began)
        progress(f"{done:,} of {total:,} posts, {rate:,.0f}/s, {(total - done) / rate:,.0f} s to go")

    for made in each:
        waiting.append(made)
        if sum(made.posts for made in waiting) >= _COMMIT:
            commit()
    if waiting:
        commit()


def _each(plan: Plan, todo: list[Block], domain: str, dialect: Dialect, processes: int) -> Generator[Made]:
    """The blocks' rows, in order."""
    if not processes:
        maker = Maker(plan, dialect)
        yield from map(maker.made, todo)
        return
    # Started anew, for a copy of this process would have its threads' locks and not its threads.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, _begin, (plan.wish, domain, dialect))
    waiting: deque[Future[Made]] = deque()
    try:
        for block in todo:
            waiting.append(pool.submit(_made, block))
            if len(waiting) > processes * 3 + 8:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_maker: Maker


def _begin(wish: Wish, domain: str, dialect: Dialect) -> None:
    global _maker
    # Who breaks off means the whole; the first process ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _maker = Maker(Plan(wish, domain), dialect)


def _made(block: Block) -> Made:
    return _maker.made(block)
