"""What each writing row of open extensions does."""

from __future__ import annotations

from folkmoot.graph.call import Call, find_extension, find_post
from folkmoot.graph.envelope import Answer
from folkmoot.graph.feeds import FEEDS
from folkmoot.graph.read import single
from folkmoot.graph.road import Road
from folkmoot.model import Place, Post
from folkmoot.odata.query import Options
from folkmoot.ops import extensions
from folkmoot.store.db import Tx


def add_extension(tx: Tx, call: Call) -> Answer:
    """201 with the extension."""
    place, post = find_post(tx, call)
    extensions.add(tx, place.standing, post, call.body)
    steps = (*call.road.steps[:-1], (call.road.steps[-1][0], call.body.name))
    return Answer(201, _sent(tx, call, place, post, call.body.name, Road(call.road.root, steps)))


def change_extension(tx: Tx, call: Call) -> Answer:
    """200 with the extension as it is now."""
    place, post, extension = find_extension(tx, call)
    extensions.change(tx, place.standing, post, extension, call.body)
    return Answer(200, _sent(tx, call, place, post, extension.name, call.road))


def delete_extension(tx: Tx, call: Call) -> Answer:
    """204."""
    place, post, extension = find_extension(tx, call)
    extensions.remove(tx, place.standing, post, extension)
    return Answer(204)


def _sent(tx: Tx, call: Call, place: Place, post: Post, name: str, road: Road) -> object:
    scope = {"g": place.standing.group, "p": post.id, "e": name.lower()}
    return single(tx, FEEDS["extension"], Options(), scope, road, call.caller)
