"""Every published operation that is served, asked with whatever its description allows and with what it does not.

Schemathesis makes up parameters and bodies; most paths name what is there, so that most requests get far. Checked is
that nothing fails, and that each answer has the status, type and form that are published for it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.errors import InvalidSchema

from tests.conformance.effort import bounded
from tests.conformance.options import options
from tests.conformance.published import operations, published_only, schema
from tests.conformance.there import Things, body, query
from tests.harness import DATABASES, ROOT, Answer, Workshop
from tests.protocol.shapes import refused

load_all_checks()
CHECKED: list[Any] = CHECKS.get_by_names(
    ["status_code_conformance", "content_type_conformance", "response_schema_conformance"]
)

malformed = st.sampled_from(
    ["x", "nonsense", "0", "''", "a b", "%", "é", "AAQkAA==", "00000000-0000-4000-8000-000000000000", "x" * 400, "$x"]
)
most = st.sampled_from([True, True, True, False])


@published_only
@pytest.mark.parametrize(("method", "path"), operations(), ids=lambda part: str(part))
def test_it_answers_as_it_is_published_to(workshop: Workshop, method: str, path: str) -> None:
    both = [Things(workshop.graph(database)) for database in DATABASES]
    operation = schema()[path][method]
    cases = operation.as_strategy(generation_mode=GenerationMode.POSITIVE) | operation.as_strategy(
        generation_mode=GenerationMode.NEGATIVE
    )
    sensible = options(path)

    # What is made up takes longer than the answers to it, so both databases are asked the same.
    @bounded(8)
    @given(data=st.data())
    def ask(data: st.DataObject) -> None:
        case = made_up(data, cases)
        named, known = data.draw(most), data.draw(most)
        if not named and data.draw(most):
            case.path_parameters = {name: data.draw(malformed) for name in case.path_parameters}
        if data.draw(most):
            case.query = data.draw(sensible) if method == "GET" else query(path)
        if known:
            case.body = body(path, case.body)
        for things in both:
            if named:
                case.path_parameters = things.keys(path, data)
            check(case, things.send(case))

    ask()


def made_up(data: st.DataObject, cases: st.SearchStrategy[Case[Any]]) -> Case[Any]:
    """A request. Schemathesis gives up on some of what holds more of its own kind, such as a post's inReplyTo."""
    try:
        return data.draw(cases)
    except InvalidSchema:
        reject()


def check(case: Case[Any], answer: Answer) -> None:
    """Hold an answer against what is published, and a refusal against the one form that they all have."""
    assert answer.status < 500, answer
    if answer.status >= 400:
        refused(answer, answer.status, answer.error["code"], answer.target)
    elif answer.content or answer.status == 204:
        assert answer.status in (200, 201, 204), answer
    else:
        assert answer.headers["content-type"] == "text/plain"  # nothing, and it says that it is no JSON
        return
    case.validate_response(as_httpx(case, answer), checks=CHECKED)


def as_httpx(case: Case[Any], answer: Answer) -> httpx.Response:
    """The answer in the form that Schemathesis takes."""
    request = httpx.Request(case.method, f"{ROOT}{quote(case.path)}")
    got = httpx.Response(answer.status, headers=answer.headers, content=answer.content, request=request)
    got.elapsed = timedelta()
    return got
