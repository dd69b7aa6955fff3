"""Idempotency-Key: a create or a reply that is sent again is answered as before, and not done again.

Source: draft-ietf-httpapi-idempotency-key-header-07: the header is a Structured Fields string, a fingerprint tells one
request from another, a key that was used for another request is refused with 422. The key is looked up and kept in the
write's own transaction and in the group's turn, so two that come together cannot both be new (the draft's 409 has no
cause here). A refusal keeps nothing: what was not done may be tried again under the same key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import sha256

import msgspec

from folkmoot.graph import ids
from folkmoot.graph.call import Call
from folkmoot.graph.envelope import Answer, encode
from folkmoot.ops import access
from folkmoot.refusals import BadHeader, KeyReused
from folkmoot.store import replays
from folkmoot.store.db import Tx

HEADER = "Idempotency-Key"
MAX_KEY = 255
# RFC 8941 §3.3.3 (printable ASCII in quotes); and bare, as many clients send it.
_KEY = re.compile(r'"(?P<string>(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])+)"|(?P<bare>[\x21\x23-\x7e]+)')

_headers = msgspec.json.Decoder(tuple[tuple[str, str], ...]).decode


def read_key(headers: Mapping[bytes, bytes]) -> str | None:
    """The key of a request, or None where it has none. Raises `BadHeader` for one that is not as the draft has it."""
    given = headers.get(b"idempotency-key")
    if given is None:
        return None
    match = _KEY.fullmatch(given.decode("latin-1").strip())
    key = match and (match["string"] or match["bare"])
    if not key or len(key) > MAX_KEY:
        raise BadHeader(
            f"{HEADER} must be a string of 1 to {MAX_KEY} printable ASCII characters, such as a GUID in quotes.",
            target=HEADER,
        )
    return key


def fingerprint(method: str, address: str, keys: Mapping[str, str], raw: bytes) -> str:
    """What tells one request from another: what is asked for where, and the JSON value of the body."""
    body = msgspec.json.encode(msgspec.json.decode(raw), order="sorted") if raw.strip() else b""
    return sha256(msgspec.json.encode((method, address, sorted(keys.items()))) + body).hexdigest()


def once(write: Callable[[Tx, Call], Answer], key: str, print_: str) -> Callable[[Tx, Call], Answer]:
    """`write`, done once for each key of a caller. `print_` is the request's `fingerprint`."""

    def write_once(tx: Tx, call: Call) -> Answer:
        caller = call.caller
        # Takes the group's turn. Who may no longer read there is not told again what was said.
        standing = access.enter(tx, caller, ids.directory_id(call.keys["group"]))
        access.read_content(standing)
        found = replays.find(tx, standing.group, caller, key)
        if found is not None:
            known, status, headers, body = found
            if known != print_:
                raise KeyReused(target=HEADER)
            sent = (*_headers(headers), ("Idempotency-Replayed", "true"))
            return Answer(status, msgspec.Raw(body.encode()) if body else None, sent)
        answer = write(tx, call)
        body = "" if answer.body is None else encode(answer.body).decode()
        kept = (answer.status, encode(answer.headers).decode(), body)
        replays.add(tx, standing.group, caller, key, print_, kept)
        return answer

    return write_once
