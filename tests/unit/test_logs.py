"""The log: lines for people or for machines, with request-ids, and without secrets."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from folkmoot import logs
from folkmoot.observe import log, request_id

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
SECRETS = {
    "postgresql://moot:hunter2@db/moot failed": "hunter2",
    "host=db password=hunter2 user=moot": "hunter2",
    "host=db password='hunter 2' user=moot": "hunter 2",
    f"Authorization: Bearer {TOKEN}": TOKEN,
    f"the token {TOKEN} is none": TOKEN,
    "PUT /uploads/AAECAwQFBgcICQoLDA0ODxAREhMUFRYX failed": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
}


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs._NOISY}
    logging.captureWarnings(False)  # as a command that ran in this process may have left it
    yield
    logging.captureWarnings(False)
    root.handlers[:], level = before
    root.setLevel(level)
    for name, kept in levels.items():
        logging.getLogger(name).setLevel(kept)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def configure(monkeypatch: pytest.MonkeyPatch, format: logs.Format, level: logs.Level = "info") -> None:
    monkeypatch.setattr("sys.excepthook", None)
    monkeypatch.setattr("threading.excepthook", None)
    logs.configure(format, level)


def test_json_has_an_object_in_each_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    configure(monkeypatch, "json")
    asked = request_id.set("r-1")
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        log.exception("request %s failed:\n%s", "r-1", "GET")
    request_id.reset(asked)
    logging.getLogger("third.party").warning("hear, hear", extra={"facts": {"status": 200}})
    logging.getLogger("httpx").info("nobody asked for this")
    with warnings.catch_warnings(action="default"):
        logging.captureWarnings(True)
        warnings.warn("old", stacklevel=1)
    failed, third, warned = lines(capsys)
    assert failed["time"].endswith("+00:00")
    assert (failed["level"], failed["logger"], failed["message"]) == ("error", "folkmoot", "request r-1 failed:\nGET")
    assert failed["request_id"] == "r-1"
    assert failed["exception"].endswith("ZeroDivisionError: division by zero")
    assert (third["logger"], third["status"]) == ("third.party", 200)
    assert "request_id" not in third
    assert "old" in warned["message"]


def test_text_is_for_people_and_the_level_is_heard(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(monkeypatch, "text", "warning")
    log.info("not this")
    asked = request_id.set("r-2")
    log.warning("the keys cannot be fetched")
    request_id.reset(asked)
    assert capsys.readouterr().err == "WARNING the keys cannot be fetched request_id=r-2\n"


@pytest.mark.parametrize("format", ["text", "json"])
def test_secrets_are_blotted_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], format: logs.Format
) -> None:
    configure(monkeypatch, format)
    for said, secret in SECRETS.items():
        try:
            raise RuntimeError(said)
        except RuntimeError:
            log.exception("%s", said, extra={"facts": {"application": said}})
        written = capsys.readouterr().err
        assert "***" in written
        assert secret not in written


def test_what_nobody_caught_is_a_line_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    configure(monkeypatch, "json")
    error = RuntimeError("out of hand")
    sys.excepthook(RuntimeError, error, None)
    (line,) = lines(capsys)
    assert (line["level"], line["exception"]) == ("critical", "RuntimeError: out of hand")
