"""Imports go down the floors; none goes up, and none goes sideways into another package's rooms."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "folkmoot"

# From the ground up. What stands on one floor does not know of its neighbours.
FLOORS = (
    ("odata", "mime", "model", "refusals", "observe", "ownership"),
    ("store", "outgoing"),
    ("ops",),
    ("graph", "auth", "mail", "web", "notify", "transfer"),
    # The roof, from the eaves to the ridge.
    ("config", "logs", "systemd"),
    ("connections", "erasing", "metrics", "pages", "readiness", "seats", "signing_in", "telemetry"),
    ("server", "traffic"),
    ("workers",),
    ("app", "lab"),
    ("filling",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# Who may look next door, and why.
NEXT_DOOR = {
    ("odata", "folkmoot.refusals"): "a clause that cannot be read is refused in the words that every door translates",
    (
        "graph/app.py",
        "folkmoot.auth.identities",
    ): "who asks is the first step of a request; the Graph door is entered with it",
    (
        "graph/surface.py",
        "folkmoot.auth.secrets",
    ): "a passwordProfile is hashed before the transaction, as sign-in reads it",
}

# Grammars and nouns: values in, values out.
NOT_ON_THE_GROUND = {
    "sqlalchemy",
    "sqlite3",
    "psycopg",
    "asyncio",
    "threading",
    "time",
    "socket",
    "subprocess",
    "starlette",
}
# Verbs are plain functions of a transaction: no event loop, and no clock but the transaction's.
NOT_IN_VERBS = {"asyncio", "threading", "time", "datetime", "sqlite3", "psycopg", "starlette", "uvicorn"}


def imports() -> Iterator[tuple[str, str]]:
    """(file below src/folkmoot, imported module) for every import, those inside functions, too."""
    for file in sorted(SOURCE.rglob("*.py")):
        name = file.relative_to(SOURCE).as_posix()
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from ((name, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{name} imports by a relative name"
                module = node.module or ""
                yield from ((name, f"{module}.{a.name}" if module == "folkmoot" else module) for a in node.names)


def room(path: str) -> str:
    return path.partition("/")[0].removesuffix(".py")


def test_every_room_is_on_a_floor() -> None:
    rooms = {room(file.relative_to(SOURCE).as_posix()) for file in SOURCE.rglob("*.py")} - {"__init__"}
    assert rooms - set(FLOOR) == set()


def test_imports_go_down() -> None:
    wrong, used = [], set()
    for file, module in imports():
        inner = module.removeprefix("folkmoot.").partition(".")[0]
        if not module.startswith("folkmoot.") or inner == room(file) or FLOOR[inner] < FLOOR[room(file)]:
            continue
        known = next((key for key in NEXT_DOOR if file.startswith(key[0]) and module.startswith(key[1])), None)
        if known is None:
            wrong.append(f"{file} imports {module}")
        used.add(known)
    assert wrong == []
    assert set(NEXT_DOOR) - used == set(), "nobody looks there any more"


def test_grammars_and_nouns_do_nothing_but_compute() -> None:
    assert [i for i in imports() if FLOOR.get(room(i[0])) == 0 and i[1].partition(".")[0] in NOT_ON_THE_GROUND] == []


def test_verbs_are_plain_functions() -> None:
    assert [i for i in imports() if room(i[0]) == "ops" and i[1].partition(".")[0] in NOT_IN_VERBS] == []
    for file in (SOURCE / "ops").glob("*.py"):
        tree = ast.parse(file.read_text())
        assert not any(isinstance(node, (ast.AsyncFunctionDef, ast.Await)) for node in ast.walk(tree)), file
