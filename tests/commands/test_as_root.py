"""Commands that root runs for a server that is not root: what they make in the data directory is the server's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from folkmoot import cli

SOMEBODY = 65534
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory of somebody's, as an installation makes it."""
    made = tmp_path / "data"
    made.mkdir(mode=0o700)
    os.chown(made, SOMEBODY, SOMEBODY)
    return made


def roots(data: Path) -> list[str]:
    """What of it is not somebody's."""
    there = sorted(data.rglob("*"))
    assert there
    return [path.name for path in there if (path.lstat().st_uid, path.lstat().st_gid) != (SOMEBODY, SOMEBODY)]


def test_a_first_command_leaves_a_database_that_the_server_can_open(data: Path) -> None:
    cli.main(["token", "--data", str(data)])
    cli.main(["person", "add", "ada", "--data", str(data)])
    assert roots(data) == []


def test_what_is_restored_is_the_server_s(data: Path, tmp_path: Path) -> None:
    before = tmp_path / "before"
    cli.main(["token", "--data", str(before)])
    cli.main(["person", "add", "ada", "--data", str(before)])
    (before / "certificates").mkdir()
    (before / "certificates" / "ca.pem").write_text("a certificate")
    cli.main(["backup", str(tmp_path / "moot.zip"), "--data", str(before)])
    cli.main(["restore", str(tmp_path / "moot.zip"), "--data", str(data)])
    assert (data / "certificates" / "ca.pem").exists()
    assert roots(data) == []
    cli.main(["restore", "--replace", str(tmp_path / "moot.zip"), "--data", str(data)])
    assert roots(data) == []


def test_a_link_is_not_followed(data: Path, tmp_path: Path) -> None:
    elsewhere = [tmp_path / name for name in ("passwd", "shadow")]
    for path in elsewhere:
        path.touch()
    (data / "folkmoot.db-turn").symlink_to(elsewhere[0])
    (data / "folkmoot.db-next").hardlink_to(elsewhere[1])
    cli.main(["person", "add", "ada", "--data", str(data)])
    assert [path.stat().st_uid for path in elsewhere] == [0, 0]


def test_doctor_finds_what_is_another_user_s(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["person", "add", "ada", "--data", str(data)])
    os.chown(data / "folkmoot.db", 0, 0)
    with pytest.raises(SystemExit) as ended:
        cli.main(["doctor", "--data", str(data)])
    assert ended.value.code == 1
    printed = capsys.readouterr().out
    assert f"{data / 'folkmoot.db'} is another user's" in printed
    assert f"chown -R --reference={data} {data}" in printed


def test_a_file_that_is_another_user_s_is_said_to_be_so(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.main(["person", "add", "ada", "--data", str(data)])
    (data / "folkmoot.db").unlink()
    (data / "folkmoot.db").mkdir()  # root may open every file, and nobody this
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(SystemExit) as ended:
        cli.main(["person", "list", "--data", str(data)])
    assert "this user may not read and write it" in str(ended.value.code)
