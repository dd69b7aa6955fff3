"""From a path to an address of the surface: which noun, which keys, which road. Both roads to a thread meet here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from folkmoot.graph.entities import CONVERSATION, POST, THREAD
from folkmoot.graph.people import GROUP, USER
from folkmoot.graph.subscription_noun import SUBSCRIPTION
from folkmoot.graph.surface import BY_ADDRESS, CASTS
from folkmoot.odata.path import Segment
from folkmoot.refusals import UnknownSegment


class Resolved(msgspec.Struct, frozen=True):
    """An address of the surface, the ids on the wire by noun, the road's steps, and the inReplyTo steps among them."""

    address: str
    keys: dict[str, str]
    steps: tuple[tuple[str, str | None], ...]
    hops: int


_NOUNS = {
    "conversation": "conversation",
    "conversationThread": "thread",
    "post": "post",
    "attachment": "attachment",
    "extension": "extension",
    "directoryObject": "object",
    "resourceSpecificPermissionGrant": "grant",
    "subscription": "subscription",
    "subscriptionDelivery": "delivery",
}
# Noun → navigation property in lower case → how it is spelt, the noun it leads to, whether to many.
_BELOW: Mapping[str, Mapping[str, tuple[str, str, bool]]] = {
    name: {
        nav.name.lower(): (nav.name, _NOUNS[nav.target], nav.many)
        for nav in noun.entity.navs
        if nav.target in _NOUNS  # extended properties have no paths of their own
    }
    for name, noun in {
        "group": GROUP,
        "user": USER,
        "conversation": CONVERSATION,
        "thread": THREAD,
        "post": POST,
        "subscription": SUBSCRIPTION,
    }.items()
} | {"directory": {"deleteditems": ("deletedItems", "object", True)}}
_ROOT = {"groups": "group", "users": "user", "directoryObjects": "object", "subscriptions": "subscription"}
_SPELT = {name.lower(): name for name in _ROOT}
_CASTS = {cast.lower(): cast for cast in CASTS}
_ADDRESSES = {address.lower(): address for address in BY_ADDRESS}
# What a collection can be asked or told stands where a key would; no id is spelt like these.
_ON_COLLECTIONS = {
    "post/attachments/createuploadsession",
    *(
        f"{name}/{asked}"
        for name in _SPELT
        for asked in ("delta", "getbyids", "validateproperties", "getavailableextensionproperties")
    ),
}

# What extended applications can follow, and what there is for that alone: it has no items and no list of its own.
_FOLLOWED = {
    address.lower()
    for address, rows in BY_ADDRESS.items()
    if address.endswith("/delta") and all(row.only_extended for row in rows.values())
}
FOLLOWED_ONLY: Mapping[str, Mapping[str, tuple[str, str]]] = {"group": {"posts": ("posts", "post")}}

# What the Python SDK writes for the signed-in user before it rewrites it to /me.
_ME_TOKEN = "me-token-to-replace"  # noqa: S105


def resolve(segments: Sequence[Segment], *, extended: bool = True) -> Resolved:
    """The address that `segments` lead to, for applications that are `extended` or, as in the cloud, not.

    Raises `UnknownSegment` naming the segment that leads nowhere.
    """
    if not segments:
        raise UnknownSegment("The request names no resource; begin with /groups, /users or /me.")
    walk = _Walk(extended)
    for segment in segments:
        walk.step(segment)
    address = _ADDRESSES.get(walk.address.lower())
    if address is None:
        raise _unknown(segments[-1].name)
    return Resolved(address, walk.keys, tuple(walk.steps), walk.hops)


_NO_ITEMS = {f"{noun}/{name}" for noun, names in FOLLOWED_ONLY.items() for name, _ in names.values()}


