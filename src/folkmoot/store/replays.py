"""Rows of `idempotency_keys`: the answers that were given to writes which came with a key."""

from __future__ import annotations

from hashlib import sha256

from sqlalchemy import BindParameter, bindparam, delete, insert, select

from folkmoot.model import Caller
from folkmoot.store import schema as s
from folkmoot.store.db import Row, Snapshot, Statement, Tx

_G: BindParameter[str] = bindparam("g")
_k = s.idempotency_keys.c

# For how long a key is known, and how many that are older one write removes: each adds one, so they cannot pile up.
KEPT_SECONDS = 24 * 60 * 60
_REMOVED_AT_ONCE = 100

_FIND = Statement(
    select(_k.fingerprint, _k.status, _k.headers, _k.body).where(
        _k.group_id == _G, _k.key_hash == bindparam("key_hash"), _k.created_at > bindparam("since")
    )
)
_ADD = Statement(insert(s.idempotency_keys), keeps_memo=True)
# The key itself, which is about to be used again, and the oldest of the others: a few steps of an index each.
_FORGET_IT = Statement(
    delete(s.idempotency_keys).where(_k.group_id == _G, _k.key_hash == bindparam("key_hash")), keeps_memo=True
)
_OLD = s.idempotency_keys.alias("old")
_FORGET = Statement(
    delete(s.idempotency_keys).where(
        _k.group_id == _G,
        _k.key_hash.in_(
            select(_OLD.c.key_hash)
            .where(_OLD.c.group_id == _G, _OLD.c.created_at <= bindparam("until"))
            .order_by(_OLD.c.created_at)
            .limit(_REMOVED_AT_ONCE)
        ),
    ),
    keeps_memo=True,
)


def _hash(caller: Caller, key: str) -> str:
    return sha256(f"{caller.application}\n{caller.oid}\n{key}".encode()).hexdigest()


def find(snapshot: Snapshot, group: str, caller: Caller, key: str) -> Row | None:
    """(fingerprint, status, headers, body) of the answer that was given under a key in the last day, or None."""
    return snapshot.one(_FIND, g=group, key_hash=_hash(caller, key), since=snapshot.now - KEPT_SECONDS)


def add(tx: Tx, group: str, caller: Caller, key: str, fingerprint: str, answer: tuple[int, str, str]) -> None:
    """Keep an answer (status, headers and body as JSON), and remove some that are a day old."""
    status, headers, body = answer
    hashed = _hash(caller, key)
    tx.run(_FORGET_IT, g=group, key_hash=hashed)
    tx.run(_FORGET, g=group, until=tx.now - KEPT_SECONDS)
    tx.run(
        _ADD,
        group_id=group,
        key_hash=hashed,
        application=caller.application,
        caller=caller.oid,
        fingerprint=fingerprint,
        status=status,
        headers=headers,
        body=body,
        created_at=tx.now,
    )
