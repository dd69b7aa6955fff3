"""What is to be filled in, decided before anything is written: groups, who is in them, and blocks of posts.

A block is what one group hears in a stretch of time. Everything in it follows from the seed and its number, and the
numbers that its changes will have are known, so blocks are made by several processes and written in their order, and
the number of a group's last change says how many of its blocks are there.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate
from random import Random
from typing import Final
from uuid import NAMESPACE_DNS, uuid5

import msgspec

from folkmoot import lab
from folkmoot.filling import phrases
from folkmoot.refusals import Refusal

# When the last post is made, and how long before that the first: 2026-01-01, and about three years.
UNTIL: Final = 1_767_225_600
SPAN: Final = 1_000 * 86_400

LONGEST: Final = 200  # posts in a thread, but for the one that is asked for
TOGETHER: Final = 1_000  # posts in a block, about
CHANGES: Final = 3  # that each post makes, attachments aside
_HOT_POSTS = 2  # in each thread of the hot group, on average
_MEMBERS = 60  # the most that a group has


class Unfit(Refusal):
    """What is asked for does not go together."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to have. The same wish gives the same rows; another has groups of its own."""

    posts: int
    seed: int = 1
    groups: int | None = None
    """How many; None: as fits the posts."""
    hot_threads: int = 0
    """At least so many threads are in the first group, beside its share."""
    long_thread: int = 0
    """So many posts are in one thread of the first group."""
    people: int | None = None
    """How many besides those of the lab; None: as fits the posts."""


class Member(msgspec.Struct, frozen=True):
    """Somebody who posts."""

    id: str
    name: str
    address: str


class Group(msgspec.Struct, frozen=True):
    """A group that is filled; it was made at `created_at` by its first member, who owns it."""

    number: int
    id: str
    nick: str
    name: str
    mail: str
    visibility: str
    language: int
    members: tuple[Member, ...]
    created_at: int


class Block(msgspec.Struct, frozen=True):
    """Posts of one group between two times, and how many each conversation has.

    `head` is the number of the group's last change before, `number` the block's place in the group. `part` is not None
    for a piece of the long thread, which began at `began`: how many of that thread's posts come before.
    """

    group: int
    number: int
    sizes: tuple[int, ...]
    start: int
    end: int
    head: int
    part: int | None = None
    began: int = 0

    @property
    def posts(self) -> int:
        """How many there are."""
        return sum(self.sizes)

    @property
    def next_head(self) -> int:
        """The number of the group's last change when this is there."""
        return self.head + sum(CHANGES + attachments_of(post) for post in range(self.posts))


