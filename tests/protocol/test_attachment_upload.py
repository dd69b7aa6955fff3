"""POST post/attachments/createUploadSession, and the upload URL: PUT, GET and DELETE without a token."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from sqlalchemy import select

from folkmoot import erasing, lab
from folkmoot.ops import uploads
from folkmoot.ops.uploads import LIFETIME
from folkmoot.store import schema
from folkmoot.store.db import Statement
from tests.harness import PERSON, ROADS, ROOT, Answer, Client, Graph, Place, iso
from tests.protocol.rows import EXTENDED
from tests.protocol.shapes import refused, well_formed
from tests.protocol.test_attachment_add import told
from tests.protocol.test_attachment_delete import stored
from tests.protocol.test_grants import READ, WRITE, by_grant, give

ROW = "POST post/attachments/createUploadSession"

SIZE = 3_200_000
FILE = bytes(n % 251 for n in range(SIZE))
MEBIBYTE = 1_048_576


def item(**more: Any) -> dict[str, Any]:
    return {"AttachmentItem": {"attachmentType": "file", "name": "large.bin", "size": SIZE, **more}}


def opened(client: Client, place: Place, **more: Any) -> str:
    """The upload URL of a new session."""
    answer = client.post(f"{place.post_path()}/attachments/createUploadSession", item(**more))
    assert answer.status == 201, answer
    url: str = answer.json["uploadUrl"]
    return url


def put(graph: Graph, url: str, first: int, last: int, *, total: int = SIZE, data: bytes | None = None) -> Answer:
    """Send the bytes from `first` to `last`, without a token."""
    content = FILE[first : last + 1] if data is None else data
    headers = {"Content-Range": f"bytes {first}-{last}/{total}", "Content-Type": "application/octet-stream"}
    return graph.nobody().send("PUT", url, content=content, headers=headers)


def expected(graph: Graph, url: str) -> list[str]:
    """What the session waits for."""
    answer = graph.nobody().get(url)
    assert answer.status == 200, answer
    ranges: list[str] = answer.json["nextExpectedRanges"]
    return ranges


@pytest.fixture
def place(graph: Graph) -> Place:
    return graph.as_("AdeleV").start()


@pytest.mark.parametrize("road", ROADS)
def test_it_works(graph: Graph, place: Place, road: str) -> None:
    adele = graph.as_("AdeleV")
    path = f"{place.post_path(road)}/attachments"
    graph.changes()
    made = adele.post(f"{path}/createUploadSession", item(contentType="video/mp4", contentId="v"))
    well_formed(made)
    assert made.status == 201
    url = made.json["uploadUrl"]
    assert made.json == {
        "@odata.context": f"{ROOT}/$metadata#microsoft.graph.uploadSession",
        "uploadUrl": url,
        "expirationDateTime": iso(graph.clock.now + LIFETIME),
        "nextExpectedRanges": ["0-"],
    }
    assert url.startswith("https://localhost:8443/uploads/")
    graph.clock.advance(60)
    answer = put(graph, url, 0, 1_999_999)
    well_formed(answer)
    assert answer.status == 200
    later = iso(graph.clock.now + LIFETIME)
    assert answer.json == {"expirationDateTime": later, "nextExpectedRanges": [f"2000000-{SIZE - 1}"]}
    assert graph.nobody().get(url).json == answer.json
    assert adele.get(path).ids == []
    assert graph.changes() == []
    last = put(graph, url, 2_000_000, SIZE - 1)
    well_formed(last)
    assert (last.status, last.content) == (201, b"")
    assert graph.changes() == ["updated post", "created attachment", "updated thread", "updated conversation"]
    assert told(graph, place) == [True, True, True]
    (id,) = adele.get(path).ids
    assert unquote(last.headers["location"]) == unquote(f"{ROOT}{place.post_path()}/attachments/{id}")
    found = adele.get(f"{path}/{id}?$select=name,size,contentType").json
    assert (found["name"], found["size"], found["contentType"]) == ("large.bin", SIZE, "video/mp4")
    assert adele.get(f"{path}/{id}/$value").content == FILE
    assert expected(graph, url) == []


@pytest.mark.parametrize("name", ["AttachmentItem", "attachmentItem", "ATTACHMENTITEM"])
@pytest.mark.parametrize("action", ["createUploadSession", "microsoft.graph.createUploadSession"])
def test_names_in_any_case(graph: Graph, place: Place, name: str, action: str) -> None:
    body = {name: {"attachmentType": "FILE", "Name": "a", "size": SIZE}}
    answer = graph.as_("AdeleV").post(f"{place.post_path()}/attachments/{action}", body)
    assert answer.status == 201


def test_how_many_may_be_under_way(graph: Graph, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_OPEN", 2)
    adele, path = graph.as_("AdeleV"), f"{place.post_path()}/attachments/createUploadSession"
    first = opened(adele, place)
    second = opened(adele, place)
    assert adele.post(path, item()).refusal == (403, "quotaLimitReached")
    opened(graph.as_("AlexW"), graph.as_("AlexW").start())  # each has their own
    assert put(graph, first, 0, SIZE - 1).status == 201
    third = opened(adele, place)
    assert adele.post(path, item()).status == 403
    assert graph.send("DELETE", third, None, {}).status == 204
    left = opened(adele, place)
    graph.clock.advance(3_599)
    assert adele.post(path, item()).status == 403
    graph.clock.advance(1)
    opened(adele, place)  # in place of one that was left behind
    assert [graph.send("GET", url, None, {}).status for url in (second, left)] == [404, 200]


@pytest.mark.parametrize("size", [1_000_000, MEBIBYTE, MEBIBYTE + 1, SIZE])
def test_ranges_of_any_size(graph: Graph, place: Place, size: int) -> None:
    adele = graph.as_("AdeleV")
    url = opened(adele, place)
    for first in range(0, SIZE, size):
        answer = put(graph, url, first, min(first + size, SIZE) - 1)
    assert answer.status == 201
    assert adele.get(f"{answer.headers['location']}/$value").content == FILE


def test_a_body_that_comes_in_many_small_parts(graph: Graph, place: Place) -> None:
    url = opened(graph.as_("AdeleV"), place)
    parts = [FILE[n : n + 65_536] for n in range(0, SIZE, 65_536)]
    answer = graph.send_raw(
        "PUT",
        urlsplit(url).path.encode(),
        headers=[(b"content-range", f"bytes 0-{SIZE - 1}/{SIZE}".encode())],
        parts=parts,
    )
    assert answer.status == 201
    assert graph.as_("AdeleV").get(f"{answer.headers['location']}/$value").content == FILE


def test_by_way_of_what_was_answered(graph: Graph, place: Place) -> None:
    adele = graph.as_("AdeleV")
    second = adele.reply(place, to_post=True)
    answer = adele.post(f"{second.post_path()}/inReplyTo/attachments/createUploadSession", item())
    assert put(graph, answer.json["uploadUrl"], 0, SIZE - 1).status == 201
    assert len(adele.get(f"{place.post_path()}/attachments").ids) == 1


# ── going on after a cut, and doing the same again ───────────────────────────────────────────────────────────────────


def test_a_cut_connection_loses_nothing_that_was_stored(graph: Graph, place: Place) -> None:
    """The body ends early: what came is kept, and the session says from where to go on."""
    adele = graph.as_("AdeleV")
    url = opened(adele, place)
    assert put(graph, url, 0, 99_999).status == 200
    cut = graph.send_raw(
        "PUT",
        urlsplit(url).path.encode(),
        headers=[(b"content-range", f"bytes 100000-{SIZE - 1}/{SIZE}".encode())],
        parts=[FILE[100_000:2_000_000]],
    )
    refused(cut, 400, "BadRequest", "Content-Length")
    assert expected(graph, url) == [f"2000000-{SIZE - 1}"]
    assert adele.get(f"{place.post_path()}/attachments").ids == []
    answer = put(graph, url, 2_000_000, SIZE - 1)
    assert answer.status == 201
    assert adele.get(f"{answer.headers['location']}/$value").content == FILE


def test_a_range_that_was_not_acknowledged_may_be_sent_again_from_its_start(graph: Graph, place: Place) -> None:
    adele = graph.as_("AdeleV")
    url = opened(adele, place)
    assert put(graph, url, 0, 99_999).status == 200
    wrong = b"\xff" * 2_000_000
    headers = [(b"content-range", f"bytes 100000-{SIZE - 1}/{SIZE}".encode())]
    graph.send_raw("PUT", urlsplit(url).path.encode(), headers=headers, parts=[wrong])
    assert expected(graph, url) == [f"2100000-{SIZE - 1}"]
    answer = put(graph, url, 100_000, SIZE - 1)
    assert answer.status == 201
    assert adele.get(f"{answer.headers['location']}/$value").content == FILE


def test_the_last_range_may_be_sent_again(graph: Graph, place: Place) -> None:
    """The Python SDK does so always, and everybody whose connection broke before the answer."""
    url = opened(graph.as_("AdeleV"), place)
    assert put(graph, url, 0, MEBIBYTE - 1).status == 200
    first = put(graph, url, MEBIBYTE, SIZE - 1)
    graph.changes()
    again = put(graph, url, MEBIBYTE, SIZE - 1)
    assert (first.status, again.status) == (201, 201)
    assert again.headers["location"] == first.headers["location"]
    assert graph.changes() == []
    assert len(graph.as_("AdeleV").get(f"{place.post_path()}/attachments").ids) == 1
    assert put(graph, url, MEBIBYTE, SIZE - 1, data=b"").status == 201
    refused(put(graph, url, 0, MEBIBYTE - 1), 416, "invalidRange", "Content-Range")


# ── what is refused at the URL ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("first", "last", "total"),
    [
        (0, 99_999, SIZE),  # was there already
        (50_000, 149_999, SIZE),  # overlaps
        (100_001, 200_000, SIZE),  # leaves a gap
        (100_000, SIZE, SIZE),  # beyond the end
        (200_000, 100_000, SIZE),
        (100_000, 200_000, SIZE + 1),  # another file
    ],
)
def test_a_range_that_is_not_the_next_one(graph: Graph, place: Place, first: int, last: int, total: int) -> None:
    url = opened(graph.as_("AdeleV"), place)
    assert put(graph, url, 0, 99_999).status == 200
    answer = put(graph, url, first, last, total=total, data=b"x" * max(last - first + 1, 0))
    refused(answer, 416, "invalidRange", "Content-Range")
    assert expected(graph, url) == [f"100000-{SIZE - 1}"]
    assert put(graph, url, 100_000, SIZE - 1).status == 201


@pytest.mark.parametrize("header", [None, "", "0-99/100", "bytes 0-99", "bytes 0-99/*", "bytes a-b/c", "items 0-9/10"])
def test_without_a_range(graph: Graph, place: Place, header: str | None) -> None:
    url = opened(graph.as_("AdeleV"), place)
    headers = {} if header is None else {"Content-Range": header}
    refused(graph.nobody().send("PUT", url, content=b"x", headers=headers), 400, "BadRequest", "Content-Range")


@pytest.mark.parametrize("data", [b"", b"x" * 99_999, b"x" * 100_001])
def test_a_body_of_another_length_than_its_range(graph: Graph, place: Place, data: bytes) -> None:
    url = opened(graph.as_("AdeleV"), place)
    refused(put(graph, url, 0, 99_999, data=data), 400, "BadRequest", "Content-Length")
    assert expected(graph, url) == [f"0-{SIZE - 1}"]


def test_more_than_its_range_without_a_length(graph: Graph, place: Place) -> None:
    url = opened(graph.as_("AdeleV"), place)
    headers = [(b"content-range", f"bytes 0-99/{SIZE}".encode())]
    answer = graph.send_raw("PUT", urlsplit(url).path.encode(), headers=headers, parts=[b"x" * 60, b"x" * 60])
    refused(answer, 400, "BadRequest", "Content-Length")
    assert expected(graph, url) == [f"0-{SIZE - 1}"]


def test_other_methods(graph: Graph, place: Place) -> None:
    url = opened(graph.as_("AdeleV"), place)
    answer = graph.nobody().post(url, {})
    refused(answer, 405, "Request_BadRequest")
    assert answer.headers["allow"] == "GET, PUT, DELETE"


def test_a_url_that_is_not_one_that_was_given(graph: Graph, place: Place) -> None:
    url = opened(graph.as_("AdeleV"), place)
    base, _, token = url.rpartition("/")
    changed = token[:-10] + ("A" if token[-10] != "A" else "B") + token[-9:]
    for wrong in (changed, token[:-1], "x", "", "é", token + "/x", "A" * len(token)):
        refused(graph.nobody().get(f"{base}/{wrong}"), 404, "ErrorItemNotFound")
        refused(put(graph, f"{base}/{wrong}", 0, 9), 404, "ErrorItemNotFound")
        refused(graph.nobody().delete(f"{base}/{wrong}"), 404, "ErrorItemNotFound")
    assert expected(graph, url) == [f"0-{SIZE - 1}"]


def test_the_secret_is_not_kept(graph: Graph, place: Place) -> None:
    token = opened(graph.as_("AdeleV"), place).rpartition("/")[2]
    row = graph.store.read_here(lambda snapshot: snapshot.one(Statement(select(schema.uploads))))
    assert not any(token[43:60] in str(value) for value in row or ())


# ── the life of a session ────────────────────────────────────────────────────────────────────────────────────────────


def test_it_can_be_given_up(graph: Graph, place: Place) -> None:
    url = opened(graph.as_("AdeleV"), place)
    put(graph, url, 0, 1_999_999)
    assert stored(graph) == [0, 2, 1]
    answer = graph.nobody().delete(url)
    well_formed(answer)
    assert answer.status == 204
    assert stored(graph) == [0, 0, 0]
    refused(graph.nobody().get(url), 404, "ErrorItemNotFound")
    refused(put(graph, url, 2_000_000, SIZE - 1), 404, "ErrorItemNotFound")


def test_giving_up_what_is_finished_leaves_the_attachment(graph: Graph, place: Place) -> None:
    url = opened(graph.as_("AdeleV"), place)
    location = put(graph, url, 0, SIZE - 1).headers["location"]
    assert graph.nobody().delete(url).status == 204
    assert graph.as_("AdeleV").get(f"{location}/$value").content == FILE


def test_it_expires_after_a_day_without_a_piece(graph: Graph, place: Place) -> None:
    url = opened(graph.as_("AdeleV"), place)
    graph.clock.advance(LIFETIME - 1)
    assert put(graph, url, 0, 99_999).status == 200
    graph.clock.advance(LIFETIME - 1)
    assert expected(graph, url) == [f"100000-{SIZE - 1}"]
    graph.clock.advance(1)
    refused(graph.nobody().get(url), 404, "ErrorItemNotFound")
    refused(put(graph, url, 100_000, SIZE - 1), 404, "ErrorItemNotFound")


def test_what_expired_is_cleared_away_by_the_next_session(graph: Graph, place: Place) -> None:
    adele = graph.as_("AdeleV")
    put(graph, opened(adele, place), 0, 1_999_999)
    finished = put(graph, opened(adele, place), 0, SIZE - 1).headers["location"]
    assert stored(graph) == [1, 6, 2]
    graph.clock.advance(LIFETIME)
    opened(adele, place)
    assert stored(graph) == [1, 4, 1]
    assert adele.get(f"{finished}/$value").content == FILE


def test_what_expired_goes_also_where_nobody_opens_another_one(graph: Graph, place: Place) -> None:
    adele = graph.as_("AdeleV")
    put(graph, opened(adele, place), 0, 1_999_999)
    opened(adele, place)
    finished = put(graph, opened(adele, place), 0, SIZE - 1).headers["location"]
    graph.clock.advance(LIFETIME - 1)
    lives = opened(adele, place)
    graph.loop.run(erasing.sweep(graph.store))
    assert stored(graph) == [1, 6, 4]
    graph.clock.advance(1)
    graph.loop.run(erasing.sweep(graph.store))
    assert stored(graph) == [1, 4, 1]
    assert adele.get(f"{finished}/$value").content == FILE
    assert put(graph, lives, 0, SIZE - 1).status == 201


def test_a_deleted_attachment_takes_its_session_along(graph: Graph, place: Place) -> None:
    adele = graph.as_("AdeleV")
    url = opened(adele, place)
    location = put(graph, url, 0, SIZE - 1).headers["location"]
    assert adele.delete(location).status == 204
    assert stored(graph) == [0, 0, 0]
    refused(put(graph, url, 0, SIZE - 1), 404, "ErrorItemNotFound")


def test_the_post_is_deleted_meanwhile(graph: Graph, place: Place) -> None:
    adele = graph.as_("AdeleV")
    url = opened(adele, place)
    put(graph, url, 0, 99_999)
    assert adele.delete(place.conversation_path).status == 204
    refused(put(graph, url, 100_000, SIZE - 1), 404, "ErrorItemNotFound")


def test_the_right_to_it_is_lost_meanwhile(graph: Graph) -> None:
    """The URL is the right to send bytes; to attach them is still the right of who asked for it."""
    joni = graph.as_("JoniS")
    place = joni.start(group="HR")
    url = opened(joni, place)
    put(graph, url, 0, 99_999)
    graph.as_("DiegoS").delete(f"{place.group_path}/members/{PERSON['JoniS']}/$ref")
    refused(put(graph, url, 100_000, SIZE - 1), 403, "ErrorAccessDenied")
    assert graph.as_("DiegoS").get(f"{place.post_path()}/attachments").ids == []


def test_the_grant_for_it_is_taken_back_meanwhile(graph: Graph) -> None:
    application, place = by_grant(graph, WRITE)
    diego, path = graph.as_("DiegoS"), f"{place.group_path}/permissionGrants"
    give(graph, READ)
    before = diego.get(f"{place.post_path()}/attachments").ids
    url = opened(application, place)
    assert put(graph, url, 0, 99_999).status == 200
    [id] = diego.get(f"{path}?$filter=permission eq '{WRITE}'").ids
    assert diego.delete(f"{path}/{id}", **EXTENDED).status == 204
    refused(put(graph, url, 100_000, SIZE - 1), 403, "ErrorAccessDenied")
    assert diego.get(f"{place.post_path()}/attachments").ids == before
    give(graph, WRITE)
    assert put(graph, url, 100_000, SIZE - 1).status == 201


def test_roles_need_no_grant(graph: Graph) -> None:
    place = graph.as_("DiegoS").start(group="HR")
    id = give(graph, WRITE, clientAppId=lab.EXTENDED.id)
    url = opened(graph.as_app("extended"), place)
    assert put(graph, url, 0, 99_999).status == 200
    assert graph.as_("DiegoS").delete(f"{place.group_path}/permissionGrants/{id}", **EXTENDED).status == 204
    assert put(graph, url, 100_000, SIZE - 1).status == 201


def test_the_thread_is_locked_meanwhile(graph: Graph, place: Place) -> None:
    adele = graph.as_("AdeleV")
    url = opened(adele, place)
    adele.patch(place.thread_path(), {"isLocked": True})
    refused(put(graph, url, 0, SIZE - 1), 403, "ErrorAccessDenied")


# ── what is refused when it is opened ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wrong", "target"),
    [
        ({"attachmentType": None}, "attachmentItem.attachmentType"),
        ({"attachmentType": "item"}, "attachmentItem.attachmentType"),
        ({"attachmentType": "zip"}, "attachmentItem.attachmentType"),
        ({"name": None}, "attachmentItem.name"),
        ({"name": ""}, "attachmentItem.name"),
        ({"size": None}, "attachmentItem.size"),
        ({"size": 0}, "attachmentItem.size"),
        ({"size": -1}, "attachmentItem.size"),
        ({"size": "4000000"}, "attachmentItem.size"),
        ({"contentType": "x"}, "attachmentItem.contentType"),
    ],
)
def test_a_body_that_is_wrong(graph: Graph, place: Place, wrong: dict[str, Any], target: str) -> None:
    answer = graph.as_("AdeleV").post(f"{place.post_path()}/attachments/createUploadSession", item(**wrong))
    refused(answer, 400, "BadRequest", target)


def test_without_the_parameter(graph: Graph, place: Place) -> None:
    answer = graph.as_("AdeleV").post(f"{place.post_path()}/attachments/createUploadSession", {})
    refused(answer, 400, "BadRequest", "attachmentItem")


def test_a_small_file_is_for_extended_applications(graph: Graph, place: Place) -> None:
    path = f"{place.post_path()}/attachments/createUploadSession"
    code = "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize"
    refused(graph.as_("AdeleV").post(path, item(size=3 * MEBIBYTE - 1)), 400, code, "attachmentItem.size")
    assert graph.as_("AdeleV").post(path, item(size=3 * MEBIBYTE)).status == 201
    url = graph.as_app("extended").post(path, item(size=5)).json["uploadUrl"]
    answer = put(graph, url, 0, 4, total=5)
    assert answer.status == 201
    assert graph.as_("AdeleV").get(f"{answer.headers['location']}/$value").content == FILE[:5]


def test_a_file_that_is_too_large(graph: Graph, place: Place) -> None:
    path = f"{place.post_path()}/attachments/createUploadSession"
    largest = 150 * MEBIBYTE
    answer = graph.as_("AdeleV").post(path, item(size=largest + 1))
    assert str(largest) in refused(answer, 400, "ErrorAttachmentSizeLimitExceeded", "attachmentItem.size")
    assert graph.as_("AdeleV").post(path, item(size=largest)).status == 201


def test_who_may(graph: Graph) -> None:
    alex = graph.as_("AlexW")
    place = alex.start()
    path = f"{place.post_path()}/attachments/createUploadSession"
    for nick in ("IsaiahL", "LeeG", "guest", "admin"):
        refused(graph.as_(nick).post(path, item()), 403, "ErrorAccessDenied")
    refused(graph.as_app("daemon").post(path, item()), 403, "ErrorAccessDenied")
    for client in (alex, graph.as_("MeganB"), graph.as_app("extended")):
        assert client.post(path, item()).status == 201
    unknown = replace(place, thread=alex.start().thread)
    refused(alex.post(f"{unknown.post_path()}/attachments/createUploadSession", item()), 404, "ErrorItemNotFound")
