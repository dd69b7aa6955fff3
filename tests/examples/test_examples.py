"""The examples do what they say, against a started server, as someone who copies them would run them."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.browser import Browser
from tests.clients.running import running
from tests.clients.sdk import person
from tests.clients.test_javascript_sdk import HERE as JAVASCRIPT
from tests.clients.test_javascript_sdk import node
from tests.server import Server

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("examples")) as started:
        yield started


@pytest.fixture
def environment(server: Server) -> dict[str, str]:
    """As `make serve` and the notes in the examples have it, but for the data directory."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return os.environ | {"PATH": path, "FOLKMOOT_DATA": server.options[1], "NODE_EXTRA_CA_CERTS": str(server.ca)}


def test_curl(environment: dict[str, str]) -> None:
    if shutil.which("curl") is None:
        pytest.skip("There is no curl here.")
    done = subprocess.run([EXAMPLES / "curl.sh"], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr + done.stdout
    said = [
        (post["from"]["emailAddress"]["name"], post["body"]["content"]) for post in json.loads(done.stdout)["value"]
    ]
    assert said == [
        ("Adele Vance", "<p>Shall we meet on <b>Friday</b>?</p>"),
        ("Alex Wilber", "Friday suits me."),
    ]


def test_python_sdk(server: Server, environment: dict[str, str]) -> None:
    someone = [sys.executable, "-m", "tests.clients.browser", str(server.ca), person(server, "MeganB")["id"]]
    done = subprocess.run(
        [sys.executable, EXAMPLES / "python_sdk.py"],
        cwd=ROOT,
        env=environment | {"BROWSER": f"{shlex.join(someone)} %s &"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.splitlines() == [
        "Megan Bowen: <p>Shall we meet on <b>Friday</b>?</p>",
        "Megan Bowen: Friday suits me.",
    ]


def test_javascript_sdk(server: Server, environment: dict[str, str], tmp_path: Path) -> None:
    # The packages are installed beside the program, as `npm install` would.
    program = tmp_path / "javascript_sdk.mjs"
    shutil.copy(EXAMPLES / program.name, program)
    (tmp_path / "node_modules").symlink_to(JAVASCRIPT / "node_modules")
    with subprocess.Popen(
        [node(), program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as started:
        assert started.stdout is not None
        invitation = started.stdout.readline()
        if invitation.startswith("Sign in here: "):
            with Browser(server.ca) as browser:
                browser.sign_in(invitation.removeprefix("Sign in here: ").strip(), person(server, "LynneR")["id"])
        printed = invitation + started.stdout.read()
    assert started.returncode == 0, printed
    assert printed.splitlines()[1:] == [
        "Lynne Robbins: <p>Shall we meet on <b>Friday</b>?</p>",
        "Lynne Robbins: Friday suits me.",
    ]
