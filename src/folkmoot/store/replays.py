"""Rows of `idempotency_keys`: the answers that were given to writes which came with a key."""

from __future__ import annotations

from sqlalchemy import BindParameter, bindparam, delete, insert, or_, select

from folkmoot.store import schema as s
from folkmoot.store.db import Row, Snapshot, Statement, Tx

_G: BindParameter[str] = bindparam("g")
_k = s.idempotency_keys.c

# For how long a key is known, and how many that are older one write removes: each adds one, so they cannot pile up.
KEPT_SECONDS = 24 * 60 * 60
_REMOVED_AT_ONCE = 100

_FIND = Statement(
    select(_k.fingerprint, _k.status, _k.headers, _k.body).where(
        _k.group_id == _G,
        _k.application == bindparam("application"),
        _k.caller == bindparam("caller"),
        _k.key_hash == bindparam("key_hash"),
        _k.created_at > bindparam("since"),
    )
)
_ADD = Statement(insert(s.idempotency_keys), keeps_memo=True)
_OLD = s.idempotency_keys.alias("old")
_FORGET = Statement(
    delete(s.idempotency_keys).where(
        _k.group_id == _G,
        _k.created_at <= bindparam("until"),
        or_(
            _k.key_hash == bindparam("key_hash"),  # about to be used again
            _k.key_hash.in_(
                select(_OLD.c.key_hash)
                .where(_OLD.c.group_id == _G, _OLD.c.created_at <= bindparam("until"))
                .order_by(_OLD.c.created_at)
                .limit(_REMOVED_AT_ONCE)
            ),
        ),
    ),
    keeps_memo=True,
)


def find(snapshot: Snapshot, group: str, application: str, caller: str, key_hash: str) -> Row | None:
    """(fingerprint, status, headers, body) of the answer that was given under a key in the last day, or None."""
    since = snapshot.now - KEPT_SECONDS
    return snapshot.one(_FIND, g=group, application=application, caller=caller, key_hash=key_hash, since=since)


def add(
    tx: Tx, group: str, application: str, caller: str, key_hash: str, fingerprint: str, answer: tuple[int, str, str]
) -> None:
    """Keep an answer (status, headers and body as JSON), and remove some that are a day old."""
    status, headers, body = answer
    tx.run(_FORGET, g=group, until=tx.now - KEPT_SECONDS, key_hash=key_hash)
    tx.run(
        _ADD,
        group_id=group,
        application=application,
        caller=caller,
        key_hash=key_hash,
        fingerprint=fingerprint,
        status=status,
        headers=headers,
        body=body,
        created_at=tx.now,
    )
