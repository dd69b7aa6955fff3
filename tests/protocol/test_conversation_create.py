"""POST group/conversations: a conversation with one thread and one post."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.harness import GROUP, NAME, ROOT, START, Graph, Place, address, iso, recipient
from tests.protocol.shapes import refused, well_formed

ROW = "POST group/conversations"
GROUP_ID = GROUP["SalesAndMarketing"]
PATH = f"/groups/{GROUP_ID}/conversations"


def body(topic: Any = "Launch", thread: dict[str, Any] | None = None, **post: Any) -> dict[str, Any]:
    first = {"body": {"contentType": "text", "content": "Hello"}, **post}
    return {"topic": topic, "threads": [{"posts": [first], **(thread or {})}]}


def test_it_works(graph: Graph) -> None:
    answer = graph.as_("AdeleV").post(PATH, body())
    well_formed(answer)
    assert answer.status == 201
    made = answer.json
    context = f"{ROOT}/$metadata#groups('{GROUP_ID}')/conversations"
    assert made == {
        "@odata.context": f"{context}/$entity",
        "id": made["id"],
        "threads@odata.context": f"{context}('{quote(made['id'])}')/threads",
        "threads": [{"id": made["threads"][0]["id"]}],
    }
    assert list(made) == ["@odata.context", "id", "threads@odata.context", "threads"]
    assert graph.changes() == ["created post", "created thread", "created conversation"]


def test_the_ids_look_like_the_clouds(graph: Graph) -> None:
    place = graph.as_("AdeleV").start()
    assert (len(place.conversation), place.conversation.count("=")) == (80, 1)
    assert (len(place.thread), place.thread.count("=")) == (108, 2)
    for id in (place.conversation, place.thread, place.post):
        assert not set(id) & set("+/?#%")
    assert place.conversation.startswith("AAQkA")
    assert place.thread.startswith("AAQkA")
    assert place.post.startswith("AAMkA")


def test_what_was_started_is_there(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start("Launch", "Hello, world", newParticipants=[recipient("LeeG")], categories=["Blue"])
    conversation = adele.get(place.conversation_path).json
    del conversation["@odata.context"]
    said = {
        "topic": "Launch",
        "hasAttachments": False,
        "lastDeliveredDateTime": iso(START),
        "uniqueSenders": ["Adele Vance"],
        "preview": "Hello, world",
    }
    assert conversation == {"id": place.conversation, **said}
    thread = adele.get(f"{place.thread_path()}?$select=*,toRecipients,ccRecipients").json
    assert {**said, "isLocked": False}.items() <= thread.items()
    post = adele.get(place.post_path()).json
    assert post["body"] == {"contentType": "text", "content": "Hello, world"}
    assert post["from"] == post["sender"] == recipient("AdeleV")
    assert post["newParticipants"] == [recipient("LeeG")]
    assert post["categories"] == ["Blue"]
    assert post["receivedDateTime"] == post["createdDateTime"] == post["lastModifiedDateTime"] == iso(START)
    assert post["conversationId"] == place.conversation
    assert post["conversationThreadId"] == place.thread


def recipients(graph: Graph, place: Place) -> tuple[list[str], list[str]]:
    """The addresses of a thread's To and Cc recipients."""
    thread = graph.as_("AdeleV").get(f"{place.thread_path()}?$select=toRecipients,ccRecipients").json
    to, cc = thread["toRecipients"], thread["ccRecipients"]
    return [each["emailAddress"]["address"] for each in to], [each["emailAddress"]["address"] for each in cc]


