"""What is found is what is there: whatever was said, renamed, hung on and deleted, in whatever order.

A model keeps what each post says; Hypothesis makes up walks of many steps, and questions of many kinds between them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import cycle
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle as Kept
from hypothesis.stateful import RuleBasedStateMachine, initialize, multiple, rule, run_state_machine_as_test

from folkmoot.graph import searching
from folkmoot.graph.plan import _PLANS
from tests.conformance.effort import bounded
from tests.harness import Answer, Client, Graph, Place, iso
from tests.protocol.rows import EVERYTHING, EXTENDED, NEW_GROUP

NAMES = {"AdeleV": "adele vance", "AlexW": "alex wilber"}
WORDS = ("walrus", "walnut", "seal", "tusk")
TEXTS = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)


@dataclass
class Post:
    """What is known of a post. Places tell the order in which its conversation and its thread began."""

    place: Place
    author: str
    body: str
    topic: str
    conversation_topic: str
    at: int
    attachments: list[Place] = field(default_factory=list)


@dataclass(frozen=True)
class Question:
    """A `$search`, and what it asks of a post; `conversations` says that it is asked of conversations."""

    text: str
    holds: Any  # of a post, and of whether conversations are asked for


def _word(word: str, where: str, *, beginning: bool = False) -> Question:
    def holds(post: Post, conversations: bool) -> bool:
        topics = [post.topic, *([post.conversation_topic] if conversations else [])]
        fields = {"body": [post.body], "subject": topics, "from": [NAMES[post.author]]}
        texts = [text for name, each in fields.items() if where in ("", name) for text in each]
        return any(said.startswith(word) if beginning else said == word for text in texts for said in text.split())

    return Question(f"{f'{where}:' if where else ''}{word}{'*' if beginning else ''}", holds)


def _phrase(words: tuple[str, str]) -> Question:
    said = " ".join(words)

    def holds(post: Post, conversations: bool) -> bool:
        topics = [post.topic, *([post.conversation_topic] if conversations else [])]
        return any(f" {said} " in f" {text} " for text in (post.body, *topics))

    return Question(f'"{said}"', holds)


def _both(one: Question, other: Question) -> Question:
    return Question(f"({one.text}) AND {other.text}", lambda *given: one.holds(*given) and other.holds(*given))


def _either(one: Question, other: Question) -> Question:
    return Question(f"({one.text} OR {other.text})", lambda *given: one.holds(*given) or other.holds(*given))


def _without(one: Question, other: Question) -> Question:
    return Question(f"{one.text} NOT {other.text}", lambda *given: one.holds(*given) and not other.holds(*given))


TERMS = st.one_of(
    st.builds(_word, st.sampled_from(WORDS), st.sampled_from(("", "", "body", "subject"))),
    st.builds(_word, st.sampled_from(("adele", "alex")), st.just("from")),
    st.builds(
        _word, st.sampled_from(("wal", "tus")), st.sampled_from(("", "body", "subject")), beginning=st.just(True)
    ),
    st.builds(_phrase, st.tuples(st.sampled_from(WORDS), st.sampled_from(WORDS))),
)
QUESTIONS = st.one_of(
    TERMS,
    st.builds(_both, TERMS, TERMS),
    st.builds(_either, TERMS, TERMS),
    st.builds(_without, TERMS, TERMS),
    st.builds(_both, TERMS, st.builds(_either, TERMS, TERMS)),
)
# Whether there are attachments, and when it was received: before one of the posts, or not.
FACTS = st.tuples(
    st.sampled_from((None, None, True, False)),
    st.none() | st.tuples(st.sampled_from(("<", ">=")), st.integers(0, 50)),
)
Facts = tuple[bool | None, tuple[str, int] | None]


class Found(RuleBasedStateMachine):
    """A group of its own for each walk, on a server that all of them share."""

    posts: Any = Kept("posts")
    graph: Graph

    def __init__(self) -> None:
        super().__init__()
        self.said: list[Post] = []
        self.conversations: list[str] = []  # in the order in which they began
        self.threads: list[str] = []

    @initialize(target=posts, begun=st.lists(st.tuples(TEXTS, TEXTS), min_size=3, max_size=8))
    def a_group(self, begun: list[tuple[str, str]]) -> Any:
        """Adele's, with Alex in it, and with conversations. Walks may do without some of the rules."""
        self.clients = {name: self.graph.as_(name, scopes=EVERYTHING) for name in NAMES}
        self.extended = self.graph.as_app("extended")
        name = f"found-{self.graph.store.ids.new(self.graph.clock())}"
        made = self.clients["AdeleV"].post("/groups", NEW_GROUP | {"mailNickname": name, "displayName": name})
        assert made.status == 201, made
        self.group = made.json["id"]
        alex = self.clients["AlexW"].get("/me").json["id"]
        reference = {"@odata.id": f"https://graph.microsoft.com/v1.0/directoryObjects/{alex}"}
        assert self.clients["AdeleV"].post(f"/groups/{self.group}/members/$ref", reference).status == 204
        return multiple(*(self.begin(who, *each) for each, who in zip(begun, cycle(NAMES), strict=False)))

    # ── what is done ─────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(target=posts, who=st.sampled_from(sorted(NAMES)), topic=TEXTS, text=TEXTS, count=st.integers(1, 6))
    def start(self, who: str, topic: str, text: str, count: int) -> Any:
        """Several that are alike: more than are looked at together."""
        return multiple(*(self.begin(who, topic, text) for _ in range(count)))

    @rule(target=posts, at=posts, who=st.sampled_from(sorted(NAMES)), topic=TEXTS, text=TEXTS)
    def start_a_thread(self, at: Post, who: str, topic: str, text: str) -> Any:
        if at not in self.said:
            return multiple()
        topic = topic or "nothing"
        body = {"topic": topic, "posts": [{"body": {"contentType": "text", "content": text}}]}
        made = self.clients[who].post(f"{at.place.conversation_path}/threads", body)
        assert made.status == 201, made
        self.threads.append(made.json["id"])
        place = Place(self.group, at.place.conversation, made.json["id"], "")
        return self.heard(self.clients[who].newest(place), who, text, topic, at.conversation_topic)

    @rule(
        target=posts,
        at=posts,
        long=st.booleans(),
        who=st.sampled_from(sorted(NAMES)),
        texts=st.lists(TEXTS, min_size=1, max_size=6),
    )
    def reply(self, at: Post, long: bool, who: str, texts: list[str]) -> Any:
        """`long`: in the oldest thread there is, which grows so."""
        at = self.said[0] if long and self.said else at
        if at not in self.said:
            return multiple()
        topics = (at.topic, at.conversation_topic)
        return multiple(*(self.heard(self.clients[who].reply(at.place, each), who, each, *topics) for each in texts))

    @rule(at=posts, text=TEXTS)
    def say_otherwise(self, at: Post, text: str) -> None:
        if at in self.said:
            body = {"body": {"contentType": "text", "content": text}}
            assert self.clients[at.author].patch(at.place.post_path(), body, **EXTENDED).status == 200
            at.body = text

    @rule(at=posts, topic=TEXTS)
    def rename(self, at: Post, topic: str) -> None:
        if at in self.said and topic:
            assert self.clients["AdeleV"].patch(at.place.thread_path(), {"topic": topic}).status == 200
            for each in self.said:
                if each.place.thread == at.place.thread:
                    each.topic = topic

    @rule(at=posts)
    def attach(self, at: Post) -> None:
        if at in self.said:
            at.attachments.append(self.clients[at.author].attach(at.place))

    @rule(at=posts)
    def take_off(self, at: Post) -> None:
        if at in self.said and at.attachments:
            path = at.attachments.pop().attachment_path()
            assert self.clients[at.author].delete(path, **EXTENDED).status == 204

    @rule(at=posts)
    def delete_a_post(self, at: Post) -> None:
        """Of several; the last goes with its thread."""
        others = [each for each in self.said if each is not at and each.place.thread == at.place.thread]
        if at in self.said and others:
            assert self.clients[at.author].delete(at.place.post_path(), **EXTENDED).status == 204
            self.said = [each for each in self.said if each is not at]

    @rule(at=posts)
    def delete_a_thread(self, at: Post) -> None:
        if at in self.said:
            assert self.clients["AdeleV"].delete(at.place.thread_path()).status == 204
            self.said = [each for each in self.said if each.place.thread != at.place.thread]

    @rule(at=posts)
    def delete_a_conversation(self, at: Post) -> None:
        if at in self.said:
            assert self.clients["AdeleV"].delete(at.place.conversation_path).status == 204
            self.said = [each for each in self.said if each.place.conversation != at.place.conversation]

    @rule(seconds=st.sampled_from((0.001, 1, 60)))
    def time_passes(self, seconds: float) -> None:
        self.graph.clock.advance(seconds)

    # ── what is found ────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(question=QUESTIONS, facts=FACTS, top=st.sampled_from((1, 2, 3, 20)))
    def conversations_are_found(self, question: Question, facts: Facts, top: int) -> None:
        question = self.told(question, facts)
        found = [each.place.conversation for each in self.said if question.holds(each, True)]
        expected = [each for each in reversed(self.conversations) if each in found]
        self.asked(self.clients["AlexW"], f"/groups/{self.group}/conversations", question, top, expected)

    @rule(question=QUESTIONS, facts=FACTS, top=st.sampled_from((1, 2, 3, 20)))
    def threads_are_found(self, question: Question, facts: Facts, top: int) -> None:
        question = self.told(question, facts)
        holding = [each.place for each in self.said if question.holds(each, False)]
        found = {each.thread: self.conversations.index(each.conversation) for each in holding}
        expected = sorted(found, key=lambda thread: (found[thread], self.threads.index(thread)), reverse=True)
        self.asked(self.extended, f"/groups/{self.group}/threads", question, top, expected)

    @rule(at=posts, long=st.booleans(), question=QUESTIONS, facts=FACTS, top=st.sampled_from((1, 2, 3, 20)))
    def posts_are_found(self, at: Post, long: bool, question: Question, facts: Facts, top: int) -> None:
        at = self.said[0] if long and self.said else at
        if at in self.said:
            question = self.told(question, facts)
            here = [each for each in self.said if each.place.thread == at.place.thread]
            expected = [each.place.post for each in reversed(here) if question.holds(each, False)]
            self.asked(self.extended, f"{at.place.thread_path()}/posts", question, top, expected)

    def told(self, question: Question, facts: Facts) -> Question:
        """The question with facts beside its words."""
        attached, received = facts
        if attached is not None:
            has = Question(
                f"hasAttachments:{str(attached).lower()}", lambda post, _: bool(post.attachments) == attached
            )
            question = _both(question, has)
        if received is not None and self.said:
            operator, number = received
            moment = self.said[number % len(self.said)].at
            when = Question(
                f"received{operator}{iso(moment)}",
                lambda post, _: post.at < moment if operator == "<" else post.at >= moment,
            )
            question = _both(question, when)
        return question

    def asked(self, client: Client, path: str, question: Question, top: int, expected: list[str]) -> None:
        # As Graph has it: in quotes, for a phrase alone would be taken for words in quotes.
        escaped = question.text.replace('"', '\\"')
        whole = quote(f'"{escaped}"')
        path = f"{path}?$search={whole}&$select=id&$top={top}"
        assert [item["id"] for item in client.everything(path)] == expected, question.text
        for order in ("relevance", "hasAttachments"):
            found = [item["id"] for item in client.everything(f"{path}&$orderby={order}")]
            assert sorted(found) == sorted(expected), f"{question.text}, by {order}"
        counted: Answer = client.get(f"{path}&$count=true")
        assert counted.json["@odata.count"] == len(expected), question.text

    def begin(self, who: str, topic: str, text: str) -> Post:
        topic = topic or "nothing"
        place = self.clients[who].start(topic, text, group=self.group)
        self.conversations.append(place.conversation)
        self.threads.append(place.thread)
        return self.heard(place, who, text, topic, topic)

    def heard(self, place: Place, who: str, text: str, topic: str, conversation_topic: str) -> Post:
        post = Post(place, who, text, topic, conversation_topic, int(self.graph.clock.now))
        self.said.append(post)
        return post

    clients: dict[str, Client]
    extended: Client


@pytest.mark.parametrize("few", [1, 3, 100])
def test_what_is_found_is_what_is_there(graph: Graph, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    """However few rows are looked at together."""
    for name in ("WALK", "WINDOW", "AT_ONCE", "SOME", "LONG", "MATCHES", "RUN", "BESIDE", "FEW"):
        monkeypatch.setattr(searching, name, few)
    _PLANS.clear()  # which may hold another LONG

    class Here(Found):
        pass

    Here.graph = graph
    run_state_machine_as_test(Here, settings=bounded(12, 40))
