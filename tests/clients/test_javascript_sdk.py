"""The published JavaScript SDK, unmodified: `javascript/*.test.mjs` under node's own test runner."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import Server

HERE = Path(__file__).parent / "javascript"


def node() -> str:
    """The node of the development packages, or else of the system."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which("node", path=path)
    assert found is not None, "There is no node: `make test` installs it."
    assert (HERE / "node_modules").is_dir(), "The JavaScript packages are not there: `make test` installs them."
    return found


@pytest.mark.parametrize("program", sorted(file.name for file in HERE.glob("*.test.mjs")))
def test_in_javascript(server: Server, tmp_path: Path, program: str) -> None:
    facts = tmp_path / "facts.json"
    facts.write_text(json.dumps(server.facts))
    done = subprocess.run(
        [node(), "--test", "--test-reporter=spec", program],
        cwd=HERE,
        env=os.environ | {"FOLKMOOT_FACTS": str(facts), "NODE_EXTRA_CA_CERTS": str(server.ca)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    counted = {word: int(number) for word, number in re.findall(r"^ℹ (\w+) (\d+)$", done.stdout, re.MULTILINE)}
    assert done.returncode == 0, done.stdout
    assert counted["pass"] == counted["tests"] > 0, done.stdout
