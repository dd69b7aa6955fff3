"""Streams of changes: what happens in a group, or in all groups of a person, as server-sent events.

Source: WHATWG HTML §9.2. One read of the log for each group that changed serves all its streams: it fills a short ring
of events, and each stream goes through it at its own pace. A stream is no queue but a place in the log; one that lags
behind the ring reads the log for itself, so nothing piles up for a client that does not read.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import NamedTuple

from folkmoot import observe
from folkmoot.graph import positions
from folkmoot.graph import stream_reads as reads
from folkmoot.graph.envelope import Events, encode, refused
from folkmoot.graph.positions import Mine
from folkmoot.graph.stream_reads import Asked, Circle, Listener, Start
from folkmoot.observe import log
from folkmoot.refusals import Busy, Refusal
from folkmoot.store.db import Store
from folkmoot.store.wake import DIRECTORY

# Proxies and clients take a connection on which nothing comes for dead; half a minute is the least that is usual.
HEARTBEAT_SECONDS = 15.0
# A client that takes nothing for so long is cut off.
PATIENCE_SECONDS = 60.0
# Milliseconds after which a client comes again: not all at once after a restart.
RETRY = (1_000, 5_000)
MOST_STREAMS = 10_000
# What a group's ring holds at most; a stream that is further behind reads the log.
RING_EVENTS = 256
RING_BYTES = 128 * 1024
# Events that are sent in one piece, and groups that are read in one snapshot.
TOGETHER = 50
_GROUPS_AT_ONCE = 32
# Between two looks at what everybody may see, when the directory changes all the time.
_DOUBT_SECONDS = 1.0
_AGAIN_SECONDS = 1.0  # until a database that is away is asked again
_LAST_SECONDS = 1.0  # for the last words to clients that do not read, when the server stops

# Who asks, as of now. Raises a refusal where the request would be refused now.
Admit = Callable[[], Awaitable[Listener]]


class Told(NamedTuple):
    """An event: the number of its change, and what is sent of it but for its `id:`."""

    seq: int
    text: bytes


class Tail:
    """The end of a group's log, read as far as `head`: all events after `start`."""

    __slots__ = ("_bytes", "head", "ring", "start", "streams")

    def __init__(self, head: int) -> None:
        self.head = self.start = head
        self.ring: deque[Told] = deque()
        self._bytes = 0
        self.streams: set[Stream] = set()

    def extend(self, told: Iterable[Told], head: int) -> None:
        """Add what was read up to `head`."""
        for each in told:
            self.ring.append(each)
            self._bytes += len(each.text)
        while len(self.ring) > RING_EVENTS or self._bytes > RING_BYTES:
            oldest = self.ring.popleft()
            self._bytes -= len(oldest.text)
            self.start = oldest.seq
        self.head = head

    def after(self, seq: int) -> tuple[list[Told], int]:
        """Some events after `seq`, which is not before `start`, and up to which change these are all."""
        found: list[Told] = []
        for each in reversed(self.ring):
            if each.seq <= seq:
                break
            found.append(each)
        found.reverse()
        return (found[:TOGETHER], found[TOGETHER - 1].seq) if len(found) > TOGETHER else (found, self.head)


