"""Whether a group may have a name: the questions that `validateProperties` asks before a group is made."""

from __future__ import annotations

from folkmoot.ops import directory
from folkmoot.refusals import BadBody, Conflict, Unprocessable
from folkmoot.store import everywhere
from folkmoot.store.db import Snapshot


def check(snapshot: Snapshot, display_name: str | None, mail_nickname: str | None, domain: str) -> None:
    """Raise `Unprocessable`, naming the property, unless a new group could have both; None is not looked at."""
    try:
        if display_name is not None:
            directory.check_name(display_name)
        if mail_nickname is not None:
            directory.check_nickname(mail_nickname)
            if everywhere.by_address(snapshot, f"{mail_nickname}@{domain}") is not None:
                raise Conflict(
                    "Another object with the same value for property mailNickname already exists.",
                    target="mailNickname",
                )
    except (BadBody, Conflict) as refusal:
        raise Unprocessable(refusal.message, target=refusal.target) from None
