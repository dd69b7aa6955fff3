"""Every cell of the table in docs/manual/access.md, asked over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import pytest

from folkmoot.model import SignIn
from folkmoot.ops import directory
from folkmoot.refusals import NotAllowed
from tests.harness import DOMAIN, GROUP, PERSON, ROOT, Answer, Graph
from tests.harness import Place as Where
from tests.protocol.library import person
from tests.protocol.rows import CONVERSATION, EVERYTHING, FORWARD, NEW_GROUP, REPLY

PAGE = Path(__file__).parents[2] / "docs" / "manual" / "access.md"
VISITOR = SignIn(
    oid=str(uuid5(NAMESPACE_DNS, "visitor.folkmoot")), upn=f"vis@{DOMAIN}", name="Vis Itor", mail=f"vis@{DOMAIN}"
)
# Who stands so in the public group SalesAndMarketing, and in the private HR, to which a guest is yet to be invited.
PEOPLE = {
    "owner": ("AdeleV", "DiegoS"),
    "member": ("AlexW", "JoniS"),
    "guest member": ("guest", "guest"),
    "colleague": ("JoniS", "AdeleV"),
    "administrator": ("admin", "admin"),
}
# Somebody else who may begin threads there.
OTHER = {"SalesAndMarketing": "IsaiahL", "HR": "DiegoS"}


def table() -> list[tuple[str, str, str]]:
    """(operation, caller, cell) of the table."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [(row[0], who, cell) for row in rows for who, cell in zip(head[1:], row[1:], strict=True)]


class Scene:
    """A server in which one caller is about to ask for one thing."""

    def __init__(self, graph: Graph, operation: str, who: str) -> None:
        self.graph = graph
        self.nick = "HR" if "private" in operation else "SalesAndMarketing"
        self.group = GROUP[self.nick]
        self.path = f"/groups/{self.group}"
        self.admin = graph.as_("admin", scopes=EVERYTHING)
        guest = person(VISITOR.oid, VISITOR.name, VISITOR.upn, user_type="Guest")
        graph.loop.run(graph.store.write(lambda tx: directory.create_user(tx, guest)))
        if self.nick == "HR":
            self.did(self.admin.post(f"{self.path}/members/$ref", reference("users", PERSON["guest"])))
        # The lists are asked for the group itself where an application posts.
        self.sender = reference("groups", self.group)
        if who == "visitor":
            self.caller, self.sender = graph.signed_in(VISITOR, scopes=EVERYTHING), reference("users", VISITOR.oid)
        elif who.endswith("application"):
            name = "extended" if who.startswith("extended") else "daemon"
            self.caller = graph.as_app(name, roles=EVERYTHING)
        else:
            nick = PEOPLE[who][self.nick == "HR"]
            self.caller, self.sender = graph.as_(nick, scopes=EVERYTHING), reference("users", PERSON[nick])
        self.reader = graph.as_(OTHER[self.nick])

    def did(self, answer: Answer) -> Answer:
        """What a scene is set up by must succeed."""
        assert answer.status < 300, answer
        return answer

    def place(self) -> Where:
        """A conversation by somebody else."""
        return self.reader.start(group=self.nick)

    def own(self) -> Where:
        """A conversation that the caller began."""
        return self.caller.start(group=self.nick)


def reference(kind: str, id: str) -> dict[str, str]:
    return {"@odata.id": f"{ROOT}/{kind}/{id}"}


def reply(scene: Scene, place: Where) -> Answer:
    """To a post, which strict applications may, too."""
    return scene.caller.post(f"{place.post_path()}/reply", REPLY)


def in_locked(scene: Scene) -> Answer:
    place = scene.place()
    scene.did(scene.reader.patch(place.thread_path(), {"isLocked": True}))
    return reply(scene, place)


def where_only_members_post(scene: Scene) -> Answer:
    adele = scene.graph.as_("AdeleV", scopes=EVERYTHING)
    body: dict[str, Any] = {
        **NEW_GROUP,
        "resourceBehaviorOptions": ["AllowOnlyMembersToPost"],
        "members@odata.bind": [f"{ROOT}/users/{PERSON[nick]}" for nick in ("AlexW", "guest")],
    }
    return reply(scene, adele.start(group=scene.did(adele.post("/groups", body)).json["id"]))


