"""How much one application, one caller or one group may ask for: the cloud's numbers, or the operator's own.

Each process counts for itself, from the moment it starts. Source: Microsoft Graph service-specific throttling limits
(Outlook, open extensions, global limits); what each number is counted by is said in `NAMES`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

import msgspec

from folkmoot.model import Caller, Profile
from folkmoot.refusals import Refusal, Throttled, TooManyAtOnce

# Counters that are kept at most; beyond it those that counted least are forgotten: inventing ids fills no memory.
MOST_COUNTERS = 50_000

# What a number bounds, in the words that a caller who may hear it is told.
NAMES: Mapping[str, str] = {
    "application": "requests of one application",
    "caller": "requests of one person through one application, or of an application by itself",
    "group": "requests to one group by everybody",
    "mailbox": "requests of one application to the conversations of one group",
    "concurrent": "requests of one application to the conversations of one group at the same time",
    "upload": "bytes that one application sends to the conversations of one group",
    "extensions": "requests of one application about open extensions",
}


class Rate(msgspec.Struct, frozen=True):
    """So many (requests, or bytes) within so many seconds."""

    amount: int
    seconds: int


class Limits(msgspec.Struct, frozen=True):
    """The numbers for applications of one profile; None is no limit. See `NAMES`."""

    application: Rate | None = None
    caller: Rate | None = None
    group: Rate | None = None
    mailbox: Rate | None = None
    concurrent: int | None = None
    upload: Rate | None = None
    extensions: Rate | None = None


OFF = Limits()
# The service knows users' and groups' mailboxes; here, only groups have one.
CLOUD = Limits(
    application=Rate(2_000, 1),
    mailbox=Rate(10_000, 600),
    concurrent=4,
    upload=Rate(150 * 1024 * 1024, 300),
    extensions=Rate(455, 10),
)
_RATE = re.compile(r"(\d{1,15})/(\d{1,5})")


class LimitWrong(Refusal):
    """A limit is not one."""


def parse_limits(text: str) -> Limits:
    """`cloud`, `off`, or own numbers: `mailbox=20000/600 concurrent=8`, a rate being an amount and its seconds.

    Raises `LimitWrong`, whose `target` is the name that is wrong.
    """
    if text.strip() in ("cloud", "off"):
        return CLOUD if text.strip() == "cloud" else OFF
    found: dict[str, Rate | int] = {}
    for part in text.replace(",", " ").split():
        name, _, number = part.partition("=")
        if name not in NAMES:
            raise LimitWrong(f"'{name}' is no limit: say cloud, off, or numbers for {', '.join(NAMES)}.", target=name)
        if name == "concurrent":
            if not number.isdigit() or not 0 < int(number) < 10**6:
                raise LimitWrong(f"'{part}' must be a number of requests, as in concurrent=4.", target=name)
            found[name] = int(number)
            continue
        rate = _RATE.fullmatch(number)
        if rate is None or not int(rate[1]) or not int(rate[2]):
            raise LimitWrong(f"'{part}' must be an amount and its seconds, as in {name}=10000/600.", target=name)
        found[name] = Rate(int(rate[1]), int(rate[2]))
    if not found:
        raise LimitWrong(f"Say cloud, off, or numbers for {', '.join(NAMES)}.", target="")
    return msgspec.convert(found, Limits)


class _Count(msgspec.Struct):
    """How much came until `ends`, in seconds since the epoch."""

    ends: float
    amount: int


class Throttle:
    """Counts what callers ask for, and refuses what is too much before anything is done for it."""

    def __init__(self, limits: Mapping[Profile, Limits], clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._counts: dict[tuple[str, ...], _Count] = {}
        self._under_way: dict[tuple[str, str], int] = {}

    def counts(self, caller: Caller) -> bool:
        """Whether there is anything to be counted of a caller."""
        return self._limits[caller.profile] is not OFF

    def admit(self, caller: Caller, address: str, group: str | None, *, content: bool) -> tuple[str, str] | None:
        """Count a request; `content` says that it is about the conversations of `group`, or what is in them.

        Gives what `leave` must be told when it has been answered, or None. Raises `Throttled`.
        """
        limits = self._limits[caller.profile]
        if limits is OFF:
            return None
        application = caller.application
        mailbox = (application, group) if group is not None and content else None
        if limits.concurrent is not None and mailbox is not None:
            under_way = self._under_way.get(mailbox, 0)
            if under_way >= limits.concurrent:
                raise TooManyAtOnce(detail=f"The limit is {limits.concurrent} {NAMES['concurrent']}.")
        if limits.application is not None:
            self._count("application", limits.application, (application,))
        if limits.caller is not None:
            self._count("caller", limits.caller, (application, caller.oid))
        if limits.group is not None and group is not None:
            self._count("group", limits.group, (group,))
        if limits.mailbox is not None and mailbox is not None:
            self._count("mailbox", limits.mailbox, mailbox)
        if limits.extensions is not None and "/extensions" in address:
            self._count("extensions", limits.extensions, (application,))
        if limits.concurrent is None or mailbox is None:
            return None
        self._under_way[mailbox] = self._under_way.get(mailbox, 0) + 1
        return mailbox

    def at_once(self, caller: Caller) -> int | None:
        """How many requests to the conversations of one group a caller may have under way; None is no limit."""
        return self._limits[caller.profile].concurrent

    def leave(self, mailbox: tuple[str, str]) -> None:
        """A request that was admitted has been answered."""
        left = self._under_way[mailbox] - 1
        if left:
            self._under_way[mailbox] = left
        else:
            del self._under_way[mailbox]

    def sent(self, caller: Caller, group: str, size: int) -> None:
        """Count the bytes of a body about the conversations of `group`. Raises `Throttled`."""
        limit = self._limits[caller.profile].upload
        if limit is not None:
            self._count("upload", limit, (caller.application, group), size)

    def _count(self, name: str, rate: Rate, key: tuple[str, ...], amount: int = 1) -> None:
        now = self._clock()
        counted = self._counts.get((name, *key))
        # A clock that was set back must not leave anybody waiting for longer than the limit's own time.
        if counted is None or not now < counted.ends <= now + rate.seconds:
            self._forget(now)
            counted = self._counts[(name, *key)] = _Count(now + rate.seconds, 0)
        # One body larger than the whole limit is let through once, rather than never.
        if counted.amount and counted.amount + amount > rate.amount:
            seconds = max(1, math.ceil(counted.ends - now))
            said = f"The limit is {rate.amount} {NAMES[name]} within {rate.seconds} seconds."
            raise Throttled(seconds=seconds, detail=said)
        counted.amount += amount

    def _forget(self, now: float) -> None:
        if len(self._counts) < MOST_COUNTERS:
            return
        self._counts = {key: each for key, each in self._counts.items() if each.ends > now}
        least = sorted(self._counts, key=lambda key: self._counts[key].amount)
        for key in least[: max(0, len(least) - MOST_COUNTERS // 2)]:
            del self._counts[key]