class _Walk:
    """Where the walk stands: at an item of `noun`, or in a collection of items of `items`."""

    def __init__(self, extended: bool) -> None:
        self.extended = extended
        self.address = ""
        self.noun: str | None = None
        self.items: str | None = None
        self.keys: dict[str, str] = {}
        self.steps: list[tuple[str, str | None]] = []
        self.hops = 0
        self.ended = False

    def step(self, segment: Segment) -> None:
        if self.ended:
            raise _unknown(segment.name)
        if self.items is not None:
            self._in_collection(segment)
        elif self.noun is not None:
            self._at_item(segment)
        else:
            self._at_root(segment)
        key = segment.key if segment.key is not None else _alternate(segment)
        if key is not None:
            if self.items is None or self.ended:
                raise _unknown(f"{segment.name}('{key}')")
            self._take(key)
            if segment.keys and segment.name.lower() == "groups":
                # An alternate key: the id is found when the request is served.
                self.keys["uniqueName"] = self.keys.pop("group")

    def _at_root(self, segment: Segment) -> None:
        name = segment.name.lower()
        if name == "me":
            self.noun, self.address = "user", "user"
            self.steps.append(("me", None))
        elif name == "directory":
            self.noun, self.address = "directory", "directory"
            self.steps.append(("directory", None))
        elif name in _SPELT:
            self.address = _SPELT[name]
            self.items = _ROOT[self.address]
            self.steps.append((self.address, None))
        elif name.startswith("$"):
            self._end(name)
        else:
            raise _unknown(segment.name)

    def _in_collection(self, segment: Segment) -> None:
        name = segment.name
        if name.startswith("$"):
            self._end(name)
        elif self._called(_unqualified(name) or name):
            self._end(_unqualified(name) or name)
        elif (cast := _CASTS.get((_unqualified(name) or "").lower())) is not None:
            self.address = f"{self.address}/{cast}"
            self.steps.append((f"microsoft.graph.{cast}", None))
        elif self.items == "object" and _unqualified(name) is not None:
            raise _unknown(name)
        else:
            self._take(name)

    def _called(self, name: str) -> bool:
        address = f"{self.address}/{name}".lower()
        return address in _ON_COLLECTIONS or (self.extended and address in _FOLLOWED)

    def _take(self, key: str) -> None:
        noun = self.items
        assert noun is not None  # noqa: S101  (only called in a collection)
        if self.address in _NO_ITEMS:
            raise _unknown(key)
        if noun == "object":
            self.address = f"{self.address}/object"
        else:
            self.address = noun
        if noun == "user" and key == _ME_TOKEN:
            self.steps[-1] = ("me", None)
        else:
            self.keys[noun] = key
            self.steps[-1] = (self.steps[-1][0], key)
        self.noun, self.items = noun, None

    def _at_item(self, segment: Segment) -> None:
        name = segment.name
        nav = _BELOW.get(self.noun or "", {}).get(name.lower())
        if nav is not None:
            spelt, target, many = nav
            self.steps.append((spelt, None))
            if many:
                self.address = f"{self.noun}/{spelt}"
                self.noun, self.items = None, target
            else:
                self.hops += 1
                self.noun, self.address = target, target
            return
        followed = FOLLOWED_ONLY.get(self.noun or "", {}).get(name.lower()) if self.extended else None
        if followed is not None:
            self.steps.append((followed[0], None))
            self.address = f"{self.noun}/{followed[0]}"
            self.noun, self.items = None, followed[1]
            return
        self._end(_unqualified(name) or name)

    def _end(self, tail: str) -> None:
        self.address = f"{self.address}/{tail}" if self.address else tail
        if self.address.lower() not in _ADDRESSES:
            raise _unknown(tail)
        self.ended = True


def _unqualified(name: str) -> str | None:
    """`reply` of `microsoft.graph.reply` or `graph.reply`, the namespace and its alias; None for a plain name."""
    lower = name.lower()
    for prefix in ("microsoft.graph.", "graph."):
        if lower.startswith(prefix):
            return name[len(prefix) :]
    return None


def _alternate(segment: Segment) -> str | None:
    """The value of an alternate key, of which this server knows two (see `_ALTERNATE`)."""
    if not segment.keys:
        return None
    (name, value), *more = segment.keys
    if more or _ALTERNATE.get(segment.name.lower()) != name.lower():
        raise UnknownSegment(f"'{name}' is not a key of '{segment.name}'.")
    return value


_ALTERNATE = {"users": "userprincipalname", "groups": "uniquename"}


def _unknown(name: str) -> UnknownSegment:
    return UnknownSegment(f"Resource not found for the segment '{name[:120]}'.")


# What the description of the service walks, too.
BELOW, ROOTS, NOUNS = _BELOW, _ROOT, _NOUNS