def listed(verdict: str, somebody_else: bool = False) -> Callable[[Scene], Answer]:
    def ask(scene: Scene) -> Answer:
        place = scene.place()
        sender = reference("users", PERSON["LidiaH"]) if somebody_else else scene.sender
        scene.did(scene.admin.post(f"{scene.path}/{verdict}Senders/$ref", sender))
        return reply(scene, place)

    return ask


def where_external_senders_are_allowed(scene: Scene) -> Answer:
    scene.did(scene.admin.patch(scene.path, {"allowExternalSenders": True}))
    return reply(scene, scene.place())


def get(tail: str) -> Callable[[Scene], Answer]:
    return lambda scene: scene.caller.get(f"{scene.path}{tail}")


def post(tail: str, body: Any = None) -> Callable[[Scene], Answer]:
    return lambda scene: scene.caller.post(f"{scene.path}{tail}", body)


def lock(scene: Scene, place: Where) -> Answer:
    return scene.caller.patch(place.thread_path(), {"isLocked": True})


def remove(scene: Scene, place: Where) -> Answer:
    return scene.caller.delete(place.conversation_path)


PATTI = reference("users", PERSON["PattiF"])
CHANGE: Callable[[Scene], Answer] = lambda scene: scene.caller.patch(scene.path, {"description": "x"})  # noqa: E731
ASKS: dict[str, Callable[[Scene], Answer]] = {
    "see a public group": get(""),
    "see a private group": get(""),
    "see who is in a public group": get("/members"),
    "see who is in a private group": get("/members"),
    "read a public group": lambda scene: scene.caller.get(scene.place().post_path()),
    "read a private group": lambda scene: scene.caller.get(scene.place().post_path()),
    "start a conversation in a public group": post("/conversations", CONVERSATION),
    "start a conversation in a private group": post("/conversations", CONVERSATION),
    "reply to a thread in a public group": lambda scene: scene.caller.post(
        f"{scene.place().thread_path()}/reply", REPLY
    ),
    "reply to a post in a public group": lambda scene: reply(scene, scene.place()),
    "reply to a post in a private group": lambda scene: reply(scene, scene.place()),
    "reply in a locked thread": in_locked,
    "reply where only members post": where_only_members_post,
    "reply as an accepted sender": listed("accepted"),
    "reply where another sender is accepted": listed("accepted", somebody_else=True),
    "reply as a rejected sender": listed("rejected"),
    "reply where external senders are allowed": where_external_senders_are_allowed,
    "forward a post": lambda scene: scene.caller.post(f"{scene.place().post_path()}/forward", FORWARD),
    "lock or rename a thread": lambda scene: lock(scene, scene.place()),
    "delete a conversation": lambda scene: remove(scene, scene.place()),
    "change a public group": CHANGE,
    "change a private group": CHANGE,
    "delete a group": lambda scene: scene.caller.delete(scene.path),
    "renew a group": post("/renew"),
    "allow external senders": lambda scene: scene.caller.patch(scene.path, {"allowExternalSenders": True}),
    "add a member": post("/members/$ref", PATTI),
    "add an owner": post("/owners/$ref", PATTI),
    "read the lists of senders": get("/rejectedSenders"),
    "change the lists of senders": post("/rejectedSenders/$ref", PATTI),
    "subscribe to a public group": post("/subscribeByMail"),
    "subscribe to a private group": post("/subscribeByMail"),
    "create a group": lambda scene: scene.caller.post("/groups", NEW_GROUP),
}
OWN = {"lock or rename a thread": lock, "delete a conversation": remove}


def test_the_table_is_whole() -> None:
    assert list(dict.fromkeys(operation for operation, _, _ in table())) == list(ASKS)
    assert {cell for _, _, cell in table()} == {"yes", "own", "403", "404"}


@pytest.mark.parametrize(("operation", "who", "cell"), table(), ids=lambda value: value)
def test_a_cell(graph: Graph, operation: str, who: str, cell: str) -> None:
    scene = Scene(graph, operation, who)
    answer = ASKS[operation](scene)
    if cell == "yes":
        assert answer.status < 300, answer
        return
    assert answer.status == (403 if cell == "own" else int(cell)), answer
    if cell == "own":
        answer = OWN[operation](scene, scene.own())
        assert answer.status < 300, answer
    elif who.startswith("extended"):
        # What only a person does is refused by the token's permissions, before anybody's place is looked at.
        assert answer.error["message"] != NotAllowed().message or operation.startswith("subscribe"), answer.error


def test_clients_are_named_in_the_page() -> None:
    assert {who for _, who, _ in table()} == {*PEOPLE, "visitor", "extended application", "strict application"}
