"""Whatever tokens, ids and JSON are sent: never a failure of the server. `test_fuzz` has paths, queries and bodies."""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64encode
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from folkmoot.auth.tokens import GRAPH
from tests.fuzz.targets import signed
from tests.harness import ORIGIN, PERSON, Graph
from tests.protocol.library import Library
from tests.protocol.rows import EVERYTHING, REQUESTS
from tests.protocol.test_fuzz import NAMES, authorised, sound, strange

bounded = settings(
    derandomize="FOLKMOOT_FUZZ" not in os.environ,
    database=None,
    deadline=None,
    max_examples=int(os.environ.get("FOLKMOOT_FUZZ", "1")) * 60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────

numbers = st.sampled_from("0 -0 1 -1 1.5 1e999 -1e999 1e-400 9223372036854775808 NaN Infinity -Infinity 01".split())  # noqa: SIM905
texts = (strange | st.sampled_from([*PERSON.values(), GRAPH, "none", "HS256", "RS256"])).map(json.dumps)
# JSON as text: with what no encoder writes.
odd = st.recursive(
    numbers | texts | st.sampled_from(["null", "true", '"\\ud800"', '"\\u0000"', '"\\', "{", "]", ""]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda each: f"[{','.join(each)}]")
        | st.lists(st.tuples(texts, inner), max_size=3).map(
            lambda each: "{" + ",".join(f"{name}:{value}" for name, value in each) + "}"
        )
        | inner.map(lambda text: "[" * 2000 + text + "]" * 2000)
    ),
    max_leaves=4,
)


def claims_of(graph: Graph) -> dict[str, str]:
    """Claims that are taken, each as JSON."""
    now = int(graph.clock())
    told: dict[str, Any] = {
        "aud": GRAPH,
        "iss": f"{ORIGIN}/{graph.settings.tenant_id}/v2.0",
        "nbf": now,
        "exp": now + 60,
        "tid": graph.settings.tenant_id,
        "appid": PERSON["AdeleV"],
        "azp": PERSON["AdeleV"],
        "idtyp": "user",
        "oid": PERSON["AdeleV"],
        "scp": "Group.Read.All User.Read",
        "name": "Adele",
        "upn": "adelev@contoso.onmicrosoft.com",
    }
    return {name: json.dumps(value) for name, value in told.items()}


def asked_by(graph: Graph, token: str) -> int:
    answer = graph.send_raw("GET", b"/v1.0/me", headers=[(b"authorization", f"Bearer {token}".encode())])
    sound(answer)
    return answer.status


CLAIMS = "aud iss nbf exp tid appid azp idtyp oid scp roles name upn idp cnf preferred_username unique_name x".split()  # noqa: SIM905


@bounded
@given(changed=st.lists(st.tuples(st.sampled_from(CLAIMS), odd), min_size=1, max_size=2))
def test_any_claims_that_are_signed(any_library: Library, changed: list[tuple[str, str]]) -> None:
    graph = any_library.graph
    told = [*claims_of(graph).items(), *changed]  # the last of two that are called alike
    text = "{" + ",".join(f'"{name}":{value}' for name, value in told) + "}"
    asked_by(graph, signed(graph.key, text.encode("utf-8", "surrogatepass")))


def test_claims_as_they_should_be_are_taken(any_library: Library) -> None:
    """What the others change would be accepted."""
    graph = any_library.graph
    text = "{" + ",".join(f'"{name}":{value}' for name, value in claims_of(graph).items()) + "}"
    assert asked_by(graph, signed(graph.key, text.encode())) == 200


@bounded
@given(
    header=odd, name=st.sampled_from(["alg", "kid", "typ", "crit", "jku", "jwk", "x5c", "b64"]), all_of_it=st.booleans()
)
@example(header='"none"', name="alg", all_of_it=False)
def test_any_header_of_a_token_is_refused(any_library: Library, header: str, name: str, all_of_it: bool) -> None:
    graph = any_library.graph
    good = signed(graph.key, b"{}").split(".")
    text = header if all_of_it else f'{{"typ":"JWT","alg":"RS256","kid":"{graph.key.kid}","{name}":{header}}}'
    changed = urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")
    assert asked_by(graph, ".".join((changed, *good[1:]))) == 401


# ── ids ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@bounded
@given(data=st.data())
def test_any_id(any_library: Library, data: st.DataObject) -> None:
    """Ids with some of their characters changed: another length, another kind, another group."""
    place = data.draw(st.sampled_from([any_library.launch, any_library.private]))
    ids = [place.group, place.conversation, place.thread, place.post]
    at = data.draw(st.integers(0, 3))
    id = list(data.draw(st.sampled_from(ids)))
    for _ in range(data.draw(st.integers(0, 3))):
        where = data.draw(st.integers(0, len(id) - 1))
        id[where : where + data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from([*"AQz09-_=", "%2B", "%00", "é", ""])
        )
    ids[at] = "".join(id)
    path = "/v1.0/groups/{}/conversations/{}/threads/{}/posts/{}".format(*ids)
    sound(any_library.graph.send_raw("GET", path.encode(), headers=authorised(any_library.as_("AdeleV"))))


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

BODIES = [request for request in REQUESTS if isinstance(request.body, dict)]


@bounded
@given(data=st.data())
def test_any_json(any_graph: Graph, data: st.DataObject) -> None:
    """Numbers that no one can hold, names twice, halves of characters, and depth, in place of a property or beside."""
    place = any_graph.as_("AdeleV").start()
    request = data.draw(st.sampled_from(BODIES))
    told = {name: json.dumps(value) for name, value in request.body.items()}
    added = data.draw(st.lists(st.tuples(st.sampled_from([*told, *NAMES]), odd), min_size=1, max_size=2))
    text = "{" + ",".join(f'"{name}":{value}' for name, value in [*told.items(), *added]) + "}"
    body = text.encode("utf-8", "surrogatepass")
    who = any_graph.as_("admin" if "user" in request.row else "AdeleV", scopes=EVERYTHING)
    sound(who.with_body(request.method, request.path(place), body, request.headers or {}))
