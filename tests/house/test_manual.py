"""The manual's page of what is supported says what the surface does, and where each row comes from."""

from __future__ import annotations

from pathlib import Path

from folkmoot.graph.manual import PLACES, page, path
from folkmoot.graph.resolve import resolve
from folkmoot.graph.surface import SURFACE
from folkmoot.odata.path import parse_path

PAGE = Path(__file__).parents[2] / "docs" / "manual" / "supported.md"


def test_the_page_is_what_the_surface_says() -> None:
    assert PAGE.read_text() == page(), "python -m folkmoot.graph.manual > docs/manual/supported.md"


def test_rows_say_where_they_come_from() -> None:
    assert [f"{row.method} {row.address}" for row in SURFACE if not row.source] == []


def test_every_path_of_the_page_leads_to_its_row() -> None:
    for row in SURFACE:
        if row.address.partition("/")[0] in PLACES:
            filled = path(row.address).replace("{", "'").replace("}", "'")
            assert resolve(parse_path(filled)).address == row.address


def test_what_the_profiles_do_otherwise_is_said() -> None:
    for row in SURFACE:
        assert row.differs or not row.only_extended, f"{row.method} {row.address}"
        assert not row.once or row.write is not None
        assert row.application <= row.extended, "an extended application may do what a strict one may"
