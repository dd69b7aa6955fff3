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
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from tests.conformance.effort import bounded
from tests.conformance.options import options
from tests.conformance.published import operations, published_only, schema
from tests.conformance.there import Things
from tests.harness import ROOT, Answer, Graph
from tests.protocol.shapes import refused

load_all_checks()
CHECKED = CHECKS.get_by_names(["status_code_conformance", "content_type_conformance", "response_schema_conformance"])

malformed = st.sampled_from(
    ["x", "nonsense", "0", "''", "a b", "%", "é", "AAQkAA==", "00000000-0000-4000-8000-000000000000", "x" * 400, "$x"]
)
most = st.sampled_from([True, True, True, False])


@published_only
@pytest.mark.parametrize(("method", "path"), operations(), ids=lambda part: str(part))
def test_it_answers_as_it_is_published_to(graph: Graph, method: str, path: str) -> None:
    things = Things(graph)
    operation = schema()[path][method]
    cases = operation.as_strategy(generation_mode=GenerationMode.POSITIVE) | operation.as_strategy(
        generation_mode=GenerationMode.NEGATIVE
    )
    sensible = options(path)

    @bounded(10)
    @given(data=st.data())
    def ask(data: st.DataObject) -> None:
        case = data.draw(cases)
        if data.draw(most):
            case.path_parameters = things.keys(path, data)
        elif data.draw(most):
            case.path_parameters = {name: data.draw(malformed) for name in case.path_parameters}
        if data.draw(most):
            case.query = data.draw(sensible) if method == "GET" else things.query(path)
        if data.draw(most):
            case.body = things.body(path, case.body)
        check(case, things.send(case))

    ask()


def check(case: Case[Any], answer: Answer) -> None:
    """Hold an answer against what is published, and a refusal against the one form that they all have."""
    assert answer.status < 500 or (answer.status == 501 and "not supported" in answer.error["message"]), answer
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
