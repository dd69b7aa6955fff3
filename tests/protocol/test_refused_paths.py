"""Paths that lead nowhere: no ids (400), ids of nothing (404), unknown segments (400), wrong methods (405)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest

from folkmoot.graph import ids
from tests.harness import GROUP, PERSON, Place
from tests.protocol.library import Library, made
from tests.protocol.rows import EVERYTHING, MAIL, REQUESTS, Request, case
from tests.protocol.shapes import refused

KEYS = ("conversation", "thread", "post", "attachment")


def keys(request: Request) -> list[str]:
    """The ids that the request's path holds below the group."""
    wanted = {"conversation": "{conversation}" in request.template or request.road == "through"}
    wanted["attachment"] = "{attachment}" in request.template
    wanted["post"] = "{post}" in request.template or wanted["attachment"] or "{extension}" in request.template
    wanted["thread"] = "{thread}" in request.template or wanted["post"]
    return [key for key in KEYS if wanted[key]]


def malformed(place: Place, key: str) -> Iterator[str]:
    """Texts that are no id of the kind, however close they come."""
    good: str = getattr(place, key)
    yield from ("nope", "1", "AAA=", "00", good.rstrip("="), good + "=", good[:-8] + good[-4:], good.lower())
    yield "B" + good[1:]  # another header
    yield good[:20] + "+" + good[21:]  # the standard alphabet
    yield good[:-2] + ("B=" if good[-2] != "B" else "C=")  # bits that decoding drops
    yield from (getattr(place, other) for other in KEYS if other != key)
    yield place.group
    yield good + "\u00e9"


WITH_KEYS = [request for request in MAIL if keys(request)]


def test_an_id_that_is_none(any_library: Library) -> None:
    for request_ in WITH_KEYS:
        with case(request_.name):
            for key in keys(request_):
                for text in malformed(any_library.launch, key):
                    place = replace(any_library.launch, **{key: text})
                    answer = request_.send(any_library.as_("AdeleV"), place)
                    assert refused(answer, 400, "ErrorInvalidIdMalformed") == "Id is malformed."


def unknown(place: Place, key: str) -> str:
    """A good id in the place's group that names nothing."""
    new = str(uuid4())
    if key == "conversation":
        return ids.conversation_id(place.group, new)
    if key == "thread":
        return ids.thread_id(place.group, new, new)
    thread = ids.read_thread_id(place.thread, place.group)
    if key == "attachment":
        return ids.attachment_id(place.group, thread, ids.read_post_id(place.post, place.group), new)
    return ids.post_id(place.group, thread, new)


def test_an_id_of_nothing(library: Library) -> None:
    for request_ in WITH_KEYS:
        with case(request_.name):
            for key in keys(request_):
                place = replace(library.launch, **{key: unknown(library.launch, key)})
                refused(request_.send(library.as_("AdeleV"), place), 404, "ErrorItemNotFound")


def test_an_id_of_another_group(library: Library) -> None:
    """Adele may read both groups; the path must still be a true one."""
    for request_ in WITH_KEYS:
        with case(request_.name):
            for key in keys(request_):
                place = replace(library.launch, **{key: getattr(library.elsewhere, key)})
                refused(request_.send(library.as_("AdeleV"), place), 404, "ErrorItemNotFound")
            place = replace(library.launch, group=library.elsewhere.group)
            refused(request_.send(library.as_("AdeleV"), place), 404, "ErrorItemNotFound")


def test_an_id_under_the_wrong_parent(library: Library) -> None:
    for request_ in [request for request in WITH_KEYS if len(keys(request)) > 1]:
        with case(request_.name):
            for key in keys(request_)[1:]:
                place = replace(library.launch, **{key: getattr(library.talk, key)})
                refused(request_.send(library.as_("AdeleV"), place), 404, "ErrorItemNotFound")


def test_a_group_id_that_is_none(any_library: Library) -> None:
    for request_ in [request for request in REQUESTS if "{group}" in request.template]:
        with case(request_.name):
            for text in ("nope", GROUP["HR"][:-1], "{" + GROUP["HR"] + "}", GROUP["HR"].replace("-", ""), "urn:uuid:1"):
                answer = request_.send(
                    any_library.as_("AdeleV", scopes=EVERYTHING), replace(any_library.launch, group=text)
                )
                assert refused(answer, 400, "Request_BadRequest") == f"Invalid object identifier '{text}'."


def moved(place: Place, group: str) -> Place:
    """The place as it would be in another group."""
    conversation = ids.read_conversation_id(place.conversation, place.group)
    thread = ids.read_thread_id(place.thread, place.group)
    post = ids.read_post_id(place.post, place.group)
    return Place(
        group,
        ids.conversation_id(group, conversation),
        ids.thread_id(group, conversation, thread),
        ids.post_id(group, thread, post),
        extension=place.extension,
        attachment=ids.attachment_id(group, thread, post, ids.read_attachment_id(place.attachment, place.group)),
    )


def test_a_group_id_of_nothing(library: Library) -> None:
    for request_ in [request for request in REQUESTS if "{group}" in request.template or request in MAIL]:
        with case(request_.name):
            for group in (str(uuid4()), made("Dissolved"), PERSON["AdeleV"]):
                answer = request_.send(library.as_("AdeleV", scopes=EVERYTHING), moved(library.launch, group))
                assert group in refused(answer, 404, "Request_ResourceNotFound")


def test_a_user_id_of_nothing(library: Library) -> None:
    for request_ in [request for request in REQUESTS if "{user}" in request.template]:
        with case(request_.name):
            admin = library.as_("admin", scopes=EVERYTHING)
            for user in (str(uuid4()), made("deleted"), GROUP["HR"], "nobody@contoso.onmicrosoft.com", "nobody", "a'b"):
                path = request_.path(library.launch).replace(PERSON["AdeleV"], user)
                answer = admin.with_body(request_.method, path, request_.body, request_.headers or {})
                assert user in refused(answer, 404, "Request_ResourceNotFound")


