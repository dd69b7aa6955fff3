"""inReplyTo: whatever can be asked of a post can be asked by way of the one that answers it, over several hops."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.harness import KEPT, ROADS, Graph, Place, open_extension, recipient
from tests.protocol.shapes import refused

# The published operations below inReplyTo.
ROWS = ("GET post", "GET post/extensions", "POST post/extensions", "GET extension", "POST post/reply")


def chain(graph: Graph) -> tuple[Place, Place, Place]:
    """Three posts, each of which answers the one before."""
    adele = graph.as_("AdeleV")
    first = adele.start(content="first", extensions=[open_extension(n=1)])
    second = adele.reply(first, "second", to_post=True, extensions=[open_extension(n=2)])
    return first, second, adele.reply(second, "third", to_post=True)


def by_way(place: Place, road: str, hops: int) -> str:
    """The context URL of what a post answers."""
    return f"{place.context(road, 'threads', 'posts')}('{quote(place.post)}')" + "/inReplyTo" * hops


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("hops", [1, 2])
def test_the_post_itself(graph: Graph, road: str, hops: int) -> None:
    first, second, third = chain(graph)
    adele, wanted = graph.as_("AdeleV"), (second, first)[hops - 1]
    path = third.post_path(road) + "/inReplyTo" * hops
    found = adele.get(path).json
    context = by_way(third, road, hops)
    assert found.pop("@odata.context") == f"{context}/$entity"
    direct = adele.get(wanted.post_path(road)).json
    del direct["@odata.context"]
    assert found == direct
    assert adele.get(f"{path}?$select=body").json["body"]["content"] == ("second", "first")[hops - 1]
    assert adele.get(f"{path}?$expand=extensions").json["extensions"][0]["n"] == (2, 1)[hops - 1]


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("hops", [1, 2])
def test_its_extensions(graph: Graph, road: str, hops: int) -> None:
    first, second, third = chain(graph)
    adele, wanted = graph.as_("AdeleV"), (second, first)[hops - 1]
    path = third.post_path(road) + "/inReplyTo" * hops + "/extensions"
    assert adele.get(path).value == adele.get(f"{wanted.post_path(road)}/extensions").value
    assert adele.get(f"{path}/$count").text == "1"
    graph.changes()
    made = adele.post(path, open_extension("Com.New", x=1))
    assert made.status == 201
    assert made.json["@odata.context"] == f"{by_way(third, road, hops)}/extensions/$entity"
    assert adele.get(f"{wanted.post_path(road)}/extensions/Com.New").json["x"] == 1
    assert adele.patch(f"{path}/Com.New", {"x": 2}).json["x"] == 2
    assert adele.get(f"{path}/com.new").json["x"] == 2
    assert adele.delete(f"{path}/Com.New").status == 204
    refused(adele.get(f"{wanted.post_path(road)}/extensions/Com.New"), 404, "ErrorItemNotFound")
    happened = ("created", "updated", "deleted")
    assert graph.changes() == [line for kind in happened for line in ("updated post", f"{kind} extension")]
    assert adele.get(f"{third.post_path()}/extensions").value == []


@pytest.mark.parametrize("road", ROADS)
def test_replying_and_forwarding(graph: Graph, road: str) -> None:
    first, _, third = chain(graph)
    adele = graph.as_("AdeleV")
    path = f"{third.post_path(road)}/inReplyTo/inReplyTo"
    assert adele.post(f"{path}/reply", {"Post": {"body": {"content": "fourth"}}}).status == 202
    assert adele.get(f"{adele.newest(third).post_path()}/inReplyTo").json["id"] == first.post
    assert adele.post(f"{path}/microsoft.graph.forward", {"ToRecipients": [recipient("LeeG")]}).status == 200


@pytest.mark.parametrize("road", ROADS)
def test_where_the_chain_ends(graph: Graph, road: str) -> None:
    first, _, third = chain(graph)
    adele = graph.as_("AdeleV")
    for path in (f"{first.post_path(road)}/inReplyTo", f"{third.post_path(road)}/inReplyTo/inReplyTo/inReplyTo"):
        refused(adele.get(path), 404, "ErrorItemNotFound")
        for tail in ("/extensions", "/extensions/$count", f"/extensions/{KEPT}"):
            refused(adele.get(path + tail), 404, "ErrorItemNotFound")
        refused(adele.post(f"{path}/extensions", open_extension()), 404, "ErrorItemNotFound")
        refused(adele.post(f"{path}/reply", {"post": {}}), 404, "ErrorItemNotFound")


def test_whose_post_it_is_decides(graph: Graph) -> None:
    """Alex answered Adele: her post is still hers."""
    place = graph.as_("AdeleV").start()
    answer = graph.as_("AlexW").reply(place, to_post=True)
    path = f"{answer.post_path()}/inReplyTo/extensions"
    refused(graph.as_("AlexW").post(path, open_extension()), 403, "ErrorAccessDenied")
    assert graph.as_("AlexW").post(f"{answer.post_path()}/extensions", open_extension()).status == 201