class Stream(Events):
    """One client. `behind` has the groups in which its place is not the end that was read, and that place."""

    def __init__(self, streams: Streams, admit: Admit, listener: Listener, start: Start, *, mine: bool) -> None:
        self._streams = streams
        self.admit = admit
        self.listener = listener
        self.mine = mine
        self.start = {group: (place.seq, start.heads[group]) for group, place in start.places.items()}
        self.groups: dict[str, None] = {}
        self.behind: dict[str, int] = {}
        self._lost = [group for group, place in start.places.items() if place.lost]
        # Up to when it was told of everything, and exactly how far in the groups that it was told of last.
        self._at = start.at
        self._recent = dict(start.recent)
        self._position = ""
        self._news = asyncio.Event()
        self._beat = False
        self._over = False
        self._why: Refusal | None = None
        self._sending: asyncio.Timeout | None = None
        self.patience = streams.patience

    @property
    def at(self) -> float:
        """Up to when it was told of everything, in seconds."""
        if not self.behind:
            self._at = max(self._at, self._streams.horizon)
        return self._at

    # ── what the hub says ────────────────────────────────────────────────────────────────────────────────────────────

    def wake(self) -> None:
        """There is something to be told."""
        self._news.set()

    def beat(self) -> None:
        """It is time to say that one is still there."""
        self._beat = True
        self._news.set()

    def end(self, why: Refusal | None) -> None:
        """End: because of `why`, or because the client has gone or the server stops."""
        if not self._over:
            self._over, self._why = True, why
            self._news.set()

    def gone(self) -> None:
        """The client has gone."""
        self.end(None)

    def sending(self, limit: asyncio.Timeout | None) -> None:
        """Something is being sent within this limit; None once it is."""
        self._sending = limit

    def hurry(self) -> None:
        """Give up what is being sent, unless it is taken at once."""
        if self._sending is not None:
            self._sending.reschedule(asyncio.get_running_loop().time() + _LAST_SECONDS)

    # ── what is sent ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """What the client is sent, until one of the two ends it."""
        self._streams.join(self)
        try:
            yield self._first()
            while not self._over:
                await self._news.wait()
                self._news.clear()
                while not self._over and (events := await self._some()):
                    yield events
                if self._beat and not self._over:
                    self._beat = False
                    yield b": still here\n" + self._moved() + b"\n"
            if self._why is not None:
                yield event("end", said(self._why))
        finally:
            self._streams.leave(self)

    def _first(self) -> bytes:
        wait = random.randint(*RETRY)  # noqa: S311  (spreads clients, nothing more)
        parts = [b"retry: %d\n" % wait, self._moved(), b"\n"]
        for group in self._lost:
            parts.append(event("resync", encode({"resource": f"groups('{group}')", "error": _RESYNC})))
        return b"".join(parts)

    async def _some(self) -> bytes:
        """The next events, all of one group; nothing where there are none."""
        try:
            while not self._over and (waiting := self._streams.waiting(self)):
                self.listener = await self.admit()
                told, upto = await self._streams.after(self, *waiting)
                if self._over or waiting[0] not in self.groups:
                    continue  # it ended meanwhile, or the group is not its own any more
                parts = []
                for each in told:
                    self._passed(waiting[0], each.seq)
                    parts += [self._moved(), each.text]
                self._passed(waiting[0], upto)
                if parts:
                    return b"".join(parts)
        except Busy:
            # The database is away; what was not told is told when it is back.
            self._streams.later(self.wake)
        except Refusal as refusal:
            self.end(refusal)
        return b""

    def _passed(self, group: str, seq: int) -> None:
        """Its place in the group is now `seq`."""
        # Behind the others: each group has its turn.
        self.behind.pop(group, None)
        if seq != self._streams.tails[group].head:
            self.behind[group] = seq
        if self.mine:
            self._recent.pop(group, None)
            self._recent[group] = seq
            while len(self._recent) > positions.RECENT:
                del self._recent[next(iter(self._recent))]

    def _id(self) -> str:
        if self.mine:
            return positions.write_mine(Mine(int(self.at), self._recent))
        for group in self.groups:
            return positions.write_number(self.behind.get(group, self._streams.tails[group].head))
        return self._position

    def _moved(self) -> bytes:
        """The line that says its place, where that is another than was said last; a client needs no event for it."""
        position = self._id()
        if position == self._position:
            return b""
        self._position = position
        return b"id: %s\n" % position.encode()


