"""Fills a database with the development tenant and with posts, through the store's own statements."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec

from benchmarks import tenant
from folkmoot import lab
from folkmoot.app import open_store
from folkmoot.config import Settings
from folkmoot.graph import ids
from folkmoot.store import rows, search
from folkmoot.store import schema as s
from folkmoot.store.db import Statement, Store, Tx

_CHUNK = 1000
_BEGAN = 1_700_000_000  # the first post's time; each is a second after the one before


def fill(settings: Settings, conversations: int, posts_each: int) -> list[str]:
    """Bring a database to the schema, seed it, and add conversations with one thread of so many posts each.

    Returns the ids of the threads on the wire.
    """
    _same_tenant(settings)
    with contextlib.closing(open_store(settings)) as store:
        asyncio.run(lab.seed(store, settings))
        made = [store.ids.new(_BEGAN + number) for number in range(conversations)]
        total = conversations * posts_each
        _add(store, rows.ADD_CONVERSATION, [_conversation(id, total) for id in made])
        _add(store, rows.ADD_THREAD, [_thread(id, total) for id in made])
        for start in range(0, total, _CHUNK):
            numbers = range(start, min(start + _CHUNK, total))
            posts = [_post(store, made[number // posts_each], number) for number in numbers]
            _add(store, rows.ADD_POST, posts)
            _index(store, posts)
        ours = s.sequences.c.group_id == tenant.GROUP
        advance = Statement(s.sequences.update().where(ours).values(seq=total, changed_at=0))
        store.write_here(lambda tx: tx.run(advance))
        return [ids.thread_id(tenant.GROUP, id, id) for id in made]


def _same_tenant(settings: Settings) -> None:
    group, person = lab.GROUPS[0], lab.PEOPLE[0]
    assert (group.id, group.name) == (tenant.GROUP, tenant.GROUP_NAME)
    assert f"{group.nick}@{settings.domain}" == tenant.GROUP_ADDRESS
    assert (person.id, person.name) == (tenant.PERSON, tenant.PERSON_NAME)
    assert f"{person.nick}@{settings.domain}" == tenant.PERSON_ADDRESS


def _add(store: Store, statement: Statement, values: list[dict[str, Any]]) -> None:
    for start in range(0, len(values), _CHUNK):
        some = values[start : start + _CHUNK]

        def add(tx: Tx, some: list[dict[str, Any]] = some) -> None:
            for each in some:
                tx.run(statement, **each)

        store.write_here(add)


def _index(store: Store, posts: list[dict[str, Any]]) -> None:
    def add(tx: Tx) -> None:
        for post in posts:
            search.add(
                tx,
                group=tenant.GROUP,
                conversation=post["conversation_id"],
                thread=post["thread_id"],
                post=post["id"],
                topics=(tenant.TOPIC, tenant.TOPIC),
                authors=(tenant.PERSON_NAME, tenant.PERSON_ADDRESS),
                body=search.body_words(post["content_type"], post["content"]),
                attached=False,
                version=post["version"],
            )

    store.write_here(add)


def _summary(last: int) -> dict[str, Any]:
    return {
        "group_id": tenant.GROUP,
        "topic": tenant.TOPIC,
        "has_attachments": False,
        "last_delivered_at": _BEGAN + last,
        "unique_senders": msgspec.json.encode([tenant.PERSON_NAME]).decode(),
        "preview": tenant.PREVIEW,
        "created_at": _BEGAN,
    }


def _conversation(id: str, last: int) -> dict[str, Any]:
    return {**_summary(last), "id": id}


def _thread(id: str, last: int) -> dict[str, Any]:
    to = [{"emailAddress": {"name": tenant.GROUP_NAME, "address": tenant.GROUP_ADDRESS}}]
    return {
        **_summary(last),
        "id": id,
        "conversation_id": id,
        "is_locked": False,
        "to_recipients": msgspec.json.encode(to).decode(),
        "cc_recipients": "[]",
        "started_by": tenant.PERSON,
    }


def _post(store: Store, thread: str, number: int) -> dict[str, Any]:
    at = _BEGAN + number
    return {
        "group_id": tenant.GROUP,
        "id": store.ids.new(at),
        "conversation_id": thread,
        "thread_id": thread,
        "in_reply_to": None,
        "author": tenant.PERSON,
        "from_name": tenant.PERSON_NAME,
        "from_address": tenant.PERSON_ADDRESS,
        "sender_name": tenant.PERSON_NAME,
        "sender_address": tenant.PERSON_ADDRESS,
        "content_type": "html",
        "content": tenant.content(number),
        "new_participants": "[]",
        "categories": "[]",
        "has_attachments": False,
        "received_at": at,
        "created_at": at,
        "modified_at": at,
        "version": number + 1,
    }
