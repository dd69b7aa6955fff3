"""The rows of a block: to the letter what the verbs of `ops` would write, had each post been posted at its time.

A test does just that and compares. Doing so here would cost three times as much, and a million posts are wanted soon.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from random import Random
from typing import Any, Final

import msgspec

from folkmoot.filling import phrases
from folkmoot.filling.plan import Block, Group, Member, Plan, attachments_of
from folkmoot.filling.text import Body, Writer
from folkmoot.model import EmailAddress, Recipient
from folkmoot.ops import posts
from folkmoot.store import extensions, search
from folkmoot.store.attachments import PART
from folkmoot.store.db import Dialect

Row = tuple[Any, ...]

EXTENSION: Final = "com.example.ticket"
PROPERTY: Final = "String {66f5a359-4659-4830-9070-00047ec6ac6e} Name Ticket"

# The columns of the rows, in this order. Every table here, parents first, has all of its columns. On SQLite the number
# of a row of `post_words` stands before them.
COLUMNS: Final = {
    "conversations": (
        *("group_id", "id", "topic", "has_attachments", "last_delivered_at", "unique_senders", "preview"),
        "created_at",
    ),
    "threads": (
        *("group_id", "id", "conversation_id", "topic", "has_attachments", "last_delivered_at", "unique_senders"),
        *("preview", "is_locked", "to_recipients", "cc_recipients", "started_by", "created_at"),
    ),
    "posts": (
        *("group_id", "id", "conversation_id", "thread_id", "in_reply_to", "author", "from_name", "from_address"),
        *("sender_name", "sender_address", "content_type", "content", "new_participants", "categories"),
        *("has_attachments", "received_at", "created_at", "modified_at", "version"),
    ),
    "attachments": (
        *("group_id", "id", "post_id", "thread_id", "conversation_id", "kind", "name", "content_type", "size"),
        *("is_inline", "content_id", "content_location", "link", "modified_at"),
    ),
    "blobs": ("group_id", "blob_id", "at", "post_id", "data"),
    "extensions": ("group_id", "post_id", "folded", "id", "name", "data"),
    "single_values": ("group_id", "post_id", "key", "thread_id", "given", "value", "start", "whole", "number"),
    "post_words": ("conversation_id", "thread_id", "post_id", "words", "group_id"),
    "changes": ("group_id", "seq", "at", "kind", "noun", "item", "by", "parent"),
}

# The smallest picture there is: GIF, one dot.
_DOT = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
_CATEGORIES = ('["Red category"]', '["Blue category","Follow up"]')


class Told(msgspec.Struct):
    """What a thread or a conversation tells of its posts."""

    id: str
    names: dict[str, None]
    has_attachments: bool = False
    last: int = 0
    preview: str = ""

    def deliver(self, name: str, has_attachments: bool, at: int, preview: str) -> None:
        """One post more."""
        self.names[name] = None
        self.has_attachments = self.has_attachments or has_attachments
        self.last = at
        self.preview = preview


class Made(msgspec.Struct):
    """A block's rows by table. `goes_on` is what a part of the long thread adds to its thread and conversation."""

    group: str
    head: int
    next_head: int
    changed_at: int
    posts: int
    rows: dict[str, list[Row]]
    goes_on: Told | None
    joining: str = "[]"


class _Thread(msgspec.Struct):
    """A thread that is being made. `conversation` may hold an earlier one."""

    conversation: _Conversation
    told: Told
    topic: str
    writer: Writer
    left: int
    started_by: str = ""
    created_at: int = 0
    to: str = "[]"
    cc: str = "[]"
    posts: list[str] = []


class _Conversation(msgspec.Struct):
    told: Told
    topic: str
    created_at: int = 0
    threads: list[_Thread] = []


class Maker:
    """Makes the rows of a plan's blocks, for one dialect. What it learns of the language it keeps."""

    def __init__(self, plan: Plan, dialect: Dialect) -> None:
        self._plan = plan
        self._dialect: Dialect = dialect
        self._writer = lru_cache(maxsize=None)(lambda number: Writer(plan.wish.seed, number))

    def made(self, block: Block) -> Made:
        """The rows of `block`."""
        return _Block(self._plan, block, self._dialect, self._writer).made()


