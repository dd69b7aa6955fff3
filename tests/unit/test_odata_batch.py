"""The framing of JSON batches: text in, requests out, or the property at fault."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from folkmoot.odata.batch import Item, parse_batch, split_url
from folkmoot.refusals import BadBody


def batch(*items: Any) -> bytes:
    return json.dumps({"requests": list(items)}).encode()


def get(id: Any, **more: Any) -> dict[str, Any]:
    return {"id": id, "method": "GET", "url": "/me", **more}


def test_an_item_with_everything() -> None:
    item = get(
        "1", method="post", headers={"Content-TYPE": "application/json", "Authorization": "x"}, body={"a": [1, "é"]}
    )
    [found] = parse_batch(batch(item))
    assert found == Item("1", "POST", "/me", {"content-type": "application/json"}, found.body, ())
    assert json.loads(found.body) == {"a": [1, "é"]}


def test_an_item_with_as_little_as_possible() -> None:
    assert parse_batch(batch(get("1"))) == (Item("1", "GET", "/me", {}, b"", ()),)
    assert parse_batch(batch(get("1", headers=None, body=None, dependsOn=None))) == parse_batch(batch(get("1")))


def test_names_are_read_in_any_case_and_others_left_aside() -> None:
    raw = b'{"Requests": [{"ID": "1", "Method": "GET", "URL": "/me", "atomicityGroup": "g", "x": [{}]}], "y": 1}'
    assert parse_batch(raw) == (Item("1", "GET", "/me", {}, b"", ()),)


def read(raw: bytes) -> object:
    """The items, or the refusal's words and target."""
    try:
        return parse_batch(raw)
    except BadBody as refusal:
        return refusal.message, refusal.target


SOME: st.SearchStrategy[object] = st.one_of(
    st.none(), st.booleans(), st.integers(0, 9), st.sampled_from(["", "1", "GET", "/me"]), st.just([])
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "id": st.one_of(st.sampled_from(["1", "2", "a", "A", ""]), SOME),
                "method": st.one_of(st.sampled_from(["GET", "post", "HEAD"]), SOME),
                "url": st.one_of(st.sampled_from(["/me", "/groups?$top=1", " ", "\x01"]), SOME),
            },
            optional={
                "headers": st.one_of(st.just({"Accept": "a"}), st.just({"a b": "c"}), SOME),
                "body": st.one_of(st.just({"a": 1}), SOME),
                "dependsOn": st.one_of(st.lists(st.sampled_from(["1", "2", "x"]), max_size=2), SOME),
                "depends_on": st.one_of(st.lists(st.sampled_from(["1", "2"]), max_size=2), SOME),
            },
        ),
        max_size=3,
    )
)
def test_names_written_as_documented_and_otherwise_are_read_alike(items: list[dict[str, Any]]) -> None:
    others = [{name.upper() if name != "id" else "Id": value for name, value in item.items()} for item in items]
    assert read(batch(*items)) == read(batch(*others))


@pytest.mark.parametrize(
    ("items", "after"),
    [
        ([get("1"), get("2"), get("3")], [(), (), ()]),
        ([get("1"), get("2", dependsOn=["1"]), get("3", dependsOn=["2"])], [(), (0,), (1,)]),
        ([get("1", dependsOn=["3"]), get("2", dependsOn=["3"]), get("3")], [(2,), (2,), ()]),
        ([get("a"), get("b", dependsOn=[]), get("c", dependsOn=["A", "b", "a"])], [(), (), (0, 1)]),
        ([get("1", depends_on=[]), get("2", depends_on=["1"])], [(), (0,)]),
        ([get("1"), get("2"), get("3", depends_on=["1"], dependsOn=["2"])], [(), (), (1, 0)]),
    ],
)
def test_what_waits_for_what(items: list[Any], after: list[tuple[int, ...]]) -> None:
    assert [item.after for item in parse_batch(batch(*items))] == after


@pytest.mark.parametrize(
    ("body", "headers", "sent"),
    [
        ({"a": 1}, {}, b'{"a": 1}'),
        ([1], {}, b"[1]"),
        (base64.b64encode(b"\x00\xff\x3e").decode(), {"Content-Type": "image/png"}, b"\x00\xff\x3e"),
        (base64.urlsafe_b64encode(b"\xfb\xff\xbf").decode(), {"content-type": "image/png"}, b"\xfb\xff\xbf"),
        (base64.b64encode(b"[1]").decode(), {"content-type": "application/json"}, b"[1]"),
        ("no base64!", {"content-type": "application/json"}, b'"no base64!"'),
        ("no base64!", {}, b'"no base64!"'),
        ("", {}, b""),
        (7, {}, b"7"),
    ],
)
def test_what_is_sent_as_the_body(body: Any, headers: Any, sent: bytes) -> None:
    assert parse_batch(batch(get("1", headers=headers, body=body)))[0].body == sent


