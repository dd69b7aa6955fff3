"""Skip tokens: what goes in comes out; anything else is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.odata.tokens import Value, decode, encode
from folkmoot.refusals import BadClause

VALUES = st.lists(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
)


@given(VALUES, st.text())
def test_round_trip(values: list[Value], shape: str) -> None:
    token = encode(values, shape)
    assert decode(token, shape) == tuple(values)
    assert token.replace("-", "").replace("_", "").isalnum()
    with pytest.raises(BadClause, match="start again from the first page"):
        decode(token, shape + "x")


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]*", fullmatch=True) | st.binary().map(lambda data: data.hex()))
def test_damaged(text: str) -> None:
    with pytest.raises(BadClause):
        decode(text, "shape")


def test_types() -> None:
    token = encode([1, "a", None], "s")
    assert decode(token, "s", types=(int, str, str)) == (1, "a", None)
    for types in ((int, str), (str, str, str), (bool, str, str)):
        with pytest.raises(BadClause):
            decode(token, "s", types=types)
    with pytest.raises(BadClause):
        decode(encode([True], "s"), "s", types=(int,))


@pytest.mark.parametrize("value", ["a\x00", "\ud800", 2**63, -(2**63) - 1, float("nan"), float("inf")])
def test_values_that_no_column_holds(value: Value) -> None:
    with pytest.raises(ValueError, match="a token holds"):
        encode([value], "s")