class _Block:
    def __init__(self, plan: Plan, block: Block, dialect: Dialect, writer: Any) -> None:
        self._plan = plan
        self._block = block
        self._dialect: Dialect = dialect
        self._writer = writer
        self._group: Group = plan.groups[block.group]
        self._dice: Random = plan.dice("block", block.group, block.number)
        self._rows: dict[str, list[Row]] = {name: [] for name in COLUMNS}
        self._seq = block.head
        self._tick = 0
        self._joining: list[Recipient] = []

    def made(self) -> Made:
        block = self._block
        at = block.start
        conversations: list[_Conversation] = []
        goes_on = None
        for number, (at, thread) in enumerate(self._events()):
            if not thread.posts and thread.conversation.created_at == 0:
                conversations.append(thread.conversation)
            self._post(number, at, thread)
        if block.part:
            goes_on = conversations.pop().threads[0].told
        for conversation in conversations:
            self._close(conversation)
        return Made(
            group=self._group.id,
            head=block.head,
            next_head=self._seq,
            changed_at=at,
            posts=block.posts,
            rows=self._rows,
            goes_on=goes_on,
            joining=posts.with_participants("[]", tuple(self._joining)),
        )

    # ── when what is said ────────────────────────────────────────────────────────────────────────────────────────────

    def _events(self) -> Iterator[tuple[int, _Thread]]:
        """When somebody posts, and where, in the order of time."""
        block, dice = self._block, self._dice
        length = block.end - block.start - 1
        found: list[tuple[int, int, int, _Thread]] = []
        if block.part is not None:
            dice = self._plan.dice("long")  # of which every part says the same
        for number, size in enumerate(block.sizes):
            topic = self._writer_of(dice).topic(dice)
            conversation = _Conversation(Told("", {}), topic)
            first = block.start + (0 if block.part is not None else int(length * dice.random() * 0.7))
            # Some conversations have a thread that is about something else.
            split = size // 2 if size >= 6 and block.part is None and dice.random() < 0.15 else size
            moments = sorted(first + int((block.end - first) * dice.random()) for _ in range(size - 1))
            times = [first, *moments]
            for begin, end in ((0, split), (split, size)):
                if begin == end:
                    continue
                writer = self._writer_of(dice)
                about = topic if begin == 0 or dice.random() < 0.3 else writer.topic(dice)
                thread = _Thread(conversation, Told("", {}), about, writer, end - begin)
                found += [(at, number, place, thread) for place, at in enumerate(times[begin:end], begin)]
        found.sort(key=lambda each: each[:3])
        return ((at, thread) for at, _, _, thread in found)

    def _writer_of(self, dice: Random) -> Writer:
        other = dice.random() < 0.1
        found: Writer = self._writer(dice.randrange(len(phrases.LANGUAGES)) if other else self._group.language)
        return found

    # ── one post ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _id(self, at: int) -> str:
        """A UUID of version 7, as `store.ids` makes them, later than the ones before."""
        self._tick = tick = max(at * 1000 << 12, self._tick + 1)
        text = f"{tick >> 12:012x}7{tick & 0xFFF:03x}{self._dice.getrandbits(62) | 0x8000_0000_0000_0000:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def _post(self, number: int, at: int, thread: _Thread) -> None:
        dice, group, block = self._dice, self._group, self._block
        conversation = thread.conversation
        member = group.members[int(len(group.members) * dice.random() ** 2)]
        if block.part:
            begins = opens = False
            thread.told.id = conversation.told.id = self._plan.long_id(self._block)
            conversation.created_at = at
            if not conversation.threads:
                conversation.threads = [thread]
        else:
            begins = not conversation.threads
            opens = not thread.told.id
        if opens:
            self._open(at, thread, member, begins=begins)
        post = self._id(at)
        body: Body = thread.writer.body(dice, member.name.partition(" ")[0], self._seq)
        count = attachments_of(number)
        # A picture in the text counts as none.
        inline = count == 1 and number % 5 == 0
        has = count > 0 and not inline
        joining = "[]"
        if number % 37 == 5:
            joined = _stranger(dice)
            joining = msgspec.json.encode([joined]).decode()
            thread.to = posts.with_participants(thread.to, (joined,))
            if block.part:
                self._joining.append(joined)
        seq, rows, g, c, t = self._seq, self._rows, group.id, conversation.told.id, thread.told.id
        in_reply_to = thread.posts[-1] if thread.posts and number % 6 == 1 else None
        categories = _CATEGORIES[number % 2] if number % 31 == 3 else "[]"
        name, address = member.name, member.address
        rows["posts"].append(
            (
                g,
                post,
                c,
                t,
                in_reply_to,
                member.id,
                name,
                address,
                name,
                address,
                body.content_type,
                body.content,
                joining,
                categories,
                has,
                at,
                at,
                at,
                seq + 1,
            )
        )
        if number % 29 == 3:
            data = f'{{"number":{seq},"state":"{"open" if number % 2 else "closed"}"}}'
            rows["extensions"].append((g, post, EXTENSION, self._id(at), EXTENSION, data))
        if number % 17 == 4:
            value = str(seq % 1000)
            rows["single_values"].append(
                (g, post, PROPERTY, t, PROPERTY, value, extensions.start_of(value), int(value), float(value))
            )
        words = search.indexed(
            self._dialect,
            group=g,
            conversation=c,
            thread=t,
            post=post,
            topics=(thread.topic, conversation.topic),
            authors=(name, address, name, address),
            body=body.words,
            attached=has,
            version=seq + 1,
        )
        row = (c, t, post, words["words"], g)
        rows["post_words"].append((words["number"], *row) if self._dialect == "sqlite" else row)
        thread.told.deliver(name, has, at, body.preview)
        if opens and not begins:
            # What `threads.restate` sums up: the names of the threads in the order of their ids.
            names = {name: None for each in conversation.threads for name in each.told.names}
            conversation.told.names = names
        conversation.told.deliver(name, has, at, body.preview)
        thread.posts.append(post)
        by = member.id
        rows["changes"] += (
            (g, seq + 1, at, "created", "post", post, by, t),
            (g, seq + 2, at, "created" if opens else "updated", "thread", t, by, c),
            (g, seq + 3, at, "created" if begins else "updated", "conversation", c, by, None),
        )
        self._seq = seq + 3
        for each in range(count):
            self._attach(at, thread, post, by, body, each, inline)

    def _open(self, at: int, thread: _Thread, member: Member, *, begins: bool) -> None:
        conversation = thread.conversation
        thread.told.id = self._plan.long_id(self._block) if self._block.part == 0 else self._id(at)
        thread.started_by, thread.created_at = member.id, at
        if begins:
            # As `conversations.start` has it, the first thread shares the conversation's id.
            conversation.told.id, conversation.created_at = thread.told.id, at
        conversation.threads = [*conversation.threads, thread]
        strangers = (_stranger(self._dice),) if self._dice.random() < 0.1 else ()
        itself = Recipient(EmailAddress(self._group.name, self._group.mail))
        thread.to = posts.with_participants("[]", (itself, *strangers))
        if self._dice.random() < 0.03:
            thread.cc = posts.with_participants("[]", (_stranger(self._dice),))

    def _attach(self, at: int, thread: _Thread, post: str, by: str, body: Body, number: int, inline: bool) -> None:
        dice, g, t, c = self._dice, self._group.id, thread.told.id, thread.conversation.told.id
        id = self._id(at)
        content: bytes = b""
        link = content_id = None
        if inline:
            kind, name, content_type, content, content_id = "file", "dot.gif", "image/gif", _DOT, f"dot{self._seq}"
        elif number == 1:
            kind, name, content_type = "reference", f"Folder {self._seq}", None
            link = f'{{"sourceUrl":"https://files.example/{self._seq}","isFolder":true}}'
        else:
            kind, name = "file", dice.choice(phrases.FILES)
            content_type = "text/csv" if name.endswith("csv") else "text/plain"
            content = (body.preview.encode() + b"\n") * dice.randrange(1, 24)
        size = len(content) or len((link or "").encode())
        self._rows["attachments"].append(
            (g, id, post, t, c, kind, name, content_type, size, inline, content_id, None, link, at)
        )
        assert len(content) <= PART  # noqa: S101
        if content:
            self._rows["blobs"].append((g, id, 0, post, content))
        self._seq += 1
        self._rows["changes"].append((g, self._seq, at, "created", "attachment", id, by, post))

    def _close(self, conversation: _Conversation) -> None:
        g, told = self._group.id, conversation.told
        self._rows["conversations"].append((g, told.id, conversation.topic, *_summary(told), conversation.created_at))
        for thread in conversation.threads:
            self._rows["threads"].append(
                (
                    *(g, thread.told.id, told.id, thread.topic, *_summary(thread.told), False, thread.to, thread.cc),
                    *(thread.started_by, thread.created_at),
                )
            )


def _summary(told: Told) -> Row:
    return told.has_attachments, told.last, posts.names(*told.names), told.preview


def _stranger(dice: Random) -> Recipient:
    first, last = dice.choice(phrases.FIRST_NAMES), dice.choice(phrases.LAST_NAMES)
    return Recipient(EmailAddress(f"{first} {last}", f"customer{dice.randrange(9_000)}@example.org"))