def test_the_thread_goes_to_the_group_and_to_whom_it_names(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    outside = {"emailAddress": {"name": "Ann", "address": "ann@outside.example"}}
    twice = {"emailAddress": {"name": "Alex again", "address": address("AlexW").upper()}}
    thread = {
        "toRecipients": [recipient("AlexW"), twice, recipient("SalesAndMarketing")],
        "ccRecipients": [recipient("LynneR"), recipient("LynneR")],
    }
    made = adele.post(PATH, body(thread=thread, newParticipants=[outside, recipient("AlexW")])).json
    place = Place(GROUP_ID, made["id"], made["threads"][0]["id"], "")
    to, cc = recipients(graph, place)
    assert to == [address("SalesAndMarketing"), address("AlexW"), "ann@outside.example"]
    assert cc == [address("LynneR")]
    group = adele.get(f"{place.thread_path()}?$select=toRecipients").json["toRecipients"][0]
    assert group["emailAddress"]["name"] == "Sales and Marketing"


@pytest.mark.parametrize(
    ("given", "conversation", "thread"),
    [
        ({"topic": "A"}, "A", "A"),
        ({"topic": "A", "thread": {"topic": "B"}}, "A", "B"),
        ({"topic": None, "thread": {"topic": "B"}}, "B", "B"),
        ({"topic": None}, "", ""),
        ({"topic": ""}, "", ""),
        ({"topic": "  spaces  "}, "  spaces  ", "  spaces  "),
        ({"topic": "日本 🙂 é <b> \" ' \\ \u2028"}, "日本 🙂 é <b> \" ' \\ \u2028", "日本 🙂 é <b> \" ' \\ \u2028"),
    ],
    ids=str,
)
def test_topics(graph: Graph, given: dict[str, Any], conversation: str, thread: str) -> None:
    adele = graph.as_("AdeleV")
    content = body(**given)
    if content["topic"] is None:
        del content["topic"]
    made = adele.post(PATH, content).json
    assert adele.get(f"{PATH}/{made['id']}").json["topic"] == conversation
    assert adele.get(f"{PATH}/{made['id']}/threads").value[0]["topic"] == thread


PUBLISHED = [
    pytest.param(
        # As the documentation of open extensions has it: other case, and an enumeration in capitals.
        {
            "Topic": "Take your wellness days and rest",
            "Threads": [{"Posts": [{"Body": {"ContentType": "HTML", "Content": "<b>Waiting</b> for the summer."}}]}],
        },
        "Take your wellness days and rest",
        {"contentType": "html", "content": "<b>Waiting</b> for the summer."},
        id="pascal case",
    ),
    pytest.param(
        # As the SDKs send it: with type names, and with properties that are not theirs to set.
        {
            "@odata.type": "#microsoft.graph.conversation",
            "topic": "Typed",
            "hasAttachments": True,
            "preview": "mine",
            "threads": [
                {
                    "@odata.type": "microsoft.graph.conversationThread",
                    "id": "AAA=",
                    "isLocked": True,
                    "posts": [
                        {
                            "@odata.type": "#microsoft.graph.post",
                            "id": "AAA=",
                            "createdDateTime": "never",
                            "changeKey": 5,
                            "receivedDateTime": None,
                            "body": {"@odata.type": "#microsoft.graph.itemBody", "contentType": "Text", "content": "x"},
                            "unknown": {"deep": [1, {"er": None}]},
                            "attachments": [],
                            "extensions": None,
                        }
                    ],
                }
            ],
        },
        "Typed",
        {"contentType": "text", "content": "x"},
        id="typed",
    ),
    pytest.param({"threads": [{"posts": [{}]}]}, "", {"contentType": "text", "content": ""}, id="empty"),
    pytest.param(
        {"topic": "x", "threads": [{"posts": [{"body": {"contentType": "html"}}]}]},
        "x",
        {"contentType": "html", "content": ""},
        id="no content",
    ),
]


@pytest.mark.parametrize(("given", "topic", "content"), PUBLISHED)
def test_what_clients_send_is_taken(graph: Graph, given: Any, topic: str, content: Any) -> None:
    adele = graph.as_("AdeleV")
    answer = adele.post(PATH, given)
    assert answer.status == 201, answer
    place = adele.newest(Place(GROUP_ID, answer.json["id"], answer.json["threads"][0]["id"], ""))
    assert adele.get(place.conversation_path).json["topic"] == topic
    assert adele.get(place.post_path()).json["body"] == content
    assert adele.get(place.thread_path()).json["isLocked"] is False
    assert adele.get(place.conversation_path).json["hasAttachments"] is False


@pytest.mark.parametrize(
    "content_type", ["application/json", "APPLICATION/JSON; charset=UTF-8", "application/json;odata=x"]
)
def test_json_is_known_by_its_type(graph: Graph, content_type: str) -> None:
    assert graph.as_("AdeleV").post(PATH, body(), Content_Type=content_type).status == 201


def test_a_body_without_a_type_is_taken_for_json(graph: Graph) -> None:
    content = b'{"threads":[{"posts":[{}]}]}'
    assert graph.as_("AdeleV").send("POST", PATH, content=content).status == 201


@pytest.mark.parametrize(
    ("kind", "content", "kept", "preview"),
    [
        ("html", "<p>One</p><p>Two &amp; three</p>", "<p>One</p><p>Two &amp; three</p>", "One Two & three"),
        ("html", "a<script>alert(1)</script>b", "ab", "ab"),
        ("html", "<html><head><title>Draft 3</title></head><body>Hi</body></html>", "Hi", "Hi"),
        ("html", '<p onclick="x()">a</p>', "<p>a</p>", "a"),
        ("html", '<a href="javascript:x()">a</a>', '<a rel="noopener noreferrer">a</a>', "a"),
        ("html", "<img src=x onerror=alert(1)>", '<img src="x">', ""),
        ("html", "<!-- x --><b>bold", "<b>bold</b>", "bold"),
        ("text", "<b>not bold</b>", "<b>not bold</b>", "<b>not bold</b>"),
        ("text", "one\r\n\r\n two\tthree ", "one\r\n\r\n two\tthree ", "one two three"),
        ("text", "x" * 300, "x" * 300, "x" * 242),
        ("text", "", "", ""),
        ("text", "🙂" * 300, "🙂" * 300, "🙂" * 242),
    ],
)
def test_contents_are_kept_safe_and_previewed(graph: Graph, kind: str, content: str, kept: str, preview: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start(body={"contentType": kind, "content": content})
    assert adele.get(place.post_path()).json["body"] == {"contentType": kind, "content": kept}
    assert adele.get(place.conversation_path).json["preview"] == preview
    assert adele.get(place.thread_path()).json["preview"] == preview


def test_a_long_body_is_taken(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start(content="word " * 600_000)
    assert len(adele.get(place.post_path()).json["body"]["content"]) == 3_000_000


@pytest.mark.parametrize(
    ("given", "sender", "from_"),
    [
        ({}, (NAME["AdeleV"], address("AdeleV")), None),
        ({"sender": {"emailAddress": {"address": address("adelev")}}}, (NAME["AdeleV"], address("adelev")), None),
        ({"sender": {"emailAddress": {"name": "Adele of Sales", "address": address("AdeleV")}}},
         ("Adele of Sales", address("AdeleV")), None),
        ({"from": {"emailAddress": {"name": "Sales", "address": address("AdeleV")}}},
         (NAME["AdeleV"], address("AdeleV")), ("Sales", address("AdeleV"))),
        ({"sender": None, "from": None}, (NAME["AdeleV"], address("AdeleV")), None),
    ],
    ids=["nobody", "address", "name", "from", "null"],
)  # fmt: skip
def test_who_is_said_to_have_sent_it(graph: Graph, given: Any, sender: tuple[str, str], from_: Any) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start(**given)
    post = adele.get(place.post_path()).json
    assert tuple(post["sender"]["emailAddress"].values()) == sender
    assert tuple(post["from"]["emailAddress"].values()) == (from_ or sender)
    assert adele.get(place.conversation_path).json["uniqueSenders"] == [sender[0]]


def test_an_extended_application_speaks_as_the_group(graph: Graph) -> None:
    place = graph.as_app("extended").start()
    sender = graph.as_("AdeleV").get(place.post_path()).json["sender"]["emailAddress"]
    assert sender == {"name": "Sales and Marketing", "address": address("SalesAndMarketing")}


def test_a_guest_who_was_invited_may_start_one(graph: Graph) -> None:
    assert graph.as_("guest").start().conversation


def test_everyone_of_the_organisation_may_in_a_public_group(graph: Graph) -> None:
    assert graph.as_("JoniS").start().conversation


def test_in_a_private_group_only_its_people(graph: Graph) -> None:
    assert graph.as_("JoniS").start(group="HR").conversation
    answer = graph.as_("AdeleV").post(f"/groups/{GROUP['HR']}/conversations", body())
    refused(answer, 403, "ErrorAccessDenied")
    assert graph.changes() == ["created post", "created thread", "created conversation"]


def test_a_refused_one_leaves_nothing_behind(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    for given in (body(sender=recipient("AlexW")), body(thread={"posts": []}), b"{"):
        assert adele.post(PATH, given).status >= 400
    assert adele.get(PATH).value == []
    assert graph.changes() == []
