"""Rows of `sign_ins`: sign-ins under way at the development issuer, by the hash of the code that a client holds."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from folkmoot.store import schema as s
from folkmoot.store.db import Row, Snapshot, Statement, Tx

_s = s.sign_ins.c

# How long what is past its time is still known, and how many older ones go with each that is added.
KEPT_SECONDS = 24 * 60 * 60
_REMOVED_AT_ONCE = 100

_COLUMNS = select(_s.state, _s.given)
_FIND = Statement(_COLUMNS.where(_s.code_hash == bindparam("code_hash")))
# The newest of those that show the same code, which chance alone can bring about.
_FIND_BY_USER_CODE = Statement(
    select(_s.state, _s.given, _s.code_hash)
    .where(_s.user_code == bindparam("user_code"))
    .order_by(_s.expires_at.desc())
    .limit(1)
)
_ADD = Statement(insert(s.sign_ins), keeps_memo=True)
_OLD = select(_s.code_hash).where(_s.expires_at < bindparam("before")).order_by(_s.expires_at).limit(_REMOVED_AT_ONCE)
_FORGET = Statement(delete(s.sign_ins).where(_s.code_hash.in_(_OLD)), keeps_memo=True)
_MOVE = Statement(
    update(s.sign_ins)
    .where(_s.code_hash == bindparam("which"), _s.state == bindparam("from_state"))
    .values(state=bindparam("to_state"), given=bindparam("to_given"))
    .returning(_s.code_hash)
)


def _hash(code: str) -> str:
    return sha256(code.encode("utf-8", "replace")).hexdigest()


def add(tx: Tx, code: str, user_code: str | None, given: str, expires: float) -> None:
    """Keep a code with what it is bound to (JSON) until `expires` (seconds) and a day more."""
    tx.run(_FORGET, before=tx.now - KEPT_SECONDS)
    tx.run(_ADD, code_hash=_hash(code), user_code=user_code, state="pending", given=given, expires_at=int(expires))


def find(snapshot: Snapshot, code: str) -> Row | None:
    """(state, given) of a code, or None."""
    return snapshot.one(_FIND, code_hash=_hash(code))


def find_by_user_code(snapshot: Snapshot, user_code: str) -> Row | None:
    """(state, given, …) of the device that shows this code, or None."""
    return snapshot.one(_FIND_BY_USER_CODE, user_code=user_code)


def move(tx: Tx, code: str, before: str, after: str) -> bool:
    """Change the state of a code; False, and nothing changed, when it was in another one."""
    found = find(tx, code)
    return found is not None and _moved(tx, _hash(code), before, after, found[1])


def answer(tx: Tx, user_code: str, after: str, given: str) -> bool:
    """Answer a device that waits. False, and nothing changed, when it does not."""
    found = find_by_user_code(tx, user_code)
    return found is not None and _moved(tx, found[2], "pending", after, given)


def _moved(tx: Tx, which: str, before: str, after: str, given: Any) -> bool:
    tx.wrote = True
    return bool(tx.all(_MOVE, which=which, from_state=before, to_state=after, to_given=given))
