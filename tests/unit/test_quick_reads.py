"""Which reads are made on the event loop: those of few rows, whoever asks and whatever is stored."""

from __future__ import annotations

import pytest

from folkmoot.graph.feeds import FEEDS
from folkmoot.graph.read import is_quick
from folkmoot.odata.query import parse_options

VALUE = "singleValueExtendedProperties($filter=id eq 'String {66f5a359-4659-4830-9070-00047ec6ac6e} Name Ticket')"


@pytest.mark.parametrize(
    ("feed", "size", "query", "quick"),
    [
        ("posts", 100, "", True),
        ("posts", 999, "$top=999", False),
        ("posts", 20, "$filter=hasAttachments", False),
        ("posts", 20, "$filter=id in ('one','two') or id eq 'three'", True),
        ("posts", 20, "$filter=id eq 'one' or hasAttachments", False),
        ("posts", 20, "$orderby=receivedDateTime", False),
        ("conversations", 20, "$search=launch", False),
        ("conversations", 20, "$count=true", False),
        ("conversations", 20, "$skip=1", False),
        ("threads", 20, "$expand=posts($top=5)", True),
        ("threads", 20, "$expand=posts($top=30)", False),
        ("thread", 1, "$expand=posts($top=100)", True),
        ("thread", 1, "$expand=posts($top=30;$expand=attachments)", False),
        ("thread", 1, "$expand=posts($top=5;$expand=attachments)", True),
        ("thread", 1, "$expand=posts($filter=hasAttachments)", False),
        ("thread", 1, "$expand=posts($orderby=receivedDateTime desc)", False),
        ("post", 1, "$expand=inReplyTo,extensions,attachments", True),
        ("posts", 100, "$expand=inReplyTo", True),
        ("posts", 20, "$expand=extensions", True),
        ("posts", 20, "$expand=extensions($filter=id eq 'com.contoso.deal')", True),
        ("posts", 20, f"$expand={VALUE}", True),
        ("groups", 10, "$expand=members", False),
        ("threads", 20, "$expand=nothing", True),
    ],
)
def test_a_read_is_quick(feed: str, size: int, query: str, quick: bool) -> None:
    assert is_quick(FEEDS[feed], parse_options(query), size) is quick
