"""Delta of groups and users: pages of what is there, then of what changed, each round ending in a link to the next.

A token says where in the log of the directory the client stands, and what it asked for; what it is sent is the present
state of what changed since, so an item may come again but none is missed. Source: Microsoft Graph, delta query overview
and the pages group-delta and user-delta.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from folkmoot.graph import clauses, delta, ids
from folkmoot.graph.call import Call
from folkmoot.graph.delta import LARGEST_PAGE, PAGE, removed
from folkmoot.graph.envelope import Answer
from folkmoot.graph.feeds import FEEDS
from folkmoot.graph.read import listed
from folkmoot.graph.reads import Read
from folkmoot.odata.edm import Edm
from folkmoot.odata.expr import Binary, Expr, Literal, Path
from folkmoot.odata.query import Options, parse_select
from folkmoot.refusals import BadClause, SyncStateGone
from folkmoot.store import directory_log, everywhere
from folkmoot.store.db import Snapshot
from folkmoot.store.directory_log import Kind

MAX_IDS = 50
# Members and owners in one page; of a group that has more, the rest comes with the next page.
MEMBERS_IN_PAGE = 1000

_BEFORE_ALL = "00000000-0000-0000-0000-000000000000"
_ROLES = ("member", "owner")
_COMES_AND_GOES = {"created", "deleted", "restored", "purged"}
# What of a person decides what the person may see: when it changes, everything may have.
_POWERS = {"accountEnabled", "userType", "isAdmin", "deleted", "restored"}
_ONLY_ID = Options(select=("id",), texts=(("$select", "id"),))
_TYPES = (str, int, int, int, str, str, str, str)


class State(msgspec.Struct, frozen=True, array_like=True):
    """Where a client stands.

    `mode`: "list" (paging through all), "changes" (through the changes after `since` up to `high`) or "done" (a delta
    link: it knows all up to `high`). `at` is when `high` was read, in seconds. `select` and `only` (ids with commas)
    are what it asked for in its first request. `after` is the last id that it has, `within` the place in the one after.
    """

    mode: str
    since: int
    high: int
    at: int
    select: str | None
    only: str | None
    after: str
    within: str | None


@dataclass(frozen=True, slots=True)
class DirectoryDelta(Read):
    """A round of delta over the collection `feed`, "groups" or "users"."""

    def __call__(self, snapshot: Snapshot, call: Call) -> Answer:
        scope = self.scope(snapshot, call)
        return Answer(200, _Round(snapshot, call, "group" if self.feed == "groups" else "user", scope).answer())

    def quick(self, call: Call) -> bool:
        return False


class _Round:
    """One request in the making."""

    def __init__(self, snapshot: Snapshot, call: Call, kind: Kind, scope: dict[str, Any]) -> None:
        self.snapshot = snapshot
        self.call = call
        self.kind: Kind = kind
        self.scope = {**scope, "g": "", "me": call.caller.oid}
        self.name = f"{kind}s"
        self.url = f"{call.road.root}/{self.name}/delta"
        person = None if call.caller.kind == "app" else everywhere.person(snapshot, call.caller.oid)
        self.sees_all = call.caller.kind == "app" or (person is not None and person.admin)
        self.sees_public = person is not None and not person.guest
        self.state = self._state()
        select = self.state.select
        self.select = None if select is None else parse_select(select)
        self.options = Options() if select is None else Options(select=self.select, texts=(("$select", select),))
        chosen = clauses.selected(FEEDS[self.name], self.options)
        named = {name.lower() for name in self.select or ()}
        roles = _ROLES if kind == "group" else ()
        self.roles = tuple(role for role in roles if self.select is None or f"{role}s" in named)
        # The aspects that count as a change; None: all.
        self.counts = None if chosen is None else {*chosen, *_COMES_AND_GOES, *self.roles}
        self._mine: set[str] | None = None
        self._left = MEMBERS_IN_PAGE

    # ── where the client stands ──────────────────────────────────────────────────────────────────────────────────────

    def _state(self) -> State:
        options, now = self.call.options, self.snapshot.now
        token = options.deltatoken
        delta.check_options(options, ("$select", "$filter"), "$select and $filter by id are")
        if options.skiptoken is not None:
            state = self._read(options.skiptoken, "$skiptoken", ("list", "changes"))
        elif token and not delta.begins(options):
            known = self._read(token, "$deltatoken", ("done",))
            state = State(
                "changes", known.high, directory_log.head(self.snapshot), now, known.select, known.only, "", None
            )
        else:
            only = None if options.filter is None else ",".join(_ids(options.filter))
            select = dict(options.texts).get("$select")
            high = directory_log.head(self.snapshot)
            return State("done" if token else "list", 0, high, now, select, only, _BEFORE_ALL, None)
        if self.call.caller.kind == "person":
            since = state.since if state.mode == "changes" else state.high
            high = directory_log.head(self.snapshot)
            mine = directory_log.of_object(self.snapshot, "user", self.call.caller.oid, since, high)
            if any(aspect in _POWERS for aspect, _ in mine):
                raise self._gone(state)
        return state

    def _read(self, text: str, target: str, modes: Iterable[str]) -> State:
        state = delta.read(State, text, f"delta {self.kind}", _TYPES, target, self.name)
        if state.mode not in modes or None in (state.since, state.high, state.at, state.after):
            raise delta.foreign(target, self.name)
        only = (state.only or "").split(",")
        if (state.after and ids.guid(state.after) is None) or (state.only and not all(map(ids.guid, only))):
            raise BadClause(f"{target} is damaged; start over without it.", target=target)
        old = self.snapshot.now - state.at > directory_log.TOKEN_SECONDS
        # Otherwise the database is an older one, from a backup.
        if old or not directory_log.follows(self.snapshot, state.high):
            raise self._gone(state)
        return state

    def _gone(self, state: State) -> SyncStateGone:
        first = [] if state.select is None else [("$select", state.select)]
        if state.only:
            first.append(("$filter", " or ".join(f"id eq '{id}'" for id in state.only.split(","))))
        return delta.gone(self.url, first)

    # ── what is answered ─────────────────────────────────────────────────────────────────────────────────────────────

    def answer(self) -> dict[str, Any]:
        """The page, with the link that goes on."""
        size = delta.preferred_size(self.call.prefer) or PAGE
        state = self.state
        found: list[dict[str, Any]] = []
        rest: State | None = None
        if state.mode == "list":
            found, rest = self._listed(size)
        elif state.mode == "changes":
            found, rest = self._changed(size)
        context = f"{self.call.road.root}/$metadata#{self.name}"
        if self.select:
            context += f"({','.join(self.select)})"
        shape = f"delta {self.kind}"
        more = None if rest is None else delta.token(rest, shape)
        done = msgspec.structs.replace(state, mode="done", since=0, after="", within=None)
        return delta.sent(context, self.url, found, more=more, done=delta.token(done, shape))

    def _rows(self, feed: str, options: Options, size: int, **scope: Any) -> tuple[list[dict[str, Any]], str | None]:
        return listed(
            self.snapshot, FEEDS[feed], options, {**self.scope, **scope}, self.call.road, self.call.caller, size
        )

    def _some(self, feed: str, options: Options, wanted: Iterable[str], **scope: Any) -> dict[str, dict[str, Any]]:
        """The items of a feed among some ids, by id."""
        found: dict[str, dict[str, Any]] = {}
        all_of_them = list(wanted)
        for start in range(0, len(all_of_them), LARGEST_PAGE):
            some = all_of_them[start : start + LARGEST_PAGE]
            rows, _ = self._rows(feed, options, len(some), ids=_array(some), **scope)
            found |= {item["id"]: item for item in rows}
        return found

    def _listed(self, size: int) -> tuple[list[dict[str, Any]], State | None]:
        """A page of all that is there."""
        state = self.state
        if state.within is not None:
            # The rest of the group whose members did not fit into the page before.
            first = list(self._some(f"{self.name}.some", self.options, [state.after]).values())
        else:
            first = []
        if state.only is not None:
            wanted = [each for each in state.only.split(",") if each > state.after]
            found = self._some(f"{self.name}.some", self.options, wanted)
            rows, more = [found[id] for id in sorted(found)], None
        else:
            rows, more = self._rows(f"{self.name}.after", self.options, size, after=state.after)
        sent: list[dict[str, Any]] = []
        for item in (*first, *rows):
            within = state.within if item in first else None
            rest = self._members(item, within)
            sent.append(item)
            if rest is not None:
                return sent, msgspec.structs.replace(state, after=item["id"], within=rest)
        if more is not None and sent:
            return sent, msgspec.structs.replace(state, after=sent[-1]["id"], within=None)
        return sent, None

    def _changed(self, size: int) -> tuple[list[dict[str, Any]], State | None]:
        """A page of what changed."""
        state, log = self.state, directory_log
        touched = set(log.touched(self.snapshot, self.kind, state.since, state.high))
        shown = self._shown() if self.kind == "group" else {}
        touched |= set(shown)
        if state.only is not None:
            touched &= set(state.only.split(","))
        here = [id for id in sorted(touched) if id > state.after or (id == state.after and state.within is not None)]
        sent: list[dict[str, Any]] = []
        for start in range(0, len(here), size):
            some = here[start : start + size]
            present = self._some(f"{self.name}.some", self.options, some)
            gone = self._some(f"{self.name}.gone.some", _ONLY_ID, [id for id in some if id not in present])
            for id in some:
                if len(sent) >= size:
                    return sent, msgspec.structs.replace(state, after=_previous(here, id), within=None)
                rows = log.of_object(self.snapshot, self.kind, id, state.since, state.high)
                rows += [("member", below) for below in shown.get(id, ())]
                within = state.within if id == state.after else None
                item, rest = self._told(id, rows, present.get(id), id in gone, within)
                if item is not None:
                    sent.append(item)
                if rest is not None:
                    return sent, msgspec.structs.replace(state, after=id, within=rest)
        return sent, None

    def _shown(self) -> dict[str, set[str]]:
        """Group → groups in it that the caller came to see or lost sight of by joining or leaving them."""
        found: dict[str, set[str]] = {}
        if not self.sees_all:
            for group in self._about_me():
                for above, _ in everywhere.roles_of(self.snapshot, group):
                    found.setdefault(above, set()).add(group)
        return found

    def _about_me(self) -> set[str]:
        if self._mine is None:
            self._mine = directory_log.about(self.snapshot, self.call.caller.oid, self.state.since, self.state.high)
        return self._mine

    def _told(
        self,
        id: str,
        rows: list[tuple[str, str | None]],
        item: dict[str, Any] | None,
        gone: bool,
        within: str | None,
    ) -> tuple[dict[str, Any] | None, str | None]:
        """How an object that changed is sent, if it is, and the place in it at which the next page goes on."""
        aspects = {aspect for aspect, _ in rows}
        if item is None:
            if gone:
                return removed(id, "changed"), None
            if not self._saw(id, aspects):
                return None, None
            return removed(id, "deleted" if "purged" in aspects else "changed"), None
        came = bool(aspects & {"created", "restored"})
        if self.kind == "group" and not self.sees_all:
            came = came or "visibility" in aspects or id in self._about_me()
        counted = aspects if self.counts is None else aspects & self.counts
        if not came and not counted:
            return None, None
        if self.call.prefer.get("return") == "minimal" and not came:
            item = {name: value for name, value in item.items() if name in aspects or name == "id"}
        rest = self._members(item, within) if came else None
        if within is None:
            for role in self.roles:
                self._moved(item, role, [r for aspect, r in rows if aspect == role and r is not None], all_there=came)
        told = came or counted - set(_ROLES) or any(f"{role}s@delta" in item for role in self.roles)
        return (item if told else None), rest

    # ── who is in a group ────────────────────────────────────────────────────────────────────────────────────────────

    def _members(self, item: dict[str, Any], within: str | None) -> str | None:
        """Put all members and owners into a group, as many as fit; the place at which to go on, if they do not."""
        begun, _, token = (within or "").partition(" ")
        for role in self.roles:
            if begun and role != begun:
                continue
            begun = ""
            if self._left <= 0:
                return f"{role} {token}"
            options = msgspec.structs.replace(_ONLY_ID, skiptoken=token or None)
            found, more = self._rows(f"{role}s", options, min(self._left, LARGEST_PAGE), g=item["id"])
            token = ""
            self._left -= len(found)
            if found:
                item[f"{role}s@delta"] = found
            if more is not None:
                return f"{role} {more}"
        return None

    def _moved(self, item: dict[str, Any], role: str, related: list[str], *, all_there: bool) -> None:
        """Put who won or lost a role into a group; those who have it are there already where it is sent whole."""
        wanted = list(dict.fromkeys(related))
        if not wanted:
            return
        has = self._some(f"{role}s.some", _ONLY_ID, wanted, g=item["id"])
        entries: list[dict[str, Any]] = [] if all_there else list(has.values())
        lost = [id for id in wanted if id not in has]
        known = self._some("transitiveMembers", _ONLY_ID, lost)
        for id in lost:
            kind = known[id]["@odata.type"] if id in known else self._kind_of_gone(id)
            if kind is not None:
                entries.append({"@odata.type": kind, **removed(id, "deleted")})
        if entries:
            item[f"{role}s@delta"] = [*item.get(f"{role}s@delta", ()), *entries]

    def _kind_of_gone(self, id: str) -> str | None:
        """The type of an object that is not there for the caller any more; None for one that never was."""
        since, high = self.state.since, self.state.high
        if everywhere.deleted_user(self.snapshot, id) or directory_log.of_object(self.snapshot, "user", id, 0, high):
            return "#microsoft.graph.user"
        aspects = {aspect for aspect, _ in directory_log.of_object(self.snapshot, "group", id, since, high)}
        if self._some("groups.gone.some", _ONLY_ID, [id]) or self._saw(id, aspects):
            return "#microsoft.graph.group"
        return None

    def _saw(self, id: str, aspects: set[str]) -> bool:
        """Whether the caller may have seen an object that is not there for the caller now."""
        if self.kind == "user" or self.sees_all:
            return True
        return ("visibility" in aspects and self.sees_public) or id in self._about_me()


def _previous(ordered: list[str], id: str) -> str:
    place = ordered.index(id)
    return ordered[place - 1] if place else _BEFORE_ALL


def _array(wanted: list[str]) -> str:
    return msgspec.json.encode(wanted).decode()


def _ids(expression: Expr) -> list[str]:
    """The ids of `id eq 'a' or id eq 'b'`. Raises `BadClause` for any other filter."""
    found: dict[str, None] = {}
    waiting = [expression]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Binary) and each.op == "or":
            waiting += (each.right, each.left)
            continue
        id = None
        if isinstance(each, Binary) and each.op == "eq" and isinstance(each.left, Path):
            right = each.right
            if [part.lower() for part in each.left.parts] == ["id"] and isinstance(right, Literal):
                id = ids.guid(str(right.value)) if right.type in (Edm.STRING, Edm.GUID) else None
        if id is None:
            raise BadClause(
                "Delta supports $filter on ids only: id eq '{id}' or id eq '{id}', up to 50 of them.", target="$filter"
            )
        found[id] = None
    if len(found) > MAX_IDS:
        raise BadClause(f"Delta supports at most {MAX_IDS} ids in $filter.", target="$filter")
    return list(found)
