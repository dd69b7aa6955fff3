"""What the rows do that the cloud lacks: adding a post as such, changing and deleting one."""

from __future__ import annotations

import re

import msgspec

from folkmoot.graph import body as bodies
from folkmoot.graph import ids, inputs
from folkmoot.graph.call import Call, find_post, find_thread
from folkmoot.graph.envelope import Answer
from folkmoot.graph.returned import added, changed
from folkmoot.mime import html
from folkmoot.model import PostAmendment
from folkmoot.ops import editing, posts
from folkmoot.refusals import BadBody
from folkmoot.store.db import Tx


def add_post(tx: Tx, call: Call) -> Answer:
    """201 with the post."""
    place = find_thread(tx, call)
    return added(tx, call, place, posts.reply(tx, place, call.body))


def amend_post(tx: Tx, call: Call) -> Answer:
    """200 with the post."""
    place, post = find_post(tx, call)
    editing.amend(tx, place, post, call.body, _named(call, place.standing.group))
    return changed(tx, call, place, post.id)


def delete_post(tx: Tx, call: Call) -> Answer:
    """204."""
    place, post = find_post(tx, call)
    editing.remove(tx, place, post, _named(call, place.standing.group))
    return Answer(204)


def post_amendment(given: inputs.PostPatchIn) -> PostAmendment:
    """A PATCH of a post as the verb takes it: HTML made safe, its first words taken."""
    categories = None if given.categories is msgspec.UNSET else bodies.categories(given.categories)
    if given.body is msgspec.UNSET:
        return PostAmendment(categories=categories)
    kind, content = given.body.content_type, given.body.content
    # What kind the old text is of is known in the transaction only, and the new one must be made safe before.
    for name, value in (("contentType", kind), ("content", content)):
        if value is None:
            raise BadBody(f"The property 'body.{name}' is required.", target=f"body.{name}")
    assert kind is not None and content is not None  # noqa: S101, PT018  (just asked)
    if kind == "html":
        content = html.clean(content)
        preview = html.preview_of_html(content)
    else:
        preview = html.preview_of_text(content)
    return PostAmendment(content_type=kind, content=content, preview=preview, categories=categories)


# An entity tag, weak or strong (RFC 9110 §8.8.3); Graph sends W/"{changeKey}".
_ETAG = re.compile(r'(?:W/)?"(?P<tag>[^"]*)"')


def _named(call: Call, group: str) -> editing.Matches:
    """Whether If-Match, if it came, names a version of a post (RFC 9110 §13.1.1, `*` for any)."""
    given = call.headers.get(b"if-match")
    if given is None or given.strip() == b"*":
        return lambda version: True
    tags = {match["tag"] for match in _ETAG.finditer(given.decode("latin-1"))}
    return lambda version: ids.change_key(group, version) in tags
