"""What every answer looks like, whatever it says."""

from __future__ import annotations

import re
from uuid import UUID

from tests.harness import JSON, Answer

_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def well_formed(answer: Answer) -> None:
    """Check the headers of any answer, and that what has no body does not claim to be JSON."""
    headers = answer.headers
    assert str(UUID(headers["request-id"])) == headers["request-id"]
    assert headers["client-request-id"]
    assert headers["odata-version"] == "4.0"
    if answer.content:
        # The documents that describe the service have types of their own.
        documents = ("application/xml;charset=utf-8", "application/json")
        assert headers["content-type"] in (JSON, "text/plain", *documents)
        assert headers["content-length"] == str(len(answer.content))
    else:
        assert "json" not in headers.get("content-type", "")
        assert headers.get("content-length", "0") == "0"


def refused(answer: Answer, status: int, code: str, target: str | None = None) -> str:
    """Check a refusal: status, code, what it is about, and Graph's whole envelope. Returns the message."""
    well_formed(answer)
    assert answer.headers["content-type"] == JSON, answer
    assert list(answer.json) == ["error"], answer
    error = answer.error
    assert (answer.status, error["code"], error.get("target")) == (status, code, target), error
    names = ["code", "message", "innerError"] if target is None else ["code", "message", "target", "innerError"]
    assert list(error) == names
    inner = error["innerError"]
    assert list(inner) == ["date", "request-id", "client-request-id"]
    assert _DATE.fullmatch(inner["date"])
    assert inner["request-id"] == answer.headers["request-id"]
    assert inner["client-request-id"] == answer.headers["client-request-id"]
    message: str = error["message"]
    assert message
    return message