class Plan:
    """Everything about a wish in a tenant. Raises `Unfit`."""

    def __init__(self, wish: Wish, domain: str) -> None:
        if wish.posts < 1:
            raise Unfit("--posts must be 1 or more.")
        taken = wish.hot_threads * _HOT_POSTS + wish.long_thread
        if taken > wish.posts:
            raise Unfit(f"The hot group and the long thread take {taken:,} posts, which is more than --posts.")
        count = wish.groups if wish.groups is not None else max(3, int(wish.posts**0.5 / 2))
        if count < 1:
            raise Unfit("--groups must be 1 or more.")
        self.wish = wish
        self.mark = uuid5(NAMESPACE_DNS, f"{msgspec.json.encode(wish).decode()} {domain}.lab.folkmoot").hex
        self.people = self._people(domain)
        known = [Member(p.id, p.name, f"{p.nick}@{domain}") for p in lab.PEOPLE if not (p.guest or p.admin)]
        self.groups = [self._group(number, known, domain) for number in range(count)]
        self._shares = self._shared(wish.posts - taken, count)

    def dice(self, *what: object) -> Random:
        """Chance for something in this plan, always the same."""
        return Random(f"{self.mark} {what}")  # noqa: S311  (made-up text)

    def long_id(self, part: Block) -> str:
        """The id of the long thread, from any of its parts."""
        text = f"{part.began * 1000:012x}"
        return f"{text[:8]}-{text[8:]}-7000-8000-{self.mark[:12]}"

    def _people(self, domain: str) -> list[Member]:
        wish, found = self.wish, []
        count = wish.people if wish.people is not None else min(2_000, max(20, wish.posts // 500))
        for number in range(count):
            dice = Random(f"{wish.seed} person {number}")  # noqa: S311  (made-up names)
            first, last = dice.choice(phrases.FIRST_NAMES), dice.choice(phrases.LAST_NAMES)
            id = str(uuid5(NAMESPACE_DNS, f"{wish.seed} person {number} {domain}.lab.folkmoot"))
            found.append(Member(id, f"{first} {last}", f"person-{wish.seed}-{number}@{domain}"))
        return found

    def _group(self, number: int, known: list[Member], domain: str) -> Group:
        dice = self.dice("group", number)
        name = " ".join(dice.choice(part) for part in phrases.GROUP_NAMES)
        nick = f"{name.replace(' ', '-')}-{self.mark[:6]}-{number}".lower()
        size = min(_MEMBERS, int(4 / (1 - dice.random()) ** 0.9))
        # The first of the lab are in the first groups, so that somebody whose token is easily had sees much.
        members = [*known[:1], *dice.sample(known[1:], 3)] if number % 3 == 0 else dice.sample(known[1:], 2)
        members += dice.sample(self.people, min(size, len(self.people)))
        weights = [*accumulate(weight for _, weight in phrases.LANGUAGES)]
        return Group(
            number=number,
            id=str(uuid5(NAMESPACE_DNS, f"group {number} of {self.mark}.lab.folkmoot")),
            nick=nick,
            name=f"{name} {number}" if number else name,
            mail=f"{nick}@{domain}",
            visibility="Public" if number == 0 or dice.random() < 0.6 else "Private",
            language=0 if number == 0 else bisect(weights, dice.random() * weights[-1]),
            members=tuple(members),
            created_at=UNTIL - SPAN + number % 86_400,
        )

    @staticmethod
    def _shared(posts: int, count: int) -> list[int]:
        """So many posts for each group, by a power law."""
        weights = [1 / (number + 1) ** 0.9 for number in range(count)]
        ends = [round(posts * at / sum(weights)) for at in accumulate(weights)]
        return [end - start for start, end in zip([0, *ends], ends, strict=False)]

    def blocks_of(self, group: Group) -> list[Block]:
        """The blocks of one group, in the order of time."""
        dice, wish = self.dice("sizes", group.number), self.wish
        sizes: list[tuple[int, ...]] = []
        some: list[int] = []

        def take(size: int) -> None:
            some.append(size)
            if sum(some) >= TOGETHER:
                sizes.append(tuple(some))
                some.clear()

        if group.number == 0 and wish.hot_threads:
            # One to three posts, in no order; together as many as were set aside.
            short = [1, 2, 3, 2] * (wish.hot_threads // 4) + [_HOT_POSTS] * (wish.hot_threads % 4)
            dice.shuffle(short)
            for at in range(0, len(short), TOGETHER // _HOT_POSTS):
                sizes.append(tuple(short[at : at + TOGETHER // _HOT_POSTS]))
        left = self._shares[group.number]
        while left:
            size = min(left, LONGEST, int(1 / (1 - dice.random()) ** 0.9))
            left -= size
            take(size)
        if some:
            sizes.append(tuple(some))
        parts: list[int | None] = [None] * len(sizes)
        if group.number == 0:
            for before in range(0, wish.long_thread, TOGETHER):
                sizes.append((min(TOGETHER, wish.long_thread - before),))
                parts.append(before)
        found: list[Block] = []
        begin, head = group.created_at + 86_400, 1
        each = (UNTIL - begin) // max(1, len(sizes))
        began = begin + each * (len(sizes) - sum(part is not None for part in parts))
        for number, (in_block, part) in enumerate(zip(sizes, parts, strict=True)):
            start = begin + number * each
            found.append(Block(group.number, number, in_block, start, start + each, head, part, began))
            head = found[-1].next_head
        return found

    def blocks(self) -> Iterator[Block]:
        """Every block, those of a group in their order, groups in turn as time goes."""
        of_groups = [self.blocks_of(group) for group in self.groups]
        yield from sorted((block for blocks in of_groups for block in blocks), key=lambda block: block.start)


def attachments_of(post: int) -> int:
    """How many attachments the post with this number in its block has."""
    if post % 240 == 113:
        return 2
    return 1 if post % 24 == 7 else 0
