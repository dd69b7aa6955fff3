"""What is sent of a row: as a dictionary, and as a record of a page."""

from __future__ import annotations

import pytest

from folkmoot.graph import ids
from folkmoot.graph.describe import flag, iso, item_body, json_text, recipient
from folkmoot.graph.envelope import encode
from folkmoot.graph.projecting import Step, page_projector, projector

GROUP, THREAD = "29981b6a-0e57-42dc-94c9-cd24f5306196", "018bcfe5-6800-7000-b0e4-a058e8c3d29d"
POSTS = [f"018bcfe5-b238-7000-b5a9-{number:012d}" for number in range(3)]


def called(group: str, first: int, second: int) -> str:
    return f"{group[:2]} {first} {second}"


STEPS = (
    Step("@odata.etag", called, (1, 0)),
    Step("id", ids.post_id, (2, 3)),
    Step("plain", None, (1,)),
    Step("at", iso, (4,)),
    Step("is", flag, (5,)),
    Step("list", json_text, (6,)),
    Step("from", recipient, (7, 8)),
    Step("body", item_body, (9, 7)),
    Step("nowhere", None, ()),
)


def row(number: int, **other: object) -> tuple[object, ...]:
    values = {"at": 1_700_000_000 + number, "is": number % 2, "name": f"N{number}", "address": "a@b"} | other
    return (number, 7, THREAD, POSTS[number], values["at"], values["is"], "[1]", values["name"], values["address"], "x")


def test_a_row_as_a_dictionary() -> None:
    sent = projector(STEPS, (("@odata.type", "#a.b"),))(GROUP, row(1))
    assert encode(sent).decode() == (
        f'{{"@odata.type":"#a.b","@odata.etag":"29 7 1","id":"{ids.post_id(GROUP, THREAD, POSTS[1])}","plain":7,'
        '"at":"2023-11-14T22:13:21Z","is":true,"list":[1],"from":{"emailAddress":{"name":"N1","address":"a@b"}},'
        '"body":{"contentType":"x","content":"N1"},"nowhere":null}'
    )


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row(0)],
        [row(0), row(1), row(2)],
        [row(0, at=None), row(1, **{"is": None}), row(2, name=None, address=None)],
    ],
)
def test_a_page_is_its_rows(rows: list[tuple[object, ...]]) -> None:
    each = projector(STEPS)
    assert encode(page_projector(STEPS)(GROUP, rows)) == encode([each(GROUP, row) for row in rows])


def test_posts_of_several_threads_on_a_page() -> None:
    other = (*row(1)[:2], POSTS[0], *row(1)[3:])
    each = projector(STEPS)
    assert encode(page_projector(STEPS)(GROUP, [row(0), other])) == encode([each(GROUP, row(0)), each(GROUP, other)])
