"""POST post/attachments, and attachments in the posts of new conversations, threads and replies."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.harness import ROADS, Graph, Place, file_attachment, iso
from tests.protocol.shapes import refused, well_formed

ROW = "POST post/attachments"

EVENT = {
    "@odata.type": "#microsoft.graph.itemAttachment",
    "name": "Meeting",
    "item": {"@odata.type": "microsoft.graph.event", "subject": "Meeting"},
}
LINK = {
    "@odata.type": "#microsoft.graph.referenceAttachment",
    "name": "Plans",
    "sourceUrl": "https://files.example/plans",
    "providerType": "oneDriveBusiness",
    "permission": "edit",
    "isFolder": True,
}


def told(graph: Graph, place: Place) -> list[bool]:
    """What hasAttachments says of the post, the thread and the conversation."""
    adele = graph.as_("AdeleV")
    paths = (place.post_path(), place.thread_path(), place.conversation_path)
    return [adele.get(path).json["hasAttachments"] for path in paths]


@pytest.mark.parametrize("road", ROADS)
def test_it_works(graph: Graph, road: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    before = adele.get(place.post_path()).json
    graph.changes()
    graph.clock.advance(60)
    answer = adele.post(f"{place.post_path(road)}/attachments", file_attachment(b"\x00\xff!", contentId="pic"))
    well_formed(answer)
    assert answer.status == 201
    id = answer.json["id"]
    assert answer.json == {
        "@odata.context": f"{place.context(road, 'threads', 'posts', 'attachments')}/$entity",
        "@odata.type": "#microsoft.graph.fileAttachment",
        "id": id,
        "lastModifiedDateTime": iso(graph.clock.now),
        "name": "hello.txt",
        "contentType": "text/plain",
        "size": 3,
        "isInline": False,
        "contentId": "pic",
        "contentLocation": None,
        "contentBytes": base64.b64encode(b"\x00\xff!").decode(),
    }
    assert base64.urlsafe_b64decode(id).startswith(base64.urlsafe_b64decode(place.post))
    assert len(id) > len(place.post)
    assert graph.changes() == ["updated post", "created attachment", "updated thread", "updated conversation"]
    assert told(graph, place) == [True, True, True]
    after = adele.get(place.post_path()).json
    assert after["changeKey"] != before["changeKey"]
    assert after["lastModifiedDateTime"] == iso(graph.clock.now)
    assert adele.get(answer.headers["location"]).json["id"] == id
    adele.attach(place)
    assert graph.changes() == ["updated post", "created attachment"]


def test_by_way_of_what_was_answered(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    first = adele.start()
    second = adele.reply(first, to_post=True)
    made = adele.post(f"{second.post_path()}/inReplyTo/attachments", file_attachment())
    assert made.status == 201
    assert adele.get(f"{first.post_path()}/attachments").ids == [made.json["id"]]
    assert adele.get(f"{second.post_path()}/inReplyTo/attachments/{made.json['id']}").status == 200
    assert adele.get(f"{second.post_path()}/attachments").ids == []
    refused(adele.get(f"{second.post_path()}/attachments/{made.json['id']}"), 404, "ErrorItemNotFound")


def test_an_inline_attachment_is_not_told_of(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.attach(adele.start(), isInline=True)
    assert told(graph, place) == [False, False, False]
    assert len(adele.get(f"{place.post_path()}/attachments").value) == 1


@pytest.mark.parametrize(
    ("spelt", "sent"),
    [
        ("microsoft.graph.fileAttachment", "fileAttachment"),
        ("#Microsoft.OutlookServices.FileAttachment", "fileAttachment"),
        ("#MICROSOFT.GRAPH.FILEATTACHMENT", "fileAttachment"),
        ("#microsoft.graph.itemAttachment", "itemAttachment"),
        ("#graph.referenceAttachment", "referenceAttachment"),
    ],
)
def test_kinds_in_every_spelling(graph: Graph, spelt: str, sent: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    body = {**file_attachment(), **EVENT, "@odata.type": spelt}
    made = adele.post(f"{place.post_path()}/attachments", body)
    assert (made.status, made.json["@odata.type"]) == (201, f"#microsoft.graph.{sent}")


def test_names_in_any_case(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    body = {"@Odata.Type": "#microsoft.graph.fileAttachment", "Name": "A", "ContentBytes": "QUI=", "Size": "x"}
    made = adele.post(f"{place.post_path()}/attachments", body)
    assert (made.status, made.json["contentBytes"], made.json["size"]) == (201, "QUI=", 2)


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("a.PDF", None, "application/pdf"),
        ("a.unheard-of", None, "application/octet-stream"),
        ("a", "", "application/octet-stream"),
        ("a.txt", 'text/html; charset="utf-8"', 'text/html; charset="utf-8"'),
    ],
)
def test_the_type_is_the_given_one_or_that_of_the_name(graph: Graph, name: str, given: str | None, kept: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    body = file_attachment(name=name, contentType=given)
    assert adele.post(f"{place.post_path()}/attachments", body).json["contentType"] == kept


@pytest.mark.parametrize("given", ["AP8h\nAP8h", " AP8hAP8h\r\n", "AP8h AP\t8h"])
def test_base64_may_come_in_lines(graph: Graph, given: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    made = adele.post(f"{place.post_path()}/attachments", file_attachment(contentBytes=given))
    assert (made.status, made.json["contentBytes"], made.json["size"]) == (201, "AP8hAP8h", 6)


def test_an_empty_file(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.attach(adele.start(), b"")
    got = adele.get(place.attachment_path()).json
    assert (got["contentBytes"], got["size"]) == ("", 0)
    assert adele.get(f"{place.attachment_path()}/$value").content == b""


# ── in the bodies of posts ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_conversation_that_begins_with_attachments(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    graph.changes()
    place = adele.start(attachments=[file_attachment(b"one", name="1"), EVENT, LINK])
    assert graph.changes() == [
        *("created post", "created thread", "created conversation"),
        *("created attachment",) * 3,
    ]
    assert told(graph, place) == [True, True, True]
    found = adele.get(f"{place.post_path()}/attachments").value
    assert [each["name"] for each in found] == ["1", "Meeting", "Plans"]
    assert adele.get(f"{place.thread_path()}/posts").value[0]["@odata.etag"]


def test_a_thread_in_a_conversation(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    body = {"topic": "Two", "posts": [{"body": {"content": "x"}, "attachments": [file_attachment()]}]}
    made = adele.post(f"{place.conversation_path}/threads", body)
    assert made.status == 201
    assert adele.get(f"{place.conversation_path}/threads/{made.json['id']}").json["hasAttachments"] is True
    assert told(graph, place) == [False, False, True]


@pytest.mark.parametrize("to_post", [False, True])
def test_a_reply(graph: Graph, to_post: bool) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    graph.changes()
    new = graph.as_("AlexW").reply(place, to_post=to_post, attachments=[file_attachment(b"x" * 3_000_000)])
    assert graph.changes() == ["created post", "updated thread", "updated conversation", "created attachment"]
    assert told(graph, place) == [False, True, True]
    (found,) = adele.get(f"{new.post_path()}/attachments").value
    assert base64.b64decode(found["contentBytes"]) == b"x" * 3_000_000
    # What comes after it forgets nothing.
    adele.reply(place)
    assert told(graph, new) == [True, True, True]


def test_pictures_in_the_text_are_found_by_their_content_id(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    html = '<p>Look: <img src="cid:picture1@here" alt="A"></p>'
    place = adele.start(
        body={"contentType": "html", "content": html},
        attachments=[file_attachment(name="a.png", contentId="picture1@here", isInline=True)],
    )
    assert 'src="cid:picture1@here"' in adele.get(place.post_path()).json["body"]["content"]
    (found,) = adele.get(f"{place.post_path()}/attachments").value
    assert (found["contentId"], found["isInline"], found["contentType"]) == ("picture1@here", True, "image/png")


@pytest.mark.parametrize(("given", "kept"), [("True", True), ("false", False), (True, True)])
def test_whether_a_reference_is_a_folder_may_be_text(graph: Graph, given: object, kept: bool) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    body = {"post": {"body": {"content": "as in the published example"}, "attachments": [{**LINK, "isFolder": given}]}}
    assert adele.post(f"{place.thread_path()}/reply", body).status == 202
    [found] = adele.get(f"{adele.newest(place).post_path()}/attachments?$select=isFolder").value
    assert found["isFolder"] is kept


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"@odata.type": None}, "@odata.type"),
    ({"@odata.type": "#microsoft.graph.attachment"}, "@odata.type"),
    ({"@odata.type": "#other.graph.fileAttachment"}, "@odata.type"),
    ({"name": None}, "name"),
    ({"name": " "}, "name"),
    ({"name": "x" * 256}, "name"),
    ({"name": 5}, "name"),
    ({"contentBytes": None}, "contentBytes"),
    ({"contentBytes": "not base64!"}, "contentBytes"),
    ({"contentBytes": "QUI"}, "contentBytes"),
    ({"contentBytes": 5}, "contentBytes"),
    ({"contentType": "x"}, "contentType"),
    ({"contentType": "text/plain\r\nSet-Cookie: a=b"}, "contentType"),
    ({"isInline": "yes"}, "isInline"),
    ({"contentId": "x" * 256}, "contentId"),
    ({**EVENT, "item": None}, "item"),
    ({**EVENT, "item": "x"}, "item"),
    ({**EVENT, "item": {"subject": "no type"}}, "item.@odata.type"),
    ({**EVENT, "item": {"@odata.type": "#microsoft.graph.user"}}, "item.@odata.type"),
    ({**LINK, "sourceUrl": "x" * 8193}, "sourceUrl"),
    ({**LINK, "isFolder": 1}, "isFolder"),
    ({**LINK, "isFolder": "yes"}, "isFolder"),
]


@pytest.mark.parametrize(("wrong", "target"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_wrong_is_named_by_its_path(graph: Graph, wrong: dict[str, Any], target: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    graph.changes()
    body = {**file_attachment(), **wrong}
    refused(adele.post(f"{place.post_path()}/attachments", body), 400, "BadRequest", target)
    post = {"attachments": [file_attachment(), body]}
    path = f"attachments[1].{target}"
    conversation = {"topic": "x", "threads": [{"posts": [post]}]}
    answer = adele.post(f"/groups/{place.group}/conversations", conversation)
    refused(answer, 400, "BadRequest", f"threads[0].posts[0].{path}")
    refused(adele.post(f"/groups/{place.group}/threads", {"posts": [post]}), 400, "BadRequest", f"posts[0].{path}")
    refused(adele.post(f"{place.thread_path()}/reply", {"post": post}), 400, "BadRequest", f"post.{path}")
    refused(adele.post(f"{place.post_path()}/reply", {"Post": post}), 400, "BadRequest", f"post.{path}")
    assert graph.changes() == []


@pytest.mark.parametrize("name", ["item", "Item"])
def test_an_item_is_nested_no_deeper_than_other_bodies(graph: Graph, name: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    path = f"{place.post_path()}/attachments"

    def nested(depth: int) -> dict[str, Any]:
        lists: list[Any] = []
        for _ in range(depth - 1):
            lists = [lists]
        item = {"@odata.type": "#microsoft.graph.event", "deep": lists}
        return {"@odata.type": EVENT["@odata.type"], "name": "Meeting", name: item}

    assert adele.post(path, nested(63)).status == 201
    for depth in (64, 100, 900):
        answer = adele.post(path, nested(depth))
        refused(answer, 400, "BadRequest", f"item.deep{'[0]' * 63}"[:200])
    answer = adele.post(f"{place.post_path()}/reply", {"post": {"attachments": [nested(61)]}})
    refused(answer, 400, "BadRequest", f"post.attachments[0].item.deep{'[0]' * 60}"[:200])
    assert adele.post(f"{place.post_path()}/reply", {"post": {"attachments": [nested(60)]}}).status == 202


def test_more_than_a_request_may_hold(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    answer = adele.post(f"{place.post_path()}/attachments", file_attachment(b"x" * 3_200_000))
    refused(answer, 413, "RequestEntityTooLarge")
    assert adele.get(f"{place.post_path()}/attachments").ids == []


def test_who_may(graph: Graph) -> None:
    """Who wrote the post, the group's owners, and extended applications."""
    alex = graph.as_("AlexW")
    place = alex.start()
    path = f"{place.post_path()}/attachments"
    graph.changes()
    for nick in ("IsaiahL", "LeeG", "guest", "admin"):
        refused(graph.as_(nick).post(path, file_attachment()), 403, "ErrorAccessDenied")
    refused(graph.as_app("daemon").post(path, file_attachment()), 403, "ErrorAccessDenied")
    assert graph.changes() == []
    for client in (alex, graph.as_("MeganB"), graph.as_app("extended")):
        assert client.post(path, file_attachment()).status == 201


def test_a_locked_thread_takes_none(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    adele.patch(place.thread_path(), {"isLocked": True})
    assert "locked" in refused(
        adele.post(f"{place.post_path()}/attachments", file_attachment()), 403, "ErrorAccessDenied"
    )


def test_a_member_who_replies_may_not_attach_for_another(graph: Graph) -> None:
    place = graph.as_("AlexW").start()
    mine = graph.as_("IsaiahL").reply(place)
    graph.as_("IsaiahL").attach(mine)
    answer = graph.as_("AlexW").post(f"{mine.post_path()}/attachments", file_attachment())
    refused(answer, 403, "ErrorAccessDenied")
