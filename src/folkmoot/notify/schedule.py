"""Which endpoints have something to be sent to them, which of them is next, and which must wait.

An endpoint that hangs holds a place for ten seconds. So there are few places for those that failed when they were last
tried, and few for one host: whatever is wrong with them, the others have theirs.
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict
from collections.abc import Iterable
from urllib.parse import urlsplit

PLACES = 64
SUSPECT_PLACES = 16
HOST_PLACES = 16
# URLs that wait; more are found again by a look at the database.
WAITING = 20_000
# Groups of a URL that are remembered; with more it is looked at whole.
GROUPS = 100

Groups = set[str] | None  # None: all
_Line = tuple[str, bool]


class Schedule:
    """Endpoints by their URL: waiting in the line of their host, resting until some time, or under way."""

    def __init__(self) -> None:
        self._work: dict[str, Groups] = {}
        self._lines: OrderedDict[_Line, OrderedDict[str, None]] = OrderedDict()
        self._resting: dict[str, float] = {}
        self._timers: list[tuple[float, str]] = []
        self._under_way: dict[str, _Line] = {}
        self._in_line: Counter[_Line] = Counter()
        self._suspects: OrderedDict[str, None] = OrderedDict()

    def add(self, url: str, groups: Iterable[str] | None = None) -> bool:
        """Note that lanes of the URL are behind in these groups, or (None) perhaps in any. False: there is no room."""
        if url in self._work:
            known = self._work[url]
            if known is not None:
                self._work[url] = None if groups is None else _bounded(known | set(groups))
            return True
        if len(self._work) >= WAITING:
            return False
        self._work[url] = None if groups is None else _bounded(set(groups))
        self._queue(url)
        return True

    def rest(self, url: str, until: float) -> None:
        """Leave the URL alone until then."""
        self._resting[url] = until
        heapq.heappush(self._timers, (until, url))
        for line in ((_host(url), False), (_host(url), True)):
            if line in self._lines:
                self._lines[line].pop(url, None)

    def suspect(self, url: str, suspected: bool) -> None:
        """Whether the URL failed when it was last tried."""
        if not suspected:
            self._suspects.pop(url, None)
            return
        self._suspects[url] = None
        self._suspects.move_to_end(url)
        if len(self._suspects) > WAITING:
            self._suspects.popitem(last=False)

    def wake(self, now: float) -> None:
        """Let those go on whose rest is over."""
        while self._timers and self._timers[0][0] <= now:
            _, url = heapq.heappop(self._timers)
            if self._resting.get(url, now + 1) <= now:
                del self._resting[url]
                if url in self._work:
                    self._queue(url)

    def rouse(self) -> None:
        """Let all go on, whatever time it is."""
        self._timers.clear()
        self._resting.clear()
        for url in self._work:
            self._queue(url)

    def take(self) -> list[tuple[str, Groups]]:
        """The next ones for which there are places, with the groups in question; they are under way from now on."""
        taken: list[tuple[str, Groups]] = []
        for line in list(self._lines):
            waiting = self._lines[line]
            while waiting and self._has_place(line):
                url, _ = waiting.popitem(last=False)
                self._under_way[url] = line
                self._in_line[line] += 1
                taken.append((url, self._work.pop(url)))
            if not waiting:
                del self._lines[line]
            elif taken:
                self._lines.move_to_end(line)  # others first, the next time
        return taken

    def done(self, url: str) -> None:
        """The URL is not under way any more."""
        line = self._under_way.pop(url)
        self._in_line[line] -= 1
        if not self._in_line[line]:
            del self._in_line[line]
        if url in self._work and url not in self._resting:
            self._queue(url)

    def next_time(self) -> float | None:
        """When a rest ends that is the next to end."""
        return self._timers[0][0] if self._timers else None

    @property
    def waiting(self) -> bool:
        """Whether there is something to take."""
        return any(waiting and self._has_place(line) for line, waiting in self._lines.items())

    def busy(self, url: str) -> bool:
        """Whether the URL is under way or waits."""
        return url in self._under_way or url in self._work

    def _queue(self, url: str) -> None:
        if url in self._under_way or url in self._resting:
            return
        line = (_host(url), url in self._suspects)
        self._lines.setdefault(line, OrderedDict())[url] = None

    def _has_place(self, line: _Line) -> bool:
        host, suspect = line
        if len(self._under_way) >= PLACES or self._in_line[host, False] + self._in_line[host, True] >= HOST_PLACES:
            return False
        return not suspect or sum(n for (_, doubtful), n in self._in_line.items() if doubtful) < SUSPECT_PLACES


def _bounded(groups: set[str]) -> Groups:
    return groups if len(groups) <= GROUPS else None


def _host(url: str) -> str:
    return urlsplit(url).netloc