@pytest.mark.parametrize(
    ("raw", "target"),
    [
        (b"", None),
        (b"[]", None),
        (b"{", None),
        (b"\xff", None),
        (b'{"requests":' + b"[" * 100_000, None),
        (b"{}", "requests"),
        (b'{"requests": null}', "requests"),
        (b'{"requests": {}}', "requests"),
        (batch(), "requests"),
        (batch(*(get(str(n)) for n in range(21))), "requests"),
        (batch(get("1"), 5), "requests[1]"),
        (batch({"method": "GET", "url": "/me"}), "requests[0].id"),
        (batch(get(1.5)), "requests[0].id"),
        (batch(get("1"), get(1)), "requests[1].id"),
        (batch(get("")), "requests[0].id"),
        (batch(get("a"), get("A")), "requests[1].id"),
        (batch({"id": "1", "url": "/me"}), "requests[0].method"),
        (batch(get("1", method="TRACE")), "requests[0].method"),
        (batch(get("1", method=None)), "requests[0].method"),
        (batch({"id": "1", "method": "GET"}), "requests[0].url"),
        (batch(get("1", url=" ")), "requests[0].url"),
        (batch(get("1", url="/me\n")), "requests[0].url"),
        (batch(get("1"), get("2", headers=[])), "requests[1].headers"),
        (batch(get("1", headers={"a": 1})), "requests[0].headers"),
        (batch(get("1", headers={"a b": "1"})), "requests[0].headers"),
        (batch(get("1", headers={"a": "x\r\ny: z"})), "requests[0].headers"),
        (batch(get("1", headers={"content-type": "image/png"}, body="é")), "requests[0].body"),
        (batch(get("1", dependsOn=["2"])), "requests[0].dependsOn"),
        (batch(get("1", dependsOn="2")), "requests[0].dependsOn"),
        (batch(get("1", depends_on=[2])), "requests[0].depends_on"),
        (batch(get("1", dependsOn=["1"])), "requests[0].dependsOn"),
        (batch(get("0"), get("1", dependsOn=["2"]), get("2", dependsOn=["1"])), "requests[1].dependsOn"),
    ],
)
def test_what_makes_a_batch_unusable(raw: bytes, target: str | None) -> None:
    with pytest.raises(BadBody) as refused:
        parse_batch(raw)
    assert refused.value.target == target
    assert target is None or target in refused.value.message


HOSTS = frozenset(("localhost:8443", "graph.microsoft.com"))


@pytest.mark.parametrize(
    ("url", "path", "query"),
    [
        ("/me", "/v1.0/me", ""),
        ("me", "/v1.0/me", ""),
        ("/v1.0/me", "/v1.0/me", ""),
        ("v1.0/me", "/v1.0/me", ""),
        ("https://localhost:8443/v1.0/me?$select=id", "/v1.0/me", "$select=id"),
        ("HTTPS://Graph.Microsoft.com/v1.0/me#x", "/v1.0/me", ""),
        ("https://graph.microsoft.com", "/v1.0/", ""),
        ("/groups/x?$filter=topic eq 'é?#'", "/v1.0/groups/x", "$filter=topic%20eq%20'%C3%A9?"),
        ("/groups/a%2Fb?$filter=a%20eq%201", "/v1.0/groups/a%2Fb", "$filter=a%20eq%201"),
        ("/groups?$search=https://x", "/v1.0/groups", "$search=https://x"),
        ("/beta/me", "/v1.0/beta/me", ""),
    ],
)
def test_urls(url: str, path: str, query: str) -> None:
    assert split_url(url, "/v1.0", HOSTS, "requests[0].url") == (path, query)


@pytest.mark.parametrize("url", ["https://elsewhere.example/v1.0/me", "ftp://localhost:8443/v1.0/me", "https://[/x"])
def test_urls_that_lead_elsewhere(url: str) -> None:
    with pytest.raises(BadBody) as refused:
        split_url(url, "/v1.0", HOSTS, "requests[0].url")
    assert refused.value.target == "requests[0].url"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.sampled_from(["1", "GET", "/me", "a", "A"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(["id", "method", "url", "headers", "body", "dependsOn", "depends_on", "ID", "x"])
items = st.builds(
    lambda id, more: get(id) | more,
    st.sampled_from(["1", "2", "a", "A"]),
    st.dictionaries(names, values | st.lists(st.sampled_from(["1", "2", "a"]), max_size=2), max_size=3),
)


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(st.lists(items | values, max_size=4) | values)
def test_whatever_is_sent_is_read_or_refused(given: Any) -> None:
    try:
        found = parse_batch(json.dumps({"requests": given}).encode())
    except BadBody:
        return
    assert 1 <= len(found) <= 20
    assert len({item.id.lower() for item in found}) == len(found)


@settings(derandomize=True, database=None, deadline=None, max_examples=200)
@given(st.binary(max_size=60))
def test_whatever_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(BadBody):
        parse_batch(raw)


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(st.text(max_size=40) | st.from_regex(r"(https?://)?[a-z:@\[\]0-9.]*(/v1\.0)?/?.{0,10}"))
def test_whatever_url_becomes_ascii_below_the_version_or_is_refused(url: str) -> None:
    try:
        path, query = split_url(url, "/v1.0", HOSTS, "url")
    except BadBody:
        return
    assert path == "/v1.0" or path.startswith("/v1.0/")
    assert (path + query).isascii()
