"""A directory in memory, and a person who drives the issuer's pages."""

from __future__ import annotations

import html.parser
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import requests

from folkmoot.auth.keys import SigningKey
from folkmoot.auth.secrets import check_password, hash_password, hash_secret
from folkmoot.auth.tokens import Validator
from folkmoot.model import Application, SignIn

TENANT = "8f6b1d6a-6f0e-4b2a-9a53-0d7c6c1f5e11"
DOMAIN = "moot.example"
SECRET = "only-for-this-test-0123456789abcdefghij"
PASSWORD = "correct horse battery"
ADA = SignIn(oid="11111111-1111-4111-8111-111111111111", upn="ada@moot.example", name="Ada Byron", mail="ada@mail.test")
BOB = SignIn(oid="22222222-2222-4222-8222-222222222222", upn="bob@moot.example", name="Bob <b>Ω</b>", mail="")
PUBLIC = Application(
    id="aaaaaaaa-0000-4000-8000-000000000001",
    name="Tester & Sons",
    principal="aaaaaaaa-0000-4000-8000-00000000000f",
    secret_hash=None,
    roles=(),
    scopes=("User.Read", "Group.ReadWrite.All"),
    profile="strict",
)
DAEMON = Application(
    id="bbbbbbbb-0000-4000-8000-000000000002",
    name="Daemon",
    principal="bbbbbbbb-0000-4000-8000-00000000000f",
    secret_hash=hash_secret(SECRET),
    roles=("Group.Read.All", "User.Read.All"),
    scopes=("User.Read",),
    profile="strict",
)


class People:
    """A directory in memory. `one_click` are those who may sign in without a password."""

    def __init__(self) -> None:
        self.everyone: list[SignIn] = [ADA, BOB]
        self.one_click: list[SignIn] = [ADA, BOB]
        self.applications = {PUBLIC.id: PUBLIC, DAEMON.id: DAEMON}
        self._kept = hash_password(PASSWORD)

    async def person(self, name: str) -> SignIn | None:
        return next((each for each in self.everyone if name.lower() in (each.upn.lower(), each.mail.lower())), None)

    async def authenticate(self, name: str, password: str) -> SignIn | None:
        person = await self.person(name)
        return person if person and check_password(self._kept, password) else None

    async def people(self) -> Sequence[SignIn]:
        return self.one_click

    async def person_by_id(self, oid: str) -> SignIn | None:
        return next((each for each in self.everyone if each.oid == oid), None)

    async def application(self, client_id: str) -> Application | None:
        return self.applications.get(client_id)


@dataclass
class Clock:
    """The time of day, moved by hand where a test needs it."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class Form:
    """A form of a page: where it goes, what it carries, and the values of its submit buttons by name."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class Page(html.parser.HTMLParser):
    """The forms and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.words: list[str] = []
        self._skipping = False
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given["action"]))
        elif tag == "input":
            self.forms[-1].fields[given["name"]] = given.get("value", "")
        elif tag == "button" and "name" in given:
            self.forms[-1].buttons.append((given["name"], given["value"]))
        self._skipping = tag in ("style", "script")

    def handle_endtag(self, tag: str) -> None:
        self._skipping = False

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.words.append(data)


@dataclass
class Server:
    """A running issuer and everything a test asks of it."""

    base: str
    ca: Path
    key: SigningKey
    people: People
    clock: Clock
    http: httpx.Client
    validator: Validator
    session: requests.Session = field(default_factory=requests.Session)  # for MSAL; closed after each test

    @property
    def authority(self) -> str:
        return f"{self.base}/{TENANT}"

    def token(self, **form: str) -> httpx.Response:
        """POST to the token endpoint."""
        return self.http.post(f"{self.authority}/oauth2/v2.0/token", data=form)

    def authorize(self, **changed: str | None) -> httpx.Response:
        """GET the sign-in page of the public client. A parameter of None is left out."""
        parameters: dict[str, str | None] = {
            "client_id": PUBLIC.id,
            "response_type": "code",
            "redirect_uri": "http://localhost:5000/back",
            "scope": "User.Read openid offline_access",
            "state": "s&1",
        }
        sent = {name: value for name, value in (parameters | changed).items() if value is not None}
        return self.http.get(f"{self.authority}/oauth2/v2.0/authorize", params=sent)

    def submit(
        self, page: httpx.Response, form: Form, *, headers: Mapping[str, str] | None = None, **typed: str
    ) -> Any:
        """Submit a form of a page, as a browser does."""
        url = page.url.join(form.action)
        own = {"Origin": f"{url.scheme}://{url.netloc.decode()}", "Sec-Fetch-Site": "same-origin"}
        return self.http.post(url, data=form.fields | typed, headers=headers or own)

    def click(self, page: httpx.Response, person: SignIn) -> httpx.Response:
        """Sign in with one click."""
        form = next(form for form in Page(page.text).forms if ("account", person.oid) in form.buttons)
        answer: httpx.Response = self.submit(page, form, account=person.oid)
        return answer

    def code(self, **changed: str | None) -> str:
        """An authorization code for Ada."""
        answer = self.click(self.authorize(**changed), ADA)
        assert answer.status_code == 303, answer.text
        return httpx.URL(answer.headers["location"]).params["code"]