# ── segments ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("template", "segment"),
    [
        ("/nowhere", "nowhere"),
        ("/nowhere/at/all", "nowhere"),
        ("/group", "group"),
        ("/$metadata/x", "$metadata"),
        ("/groups/$ref", "$ref"),
        ("/groups/$value", "$value"),
        ("{group}/nowhere", "nowhere"),
        ("{group}/posts", "posts"),
        ("{group}/$count", "$count"),
        ("{group}/inReplyTo", "inReplyTo"),
        ("{group}/displayName", "displayName"),
        ("{group}/members/microsoft.graph.contact", "microsoft.graph.contact"),
        ("{group}/members/microsoft.graph.user/microsoft.graph.group", "microsoft.graph.group"),
        ("{group}/conversations/$count/x", "x"),
        ("{group}/conversations/$ref", "$ref"),
        ("{conversation}/posts", "posts"),
        ("{conversation}/topic", "topic"),
        ("{conversation}/reply", "reply"),
        ("{thread}/nowhere", "nowhere"),
        ("{thread}/conversations", "conversations"),
        ("{thread}/forward", "forward"),
        ("{thread}/microsoft.graph.nothing", "nothing"),
        ("{thread}/reply/x", "x"),
        ("{post}/body", "body"),
        ("{post}/threads", "threads"),
        ("{post}/reply/reply", "reply"),
        ("{post}/inReplyTo/nowhere", "nowhere"),
        ("/users/{user}/conversations", "conversations"),
        ("/me/joinedGroups", "joinedGroups"),
        ("/me/me", "me"),
        ("/me('x')", "me('x')"),
        ("/groups/{user}('x')", "{user}('x')"),
        ("{thread}/reply('x')", "reply('x')"),
        ("{group}/threads/$count('x')", "$count('x')"),
        ("{post}/inReplyTo('x')", "inReplyTo('x')"),
    ],
)
@pytest.mark.parametrize("road", ["direct", "through"])
def test_a_segment_that_leads_nowhere_is_named(any_library: Library, template: str, segment: str, road: str) -> None:
    place = any_library.launch
    path = template.format(
        group=place.group_path,
        conversation=place.conversation_path,
        thread=place.thread_path(road),
        post=place.post_path(road),
        user=PERSON["AdeleV"],
    )
    message = refused(any_library.as_("AdeleV").get(path), 400, "BadRequest")
    named = segment.format(user=PERSON["AdeleV"])
    assert message.startswith(f"Resource not found for the segment '{named}'"), message


@pytest.mark.parametrize(
    "path",
    [
        b"/v1.0/groups/%zz",
        b"/v1.0/groups/%",
        b"/v1.0/groups/%2",
        b"/v1.0/groups/%ff",
        b"/v1.0/groups/%ed%a0%80",  # a surrogate, which UTF-8 does not have
        b"/v1.0/groups/%00",
        b"/v1.0/groups/a%0d%0ab",
        b"/v1.0/groups(",
        b"/v1.0/groups('x'",
        b"/v1.0/groups('x",
        b"/v1.0/groups(')",
        b"/v1.0/groups(a='x',)",
        b"/v1.0/groups(nosuchkey='x')",
        b"/v1.0/('x')",
        b"/v1.0/groups('x')('y')",
        b"/v1.0/users(displayName='x')",
        b"/v1.0/users(userPrincipalName='x',id='y')",
    ],
)
def test_a_path_that_cannot_be_read(any_library: Library, path: bytes) -> None:
    token = (any_library.as_("AdeleV").token or "").encode()
    answer = any_library.graph.send_raw("GET", path, headers=[(b"authorization", b"Bearer " + token)])
    refused(answer, 400, "BadRequest")


@pytest.mark.parametrize("path", [b"/beta/groups", b"/v2.0/groups", b"/V1.0/groups", b"/nowhere/at/all"])
def test_another_version_is_refused_in_graphs_words(library: Library, path: bytes) -> None:
    token = (library.as_("AdeleV").token or "").encode()
    answer = library.graph.send_raw("GET", path, headers=[(b"authorization", b"Bearer " + token)])
    refused(answer, 400, "BadRequest")


# ── methods ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def by_template() -> dict[tuple[str, str], set[str]]:
    """The methods that each address takes."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for request in REQUESTS:
        found[request.row.partition(" ")[2], request.road].add(request.method)
    return found


METHODS = by_template()


def test_another_method_is_told_which_ones_there_are(any_library: Library) -> None:
    for request_ in list({(request.row.partition(" ")[2], request.road): request for request in REQUESTS}.values()):
        with case(request_.name):
            allowed = METHODS[request_.row.partition(" ")[2], request_.road]
            client = any_library.as_("AdeleV", scopes=EVERYTHING)
            path = request_.path(any_library.launch)
            extended = {"Prefer": "folkmoot.profile=extended"}
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"):
                if method not in allowed:
                    answer = client.with_body(
                        method, path, {} if method in ("POST", "PUT", "PATCH") else None, extended
                    )
                    refused(answer, 405, "Request_BadRequest")
                    assert set(answer.headers["allow"].split(", ")) == allowed


def test_an_answer_to_head_has_no_body(library: Library) -> None:
    answer = library.as_("AdeleV").with_body("HEAD", library.launch.conversation_path, None, {})
    assert (answer.status, answer.content) == (405, b"")
    assert answer.headers["allow"] == "GET, DELETE"
