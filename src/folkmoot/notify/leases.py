"""The URLs that this process notifies: it alone, as long as it says every few seconds that it is alive."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection

from folkmoot.observe import log
from folkmoot.refusals import Refusal
from folkmoot.store import endpoints
from folkmoot.store.db import Store
from folkmoot.store.endpoints import Standing

# A process that is gone holds up what it held for so long.
LEASE_SECONDS = 6.0
BEAT_SECONDS = 2.0
# A URL is held on to after the last POST, so that what comes next costs no write.
IDLE_SECONDS = 5.0


class Leases:
    """What this process holds of `endpoints`, and until when."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self.me = str(uuid.uuid4())
        self._store = store
        self._clock = clock
        self._until: dict[str, float] = {}
        self._used: dict[str, float] = {}

    async def take(self, urls: Collection[str]) -> dict[str, Standing]:
        """How it stands with each URL; those that are held by then are this process's (see `endpoints.take`)."""
        now = self._clock()
        wanted = []
        for url in urls:
            if self.holds(url):
                self._used[url] = now
            else:
                wanted.append(url)
        found = dict.fromkeys(urls, Standing())
        if wanted:
            until = now + LEASE_SECONDS
            taken = await self._store.write(lambda tx: endpoints.take(tx, wanted, self.me, until))
            for url, standing in taken.items():
                if standing.held_until is None and (standing.retry_at is None or standing.retry_at <= now):
                    self._until[url] = until
                    self._used[url] = now
            found.update(taken)
        return found

    def holds(self, url: str) -> bool:
        """Whether the URL is this process's for now."""
        return self._until.get(url, 0.0) > self._clock()

    def lost(self, url: str) -> None:
        """Note that the URL was given back with something else that was written."""
        self._until.pop(url, None)
        self._used.pop(url, None)

    async def beat(self, busy: Callable[[str], bool]) -> None:
        """Hold on to what is in use, and give back what has not been for a while."""
        now = self._clock()
        idle = [url for url, used in self._used.items() if not busy(url) and now - used >= IDLE_SECONDS]
        if idle:
            await self.give_back(idle)
        held = [*self._until]
        if not held:
            return
        until = now + LEASE_SECONDS
        try:
            kept = await self._store.write(lambda tx: endpoints.beat(tx, held, self.me, until))
        except Refusal as refusal:  # the leases go on until they end
            log.warning("cannot hold on to %d endpoints: %s", len(held), refusal.message)
            return
        for url in held:
            if url in kept and url in self._until:
                self._until[url] = until
                if busy(url):
                    self._used[url] = now
            else:
                self.lost(url)

    async def give_back(self, urls: Collection[str] | None = None) -> None:
        """Let go of these URLs, or of all."""
        names = [*(self._until if urls is None else urls)]
        for url in names:
            self.lost(url)
        if names:
            await self._store.write(lambda tx: endpoints.give_back(tx, names, self.me))
