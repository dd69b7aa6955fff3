"""A migration only adds to what is there, so that servers of the release before go on working; or it says otherwise.

Says: `works_from` is its own revision, and then older servers must be stopped first. A line that looks like more than
it is says why in a comment: `# expands: …`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from folkmoot.store import migrate

VERSIONS = Path(migrate.__file__).with_name("migrations") / "versions"
FIRST = "0010"  # nothing was promised before
FILES = sorted(file for file in VERSIONS.glob("[0-9]*.py") if file.name[:4] >= FIRST)

ADDS = {"add_column", "create_table", "create_index", "get_bind", "get_context", "f", "execute", "bulk_insert"}


def works_from(file: Path) -> str:
    return str(import_module(f"folkmoot.store.migrations.versions.{file.stem}").works_from)


def called(node: ast.Call, owner: str) -> str | None:
    """The name of the function of the module `owner` that is called."""
    function = node.func
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == owner:
        return function.attr
    return None


def given(node: ast.Call, name: str) -> object:
    """The constant that is given for a keyword; None where none is."""
    for keyword in node.keywords:
        if keyword.arg == name:
            return keyword.value.value if isinstance(keyword.value, ast.Constant) else keyword.value
    return None


def contractions(source: str) -> Iterator[str]:
    """What takes something away, or asks more of those who write than was asked before."""
    lines = source.splitlines()
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    made = {ast.unparse(node.args[0]) for node in calls if called(node, "op") == "create_table"}
    for node in calls:
        name = node.func.id if isinstance(node.func, ast.Name) and node.func.id == "drop_index" else called(node, "op")
        if name is None or any("# expands: " in line for line in lines[node.lineno - 1 : node.end_lineno]):
            continue
        said = f"line {node.lineno}: op.{name}"
        if name not in ADDS:
            yield said
        elif name == "execute":
            text = ast.unparse(node).upper()
            words = ("DROP ", "RENAME", "SET NOT NULL", "ALTER TABLE", "ADD CONSTRAINT", "DELETE ", "UPDATE ")
            if any(word in text for word in words):
                yield f"{said} does more than add"
        elif name == "add_column" and isinstance(column := node.args[1], ast.Call):
            if given(column, "nullable") is not True and given(column, "server_default") is None:
                yield f"{said}: a column that older servers do not fill must be nullable or have a server_default"
        elif name == "create_index" and ast.unparse(node.args[1]) not in made:
            if given(node, "unique"):
                yield f"{said}: unique, on a table that is filled"
            yield f"{said}: on a table that is filled; online.create_index does not keep writers waiting"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_only_adds(file: Path) -> None:
    assert works_from(file) <= file.name[:4]
    if works_from(file) < file.name[:4]:
        assert list(contractions(file.read_text())) == []


def test_whose_code_works_never_goes_back() -> None:
    assert [works_from(file) for file in FILES] == sorted(works_from(file) for file in FILES)


@pytest.mark.parametrize(
    "line",
    [
        "op.drop_column('posts', 'preview')",
        "op.rename_table('posts', 'messages')",
        "op.alter_column('posts', 'preview', nullable=False)",
        "op.add_column('posts', sa.Column('new', TEXT, nullable=False))",
        "op.add_column('posts', sa.Column('new', TEXT))",
        "op.create_index('posts_new_idx', 'posts', ['new'])",
        "drop_index('posts_new_idx')",
        "op.create_unique_constraint('posts_new_key', 'posts', ['new'])",
        "op.execute('ALTER TABLE posts DROP COLUMN preview')",
    ],
)
def test_what_takes_away_is_found(line: str) -> None:
    assert list(contractions(f"{line}\n"))
    assert not list(contractions(f"{line}  # expands: nothing uses it\n"))


@pytest.mark.parametrize(
    "lines",
    [
        "op.create_table('new', sa.Column('id', TEXT, nullable=False))\nop.create_index('new_idx', 'new', ['id'])",
        "op.add_column('posts', sa.Column('new', TEXT, nullable=True))",
        "op.add_column('posts', sa.Column('new', TEXT, nullable=False, server_default=''))",
        "online.create_index('posts_new_idx', 'posts', ['new'])",
    ],
)
def test_what_adds_is_let_through(lines: str) -> None:
    assert list(contractions(lines)) == []
