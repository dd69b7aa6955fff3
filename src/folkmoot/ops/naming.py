"""Whether a group could be named so (validateProperties)."""

from __future__ import annotations

from folkmoot.ops import directory
from folkmoot.refusals import BadBody, NameRefused, Violation
from folkmoot.store import everywhere
from folkmoot.store.db import Snapshot


def check(
    snapshot: Snapshot,
    *,
    display_name: str | None,
    mail_nickname: str | None,
    on_behalf_of: str | None,
    domain: str,
    group: str | None = None,
) -> None:
    """Raise unless a group may have these names; `group` is the one that is to be renamed, None for a new one.

    `BadBody` for names that no group can have, when neither is given, or when `on_behalf_of` (a directory id) is
    nobody's; `NameRefused` with `PropertyConflict` when the nickname's address in `domain` is somebody else's
    (Graph, group: validateProperties). There is no naming policy of prefixes, suffixes and blocked words.
    """
    if display_name is None and mail_nickname is None:
        raise BadBody("Give displayName, mailNickname or both.", target="displayName")
    if on_behalf_of is not None and everywhere.person(snapshot, on_behalf_of) is None:
        raise BadBody("onBehalfOfUserId is not the id of a user.", target="onBehalfOfUserId")
    if display_name is not None:
        directory.check_name(display_name)
    if mail_nickname is not None:
        directory.check_nickname(mail_nickname)
        holder = everywhere.by_address(snapshot, f"{mail_nickname}@{domain}")
        if holder is not None and holder[1] != group:
            message = "Another object with the same value for property mailNickname already exists."
            raise NameRefused((Violation("PropertyConflict", message, "mailNickname"),))