class Streams:
    """All streams of a process. Used from one event loop.

    `tails` are the groups that somebody follows; `horizon` is the time up to which all that was committed was read, in
    seconds. `heartbeat` and `patience` are seconds.
    """

    def __init__(
        self, store: Store, *, heartbeat: float = HEARTBEAT_SECONDS, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._store = store
        self._heartbeat = heartbeat
        self.patience = patience
        self.tails: dict[str, Tail] = {}
        self.horizon = 0.0
        self._streams: set[Stream] = set()
        self._dirty: set[str] = set()
        self._doubted = False
        self._doubted_at = -_DOUBT_SECONDS
        self._looked_at = 0.0
        self._worker: asyncio.Task[None] | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._deaf: Callable[[], None] = lambda: None
        self._closed = False

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._streams)

    async def open(self, admit: Admit, group: str | None, position: str | None, name: str) -> Stream:
        """A stream of the changes in `group`, or in all groups of the caller, that begins when it is sent.

        `position` is the `id:` that the client had last, which came in `name`. Raises what keeps the caller from it,
        `BadHeader` for a position that is none, and `Busy` where there are too many streams or the server stops.
        """
        if self._closed or len(self._streams) >= MOST_STREAMS:
            raise Busy
        listener = await admit()
        start = await self._store.read(lambda snapshot: reads.begin(snapshot, listener, group, position, name))
        return Stream(self, admit, listener, start, mine=group is None)

    def close(self) -> None:
        """End all streams, because the server stops."""
        self._closed = True
        for stream in self._streams:
            stream.end(None)
            stream.hurry()

    # ── streams come and go ──────────────────────────────────────────────────────────────────────────────────────────

    def join(self, stream: Stream) -> None:
        """A stream begins."""
        if not self._streams:
            self._deaf = self._store.wake.listen(self._heard, self._looked)
            self._ticker = asyncio.create_task(self._tick())
        self._streams.add(stream)
        observe.under_way["streams"] += 1
        if self._closed:
            stream.end(None)
        for group, (seq, head) in stream.start.items():
            self._follow(stream, group, seq, head)
        stream.start.clear()
        self._kick()

    def leave(self, stream: Stream) -> None:
        """A stream has ended."""
        self._streams.discard(stream)
        observe.under_way["streams"] -= 1
        for group in list(stream.groups):
            self._unfollow(stream, group)
        if not self._streams:
            self._deaf()
            for task in (self._ticker, self._worker):
                if task is not None:
                    task.cancel()
            self._ticker = self._worker = None
            self._doubted = False

    def _follow(self, stream: Stream, group: str, seq: int, head: int) -> None:
        tail = self.tails.get(group)
        if tail is None:
            tail = self.tails[group] = Tail(head)
        tail.streams.add(stream)
        stream.groups[group] = None
        if seq != tail.head:
            stream.behind[group] = seq
            stream.wake()
        # What was committed since its place was read woke nobody here.
        self._dirty.add(group)

    def _unfollow(self, stream: Stream, group: str) -> None:
        stream.groups.pop(group, None)
        stream.behind.pop(group, None)
        tail = self.tails[group]
        tail.streams.discard(stream)
        if not tail.streams:
            del self.tails[group]
            self._dirty.discard(group)

    # ── what is told ─────────────────────────────────────────────────────────────────────────────────────────────────

    def waiting(self, stream: Stream) -> tuple[str, int] | None:
        """A group in which there is something after the stream's place, and that place."""
        return next(((group, seq) for group, seq in stream.behind.items() if seq < self.tails[group].head), None)

    async def after(self, stream: Stream, group: str, seq: int) -> tuple[list[Told], int]:
        """Some events of a group after `seq`, and up to which change these are all. Raises `Busy`."""
        tail = self.tails.get(group)
        if tail is None:
            return [], seq
        if seq >= tail.start:
            return tail.after(seq)
        asked = Asked(group, seq, {0: stream.listener})
        (found,) = await self._store.read(lambda snapshot: reads.follow(snapshot, [asked]))
        if found.refused:
            self._shut_out(stream, group, found.refused[0])
        return [Told(number, event(kind, data)) for number, kind, data in found.told], max(found.upto, seq + 1)

    def later(self, callback: Callable[[], None]) -> None:
        """Call back when a database that was away is worth asking again."""
        asyncio.get_running_loop().call_later(_AGAIN_SECONDS, callback)

    # ── what is heard ────────────────────────────────────────────────────────────────────────────────────────────────

    def _heard(self, groups: frozenset[str]) -> None:
        self._dirty |= groups & self.tails.keys()
        if DIRECTORY in groups and not self._doubted:
            # Somebody may have come to a group or gone from it.
            self._doubted = True
            asyncio.get_running_loop().call_later(
                max(0.0, self._doubted_at + _DOUBT_SECONDS - time.monotonic()), self._kick
            )
        self._kick()

    def _looked(self, instant: float) -> None:
        self._looked_at = instant
        if self._worker is None and not self._dirty:
            self.horizon = max(self.horizon, instant)

    @property
    def _in_doubt(self) -> bool:
        return self._doubted and time.monotonic() >= self._doubted_at + _DOUBT_SECONDS

    def _kick(self) -> None:
        if (self._dirty or self._in_doubt) and self._worker is None and self._streams:
            self._worker = asyncio.create_task(self._work())

    async def _work(self) -> None:
        """Read what changed, until nothing has."""
        try:
            while self._dirty or self._in_doubt:
                if self._in_doubt:
                    await self._recheck()
                if groups := list(self._dirty)[:_GROUPS_AT_ONCE]:
                    self._dirty.difference_update(groups)
                    await self._read(groups)
            self.horizon = max(self.horizon, self._looked_at)
        except Busy:
            self.later(self._kick)
        except Exception:
            log.exception("streams could not be told of a change")
            self.later(self._kick)
        finally:
            if self._worker is asyncio.current_task():
                self._worker = None

    async def _read(self, groups: list[str]) -> None:
        asked = [
            Asked(group, tail.head, {id(each): each.listener for each in tail.streams})
            for group in groups
            if (tail := self.tails.get(group)) is not None
        ]
        try:
            found = await self._store.read(lambda snapshot: reads.follow(snapshot, asked))
        except BaseException:
            self._dirty.update(each.group for each in asked if each.group in self.tails)
            raise
        for (group, since, _), each in zip(asked, found, strict=True):
            tail = self.tails.get(group)
            if tail is None or tail.head != since:
                continue  # all left meanwhile, and perhaps others came
            for stream in [stream for stream in tail.streams if id(stream) in each.refused]:
                self._shut_out(stream, group, each.refused[id(stream)])
            if each.upto == since or group not in self.tails:
                continue
            tail.extend([Told(seq, event(kind, data)) for seq, kind, data in each.told], each.upto)
            for stream in tail.streams:
                if stream.behind.setdefault(group, since) == each.upto:
                    del stream.behind[group]
                stream.wake()
            if each.upto - since >= reads.MOST:
                self._dirty.add(group)

    def _shut_out(self, stream: Stream, group: str, refusal: Refusal) -> None:
        if not stream.mine:
            stream.end(refusal)
        elif group in stream.groups:
            self._unfollow(stream, group)

    # ── who may still listen ─────────────────────────────────────────────────────────────────────────────────────────

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat)
            try:
                await self.beat()
            except Exception:
                log.exception("streams could not be looked after")

    async def beat(self) -> None:
        """Look whether everybody may still listen, and tell those who may that this server is still there."""
        for stream in list(self._streams):
            try:
                stream.listener = await stream.admit()
            except Busy:
                continue  # it is known when the database is back
            except Refusal as refusal:
                stream.end(refusal)
        try:
            await self._recheck()
        except Busy:
            log.warning("who may follow changes cannot be looked up: the database is away")
        for stream in self._streams:
            stream.beat()

    async def _recheck(self) -> None:
        """Ask the directory who may still listen, and to which groups."""
        self._doubted, self._doubted_at = False, time.monotonic()
        streams = [stream for stream in self._streams if stream.mine or stream.groups]
        asked = [
            (each.listener, None if each.mine else next(iter(each.groups)), frozenset(each.groups), each.at)
            for each in streams
        ]
        try:
            found = await self._store.read(lambda snapshot: reads.recheck(snapshot, asked))
        except BaseException:
            self._doubted = True
            raise
        for stream, answer in zip(streams, found, strict=True):
            if stream not in self._streams:
                continue
            if isinstance(answer, Circle):
                self._redraw(stream, answer)
            else:
                stream.end(answer)
        self._kick()

    def _redraw(self, stream: Stream, circle: Circle) -> None:
        for group in circle.left & stream.groups.keys():
            self._unfollow(stream, group)
        for group in circle.joined.keys() - stream.groups.keys():
            self._follow(stream, group, circle.joined[group], circle.joined[group])


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def event(name: str, data: bytes) -> bytes:
    """An event but for its `id:`; `data` is JSON in one line."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)


def said(refusal: Refusal) -> bytes:
    """A refusal as the data of an event, in the words in which a request would be refused."""
    error = refused(refusal, "mail", request_id="", client_request_id="", profile="extended").body["error"]
    return encode({"error": {"code": error["code"], "message": error["message"]}})


_RESYNC = {
    "code": "resyncRequired",
    "message": "Changes are missing here, for the log does not go back to where the stream was left; read what is in "
    "the group anew.",
}
