"""Clients that post at once and remember what they were told, over plain sockets."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from folkmoot import lab
from folkmoot.config import Settings
from tests import server
from tests.tokens import token

ROUNDS = int(os.environ.get("FOLKMOOT_FAULT_ROUNDS", "2"))  # how often each fault is made; more finds more
PATIENCE = 60  # seconds, for what takes one
AT_ONCE = 5  # seconds, for what nobody should have to wait for
GROUPS = tuple(group.id for group in lab.GROUPS if group.visibility == "Public")
_PEOPLE = lab.PEOPLE[:3]
CLIENTS = 16


def tokens(data: Path) -> list[str]:
    """Tokens of some seeded people for the server on `data`."""
    settings = Settings(data=str(data))
    return [token(settings, each) for each in _PEOPLE]


class Running:
    """A started server whose output is read as it comes, so that it never waits for a reader."""

    def __init__(self, data: Path, database: str | None = None, **env: Any) -> None:
        self.data = data
        self._env = env
        self.database = database
        self.printed: list[str] = []
        self._follow(server.start(data, database=database, facts=None, https_port=0, http_port=0, **env))

    def _follow(self, started: server.Server) -> None:
        self.server = started
        self.port = int(self.server.http.rpartition(":")[2])
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.server.process.stdout is not None
        with suppress(ValueError):
            self.printed += self.server.process.stdout

    @property
    def workers(self) -> list[int]:
        """The worker processes."""
        pid = self.server.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def kill(self) -> None:
        """SIGKILL."""
        self.server.process.kill()
        self._reader.join(PATIENCE)
        self.server.kill()

    def start_again(self) -> None:
        """Start it on the same data and ports."""
        https, http = (int(url.rpartition(":")[2]) for url in (self.server.https, self.server.http))
        facts = self.server.facts
        self._follow(
            server.start(self.data, database=self.database, https_port=https, http_port=http, facts=facts, **self._env)
        )

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.server.process.terminate()
        self._reader.join(PATIENCE)
        return self.server.stop()


@contextmanager
def running(data: Path, database: str | None = None, **env: str) -> Iterator[Running]:
    """A server, killed at the end if it still runs. `env`: settings, as FOLKMOOT_NAME."""
    found = Running(data, database, **env)
    try:
        yield found
    finally:
        found.kill()
    assert "Traceback" not in "".join(found.printed), "".join(found.printed)


class Memory:
    """What all clients together know: what they tried to post, and what was acknowledged, text by text."""

    def __init__(self) -> None:
        self.tried: dict[str, str] = {}  # text → sender
        self.acknowledged: dict[str, str] = {}  # text → the thread's id on the wire
        self.threads: list[tuple[str, str, str]] = []  # group, conversation, thread
        self.others: list[tuple[int, str | None, bytes]] = []  # status, Retry-After, body
        # Attachments by their names, which are all different: those that a post was sent with, by its text; all that
        # were tried, were acknowledged; and the same of their deletion.
        self.sent_with: dict[str, list[str]] = {}
        self.tried_files: set[str] = set()
        self.files: set[str] = set()
        self.tried_deletions: set[str] = set()
        self.deletions: set[str] = set()
        # Changes: of each thread and post (ids on the wire) what was tried, and what was acknowledged last.
        self.tried_values: dict[str, list[str]] = {}
        self.values: dict[str, str] = {}
        self.changed = threading.Condition()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until something that the clients bring about is so."""
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE), (len(self.acknowledged), self.others[-1:])

    def wait_for_more(self, count: int) -> None:
        """Wait until so many more posts than now are acknowledged."""
        wanted = len(self.acknowledged) + count
        self.wait_for(lambda: len(self.acknowledged) >= wanted)


class Crowd:
    """Clients that post at once, each as soon as its last post was answered, until they are told to stop or the server
    is gone. Some start conversations, some start threads in them, most reply to threads of one another."""

    def __init__(self, port: int, tokens: list[str], memory: Memory, name: str) -> None:
        self._port = port
        self._tokens = tokens
        self._memory = memory
        self._name = name
        self._stop = threading.Event()
        self._crew = [threading.Thread(target=self._post, args=(n,), daemon=True) for n in range(CLIENTS)]
        for each in self._crew:
            each.start()

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.join()

    def join(self) -> None:
        """Wait until all have ended."""
        for each in self._crew:
            each.join(PATIENCE)
            assert not each.is_alive(), "a client waits for an answer that does not come"

    def _post(self, number: int) -> None:
        chance = random.Random(number)  # noqa: S311  (only varies what is posted)
        token, sender = self._tokens[number % len(self._tokens)], _PEOPLE[number % len(self._tokens)].name
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)) as connection:
            count = 0
            while not self._stop.is_set():
                text = f"{self._name} {number} {count}"
                count += 1
                try:
                    self._turn(connection, chance, number, token, sender, text)
                except (OSError, HTTPException):
                    return

    def _turn(
        self, connection: HTTPConnection, chance: random.Random, number: int, token: str, sender: str, text: str
    ) -> None:
        """Post `text` as `sender`, client `number`. Raises what breaks when the server goes away."""
        self._memory.tried[text] = sender
        path, body, known = self._next(chance, text)
        answer = ask(connection, "POST", path, token, body)
        with self._memory.changed:
            self._remember(answer, text, known)
            self._memory.changed.notify_all()

    def _next(self, chance: random.Random, text: str) -> tuple[str, Any, tuple[str, str, str]]:
        """What to post next: path, body, and where it will be as far as that is known."""
        post = {"body": {"contentType": "text", "content": text}}
        dice, threads = chance.random(), self._memory.threads
        if dice < 0.15 or not threads:
            group = chance.choice(GROUPS)
            body = {"topic": self._name, "threads": [{"posts": [post]}]}
            return f"/groups/{group}/conversations", body, (group, "", "")
        group, conversation, thread = chance.choice(threads[-40:])
        if dice < 0.25:
            path = f"/groups/{group}/conversations/{conversation}/threads"
            return path, {"topic": self._name, "posts": [post]}, (group, conversation, "")
        return f"/groups/{group}/threads/{thread}/reply", {"post": post}, (group, conversation, thread)

    def _remember(self, answer: Answer, text: str, known: tuple[str, str, str]) -> None:
        group, conversation, thread = known
        if answer.status not in (201, 202):
            self._memory.others.append((answer.status, answer.retry_after, answer.content))
            return
        if answer.status == 201:
            made = json.loads(answer.content)
            conversation, thread = (
                (conversation, made["id"]) if conversation else (made["id"], made["threads"][0]["id"])
            )
            self._memory.threads.append((group, conversation, thread))
        self._memory.acknowledged[text] = thread


class Answer:
    """What a server answered."""

    def __init__(self, status: int, retry_after: str | None, content: bytes) -> None:
        self.status, self.retry_after, self.content = status, retry_after, content

    @property
    def json(self) -> Any:
        return json.loads(self.content)


def ask(connection: HTTPConnection, method: str, path: str, token: str, body: Any = None, **more: str) -> Answer:
    """One request on a connection that is kept; `more` are headers."""
    headers = {"Authorization": f"Bearer {token}", **more}
    if body is not None:
        headers["Content-Type"] = "application/json"
    connection.request(method, f"/v1.0{path}", None if body is None else json.dumps(body), headers)
    with connection.getresponse() as response:
        return Answer(response.status, response.headers["Retry-After"], response.read())


def until(condition: Callable[[], bool]) -> None:
    """Ask again and again until something is so, which must be soon."""
    deadline = time.monotonic() + AT_ONCE
    while not condition():
        assert time.monotonic() < deadline
