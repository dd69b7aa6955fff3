"""What the engine asks of whoever knows the protocol's words, and of whoever sends them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from folkmoot.model import Change, Subscription
from folkmoot.outgoing import Reply
from folkmoot.store.db import Snapshot


class Wording(Protocol):
    """Turns changes into notifications. Called from reader threads."""

    def notifications(
        self, snapshot: Snapshot, subscription: Subscription, changes: Sequence[Change]
    ) -> list[dict[str, Any]]:
        """One changeNotification, ready for JSON, for each change that the subscription is about and its creator may
        see now, in order; never more than there are changes, which are all of one group."""

    def lifecycle(self, subscription: Subscription, event: str) -> dict[str, Any]:
        """A lifecycle notification: "reauthorizationRequired" or "missed"."""

    def validation_tokens(self, subscriptions: Sequence[Subscription]) -> list[str]:
        """JSON Web Tokens that vouch for the sender, for those of the subscriptions that get resource data."""

    def may_follow(self, snapshot: Snapshot, subscription: Subscription, group: str) -> bool:
        """Whether the subscription's creator may see the group (or the directory, `wake.DIRECTORY`) now."""


class Sender(Protocol):
    """Sends to other people's URLs (see `outgoing.Outgoing`)."""

    async def post(self, url: str, content: bytes, headers: Mapping[str, str], *, seconds: float) -> Reply:
        """Send `content`; the answer, of whatever status. Raises `outgoing.Unanswered` when there is none in time."""

    async def close(self) -> None:
        """Let go of connections."""
