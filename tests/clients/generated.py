"""Every method of the Python SDK's generated request builders for what is said in groups and for subscriptions to it,
found by walking them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kiota_abstractions.base_request_builder import BaseRequestBuilder
from msgraph import GraphServiceClient

METHODS = ("get", "post", "put", "patch", "delete")
# What a group has of families A–E of the published surface; the rest of what the SDK has there is not conversation.
BRANCHES = (
    *("conversations", "threads", "accepted_senders", "rejected_senders", "add_favorite", "remove_favorite", "renew"),
    *("check_granted_permissions_for_app", "reset_unseen_count", "subscribe_by_mail", "unsubscribe_by_mail"),
    "validate_properties",
)
_KEY = re.compile(r"\{([^}]+)\}")


@dataclass(frozen=True)
class Step:
    """From a builder to the next: by a property, or by a method that takes the id `key`."""

    name: str
    key: str = ""

    def __str__(self) -> str:
        return f"{self.name}(…)" if self.key else self.name


@dataclass(frozen=True)
class Method:
    """A method of the SDK: the steps to its builder from the client, its name, and the path that it asks."""

    steps: tuple[Step, ...]
    name: str
    path: str

    @property
    def spelt(self) -> str:
        return ".".join(map(str, (*self.steps, f"{self.name}()")))

    @property
    def keys(self) -> list[str]:
        return [step.key for step in self.steps if step.key]

    def builder(self, client: Any, fill: Callable[[str], str]) -> Any:
        """The builder that has the method, with ids by `fill` from the names of keys."""
        found = client
        for step in self.steps:
            found = getattr(found, step.name)
            if step.key:
                found = found(fill(step.key))
        return found


def every(client: GraphServiceClient) -> list[Method]:
    """All of them, by path."""
    steps = (Step("groups"), Step("by_group_id", "group-id"))
    group = client.groups.by_group_id("{group-id}")
    found = [each for name in BRANCHES for each in _below(getattr(group, name), (*steps, Step(name)))]
    # Web push came to v1.0 after the revision of the description that this surface follows.
    subscriptions = _below(client.subscriptions, (Step("subscriptions"),))
    found += [each for each in subscriptions if each.path != "/subscriptions/getVapidPublicKey()"]
    return sorted(found, key=lambda each: (each.path, METHODS.index(each.name)))


def _below(builder: BaseRequestBuilder, steps: tuple[Step, ...]) -> Iterator[Method]:
    kind = type(builder)
    for name in METHODS:
        if inspect.iscoroutinefunction(getattr(kind, name, None)):
            yield Method(steps, name, _path(builder))
    for name, member in inspect.getmembers(kind):
        if isinstance(member, property):
            below = getattr(builder, name)
            if isinstance(below, BaseRequestBuilder):
                yield from _below(below, (*steps, Step(name)))
        elif name.startswith("by_"):
            key = _last_key(getattr(builder, name)("x"))
            yield from _below(getattr(builder, name)(f"{{{key}}}"), (*steps, Step(name, key)))


def _path(builder: BaseRequestBuilder) -> str:
    template: str = builder.url_template
    return template.partition("{?")[0].removeprefix("{+baseurl}").replace("%2D", "-").replace("%24", "$")


def _last_key(builder: BaseRequestBuilder) -> str:
    *_, last = _KEY.findall(_path(builder))
    return str(last)
