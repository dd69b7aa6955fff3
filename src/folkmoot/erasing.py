"""Takes away what was erased, and uploads that were left behind, a little at a time.

A group may hold a million posts. To whoever asks it is gone at once (`deleted.erase`); its rows go in many
transactions, so that other writes wait for some of them only. What is broken off goes on where it was: what is still
there is what is still to be done.
"""

from __future__ import annotations

from typing import Final

from folkmoot.observe import log
from folkmoot.ops import deleted, uploads
from folkmoot.store import everywhere
from folkmoot.store.db import Snapshot, Store

# Seconds between two sweeps, and rows that one transaction removes.
EVERY: Final = 60.0
TOGETHER: Final = 200


async def sweep(store: Store) -> None:
    """Erase what can no longer be restored, and remove what groups held that were erased and upload sessions whose time
    is over. Several servers may do so at once. Raises `Busy` where the database is away."""
    while groups := await store.read(everywhere.with_ended_uploads):
        for group in groups:
            await store.write(lambda tx, group=group: uploads.remove_expired(tx, group), key=group)  # type: ignore[misc]
    while await store.read(_anything_expired):
        await store.write(deleted.erase_expired)
    for group in await store.read(everywhere.erased):
        log.info("removing what group %s held, which was erased", group)
        while await store.write(lambda tx, group=group: deleted.remove_some(tx, group, TOGETHER), key=group):  # type: ignore[misc]
            pass
        log.info("nothing is left of group %s", group)


def _anything_expired(snapshot: Snapshot) -> bool:
    return any(everywhere.expired(snapshot, deleted.oldest(snapshot), 1))
