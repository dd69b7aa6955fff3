"""Every way of saying no has its words at the Graph door, in one shape."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from folkmoot import refusals
from folkmoot.graph.envelope import Area, refused
from folkmoot.refusals import MethodNotAllowed, NameRefused, Refusal, Violation

SOURCE = Path(__file__).parents[2] / "src" / "folkmoot"


WANTED = {
    401: "WWW-Authenticate",
    405: "Allow",
    410: "Location",
    429: "Retry-After",
    503: "Retry-After",
    504: "Retry-After",
}


def every(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    if kind.__module__ == refusals.__name__:
        yield from [kind] if kind is not Refusal else []
        for below in kind.__subclasses__():
            yield from every(below)


def an(kind: type[Refusal]) -> Refusal:
    if kind is NameRefused:
        return NameRefused((Violation("PropertyConflict", "x", "mailNickname"),))
    return kind(("GET",)) if kind is MethodNotAllowed else kind("x")


@pytest.mark.parametrize("kind", list(dict.fromkeys(every(Refusal))), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("area", ["mail", "directory"])
def test_it_has_one_shape(kind: type[Refusal], area: Area) -> None:
    answer = refused(an(kind), area, request_id="r", client_request_id="c")
    assert 400 <= answer.status <= 599
    # 500 is for what we did not expect; a commit whose answer was lost is no refusal, and must not be tried again.
    assert (answer.status == 500) is (kind is refusals.OutcomeUnknown)
    assert list(answer.body) == ["error"]
    error = answer.body["error"]
    assert [name for name in error if name not in ("target", "details")] == ["code", "message", "innerError"]
    assert re.fullmatch(r"[A-Za-z_]+", error["code"])
    assert error["message"]
    assert list(error["innerError"]) == ["date", "request-id", "client-request-id"]
    wanted = WANTED.get(answer.status)
    assert [name for name, _ in answer.headers] == ([wanted] if wanted else [])


def test_the_target_is_said_when_there_is_one() -> None:
    named = refused(refusals.BadBody("x", target="topic"), "mail", request_id="r", client_request_id="c")
    assert named.body["error"]["target"] == "topic"
    assert "target" not in refused(refusals.BadBody("x"), "mail", request_id="r", client_request_id="c").body["error"]


def test_statuses_are_in_one_table() -> None:
    """Below the doors nobody knows a status; at the Graph door one file does."""
    for file in [*(SOURCE / "ops").glob("*.py"), *(SOURCE / "store").rglob("*.py"), SOURCE / "refusals.py"]:
        assert not re.search(r"\b(?:40[0-9]|41[0-9]|42[0-9]|50[0-9])\b", file.read_text()), file


def test_every_refusal_says_why_by_itself() -> None:
    for kind in every(Refusal):
        assert (kind.__doc__ or "").splitlines()[0].rstrip().endswith("."), kind
