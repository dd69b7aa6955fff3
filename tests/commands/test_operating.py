"""`folkmoot app`, `person` and `group`: what an operator does to a directory, beside a server or without one."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from folkmoot import app, cli
from folkmoot.auth.secrets import check_password, check_secret
from folkmoot.config import Settings
from folkmoot.ops import identities
from folkmoot.store import everywhere
from folkmoot.store import identities as rows
from tests.postgres import fresh

DOMAIN = Settings().domain
ISSUER = "https://id.example.org"
OUTSIDE = {"FOLKMOOT_ISSUERS_MAIN_ISSUER": ISSUER, "FOLKMOOT_ISSUERS_MAIN_AUDIENCE": "moot"}
PRODUCTION = {**OUTSIDE, "FOLKMOOT_MODE": "production", "FOLKMOOT_HTTPS_PORT": "0"}


@dataclass
class Operator:
    """Somebody at a terminal."""

    options: tuple[str, ...]
    settings: Settings
    capture: pytest.CaptureFixture[str]

    def says(self, *words: str) -> str:
        """What a command prints."""
        cli.main([*words, *self.options])
        return self.capture.readouterr().out

    def facts(self, *words: str) -> Any:
        """What a command prints as JSON, which is one thing."""
        return json.loads(self.says(*words, "--json"))

    def lines(self, *words: str) -> list[Any]:
        """What a command prints as JSON, which are many things."""
        return [json.loads(line) for line in self.says(*words, "--json").splitlines()]

    def refused(self, *words: str) -> str:
        """The one line that a refused command prints."""
        with pytest.raises(SystemExit) as ended:
            cli.main([*words, *self.options])
        assert self.capture.readouterr().out == ""
        said = str(ended.value.code)
        assert said.startswith("folkmoot: ")
        assert "\n" not in said
        return said

    def read(self, function: Callable[[Any], Any]) -> Any:
        store = app.open_store(self.settings)
        try:
            return store.read_here(function)
        finally:
            store.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def operator(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Operator]:
    monkeypatch.setattr(os, "umask", lambda mask: mask)  # the tests' own files are nobody's secret
    if request.param == "sqlite":
        yield Operator(("--data", str(tmp_path)), Settings(data=str(tmp_path)), capsys)
    else:
        with fresh() as url:
            options = ("--data", str(tmp_path), "--database", url)
            yield Operator(options, Settings(data=str(tmp_path), database=url), capsys)


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in OUTSIDE.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)


# ── people ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_person_comes_and_goes(operator: Operator) -> None:
    ada = operator.facts("person", "add", "ada", "--name", "Ada Byron")
    assert "is or was another person's" in operator.refused("person", "add", "x", "--id", ada["id"])
    assert ada == {
        "id": ada["id"],
        "userPrincipalName": f"ada@{DOMAIN}",
        "userType": "Member",
        "accountEnabled": True,
        "admin": False,
        "displayName": "Ada Byron",
        "mail": f"ada@{DOMAIN}",
        "identities": [],
    }
    for name in ("ada", f"ADA@{DOMAIN}", ada["id"], ada["id"].upper()):
        assert operator.facts("person", "show", name) == ada
    assert operator.facts("person", "disable", "ada") == {**ada, "accountEnabled": False}
    assert operator.facts("person", "enable", "ada") == ada
    assert operator.facts("person", "make-admin", "ada") == {**ada, "admin": True}
    assert operator.facts("person", "make-admin", "ada", "--undo") == ada
    assert operator.facts("person", "remove", "ada") == {"id": ada["id"], "removed": True}
    assert "Nobody is called 'ada'" in operator.refused("person", "show", "ada")
    assert operator.lines("person", "list") == []


def test_a_person_of_another_domain(operator: Operator) -> None:
    guest = operator.facts("person", "add", "bob@example.org", "--guest", "--mail", "b@example.org")
    assert (guest["userPrincipalName"], guest["mail"], guest["userType"], guest["displayName"]) == (
        "bob@example.org",
        "b@example.org",
        "Guest",
        "bob",
    )
    assert operator.facts("person", "show", "B@example.org") == guest
    assert "guest" in operator.refused("person", "make-admin", "bob@example.org")
    assert operator.facts("person", "add", "root", "--admin")["admin"]


def test_people_are_listed_page_by_page(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "PAGE", 2)
    names = [f"p{number}" for number in range(5)]
    for name in names:
        operator.says("person", "add", name)
    listed = operator.lines("person", "list")
    assert sorted(each["displayName"] for each in listed) == names
    assert [each["id"] for each in listed] == sorted(each["id"] for each in listed)
    assert len(operator.says("person", "list").splitlines()) == 5


def test_a_person_is_printed_for_people_to_read(operator: Operator) -> None:
    operator.says("person", "add", "ada")
    printed = operator.says("person", "show", "ada")
    assert f"userPrincipalName  ada@{DOMAIN}\n" in printed
    assert "accountEnabled     yes\n" in printed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("person", "add", "ada"), "already exists"),
        (("person", "add", "a b"), "userPrincipalName must have the form"),
        (("person", "add", "x" * 65), "userPrincipalName must have the form name@domain, with at most 64 characters"),
        (("person", "add", "x", "--mail", "nothing"), "mail must have the form"),
        (("person", "add", "x", "--mail", f"x@{'y' * 253}"), "mail must have the form"),
        (("person", "add", "x", "--id", "1"), "--id '1' is not a GUID"),
        (("person", "add", "x", "--subject", "s"), "--issuer"),
        (("person", "add", "x", "--issuer", "main"), "--subject"),
        (("person", "add", "x", "--subject", "s", "--issuer", "main"), "no issuer 'main'"),
        (("person", "link", "ada", "s"), "--issuer"),
        (("person", "show", "nobody"), "Nobody is called 'nobody'"),
        (("person", "show", "00000000-0000-4000-8000-000000000000"), "Nobody is called"),
        (("person", "remove", "team"), "Nobody is called 'team'"),
        (("group", "add", "team"), "already exists"),
        (("group", "add", "a b"), "mailNickname"),
        (("group", "add", "x", "--description", "d" * 1025), "description must have at most 1024"),
        (("group", "add", "x", "--owner", "nobody"), "Nobody is called 'nobody'"),
        (("group", "show", "ada"), "no group 'ada'"),
        (("group", "member", "list", "x"), "no group 'x'"),
        (("group", "member", "remove", "team", "ada"), "does not exist"),
        (("app", "show", "x"), "No application is called 'x'"),
        (("app", "add", "x", "--role", "everything"), "'everything' is not the name of a permission"),
        (("app", "add", "x", "--id", "web"), "--issuer"),
        (("app", "add", ""), "1 to 256 characters"),
        (("app", "set", "x"), "Say what to change"),
        (("app", "set", "x", "--role", "A.B", "--no-roles"), "--no-roles"),
        (("app", "set", "x", "--public", "--new-secret"), "--new-secret"),
        (("app", "set", "x", "--name", "y"), "No application is called 'x'"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(operator: Operator, words: tuple[str, ...], said: str) -> None:
    operator.says("person", "add", "ada")
    operator.says("group", "add", "team")
    assert said in operator.refused(*words)


@pytest.mark.parametrize(
    "words",
    [
        ("person", "list"),
        ("person", "disable", "ada"),
        ("group", "show", "team"),
        ("app", "list"),
        ("grant", "list", "team"),
        ("subscriptions", "list"),
    ],
)
def test_a_data_directory_that_is_misspelt_is_not_made(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "typo"
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--data", str(data)])
    assert f"There is no database in {data}." in str(ended.value.code)
    assert not data.exists()


def test_a_password_comes_by_standard_input(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    id = operator.facts("person", "add", "ada")["id"]
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
    operator.says("person", "set-password", "ada")
    assert check_password(operator.read(lambda s: everywhere.password_hash(s, id)), "correct horse")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert "1 to" in operator.refused("person", "set-password", "ada")


def test_production_keeps_no_passwords_and_no_secrets(operator: Operator, production: None) -> None:
    operator.says("person", "add", "ada")
    assert "outside issuer" in operator.refused("person", "set-password", "ada")
    assert "secret" not in operator.facts("app", "add", "Web", "--id", "web")
    assert "outside issuer" in operator.refused("app", "set", "Web", "--new-secret")


# ── names of outside issuers ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_person_is_linked_to_an_outside_subject(operator: Operator, outside: None) -> None:
    ada = operator.facts("person", "add", "ada", "--subject", "auth0|1")
    named = [{"issuer": ISSUER, "subject": "auth0|1"}]
    assert ada["identities"] == named
    assert operator.read(lambda s: rows.object_of(s, ISSUER, "person", "auth0|1")) == ada["id"]
    bob = operator.facts("person", "add", "bob")
    assert "linked to" in operator.refused("person", "link", "bob", "auth0|1", "--issuer", "main")
    assert operator.facts("person", "link", "ada", "auth0|1")["identities"] == named
    assert operator.facts("person", "unlink", "ada")["identities"] == []
    assert operator.facts("person", "link", "bob", "auth0|1")["identities"] == named
    # The subject of somebody who is gone can be given to who came back.
    operator.says("person", "remove", "bob")
    back = operator.facts("person", "add", "bob")
    assert back["id"] != bob["id"]
    assert operator.facts("person", "link", "bob", "auth0|1")["identities"] == named


def test_an_application_of_an_outside_issuer(operator: Operator, outside: None) -> None:
    web = operator.facts("app", "add", "Web", "--id", "web", "--profile", "extended", "--public")
    assert web["id"] == identities.made_id(ISSUER, "app", "web")
    assert web["clientIds"] == [{"issuer": ISSUER, "clientId": "web"}]
    assert web["principalId"] == identities.made_id(ISSUER, "app", "web#principal")
    for name in ("web", "Web", web["id"]):
        assert operator.facts("app", "show", name) == web
    operator.says("app", "remove", "web")
    assert operator.read(lambda s: rows.object_of(s, ISSUER, "app", "web")) is None


# ── applications ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_applications_secret_is_shown_once(operator: Operator) -> None:
    daemon = operator.facts("app", "add", "Daemon", "--role", "Group.Read.All", "--role", "User.Read.All")
    first = daemon.pop("secret")
    assert (daemon["roles"], daemon["scopes"], daemon["profile"], daemon["public"]) == (
        ["Group.Read.All", "User.Read.All"],
        [],
        "strict",
        False,
    )
    assert operator.facts("app", "show", "Daemon") == daemon
    kept = operator.read(lambda s: everywhere.application(s, daemon["id"]))
    assert check_secret(kept, first)
    assert first not in operator.says("app", "show", "Daemon")
    second = operator.facts("app", "set", "Daemon", "--new-secret")["secret"]
    kept = operator.read(lambda s: everywhere.application(s, daemon["id"]))
    assert (check_secret(kept, first), check_secret(kept, second)) == (False, True)
    assert "shown this once" in operator.says("app", "set", "Daemon", "--new-secret")


def test_an_application_is_changed_in_part(operator: Operator) -> None:
    given = "11111111-1111-4111-8111-111111111111"
    before = operator.facts("app", "add", "Web", "--id", given, "--public", "--scope", "User.Read")
    assert before["id"] == given
    after = operator.facts("app", "set", given, "--name", "Site", "--role", "A.Read", "--no-scopes")
    assert after == {**before, "name": "Site", "roles": ["A.Read"], "scopes": []}
    assert operator.facts("app", "set", "Site", "--profile", "extended", "--no-roles") == {
        **after,
        "profile": "extended",
        "roles": [],
    }
    assert "already" in operator.refused("app", "add", "Again", "--id", given.upper())
    operator.says("app", "add", "Site")
    assert "Several applications" in operator.refused("app", "show", "Site")
    assert [each["name"] for each in operator.lines("app", "list")] == ["Site", "Site"]
    assert operator.facts("app", "remove", given) == {"id": given, "removed": True, "grants": 0}
    assert len(operator.lines("app", "list")) == 1


def test_an_applications_grants_go_with_it(operator: Operator) -> None:
    """Registered anew under the same client id, it may not what the one before it might."""
    given = "11111111-1111-4111-8111-111111111111"
    for group in ("team", "other"):
        operator.says("group", "add", group)
    for id in (given, "22222222-2222-4222-8222-222222222222"):
        operator.says("app", "add", f"App {id[0]}", "--id", id, "--profile", "extended")
        operator.says("grant", "add", "team", id, "Group-Conversation.Read.Group")
    operator.says("grant", "add", "other", given, "Group-Conversation.Read.Group")
    assert operator.facts("app", "remove", given) == {"id": given, "removed": True, "grants": 2}
    operator.says("app", "add", "App 1", "--id", given, "--profile", "extended")
    assert operator.says("grant", "list", "other") == ""
    assert "App 2" in operator.says("grant", "list", "team")
    assert "App 1" not in operator.says("grant", "list", "team")


# ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_group(operator: Operator, production: None) -> None:
    for name in ("ada", "bob", "cyd"):
        operator.says("person", "add", name)
    team = operator.facts("group", "add", "team", "--name", "The team", "--owner", "ada", "--member", "ada")
    assert team == {
        "id": team["id"],
        "displayName": "The team",
        "mail": f"team@{DOMAIN}",
        "visibility": "Private",
    }
    assert operator.facts("group", "add", "all", "--public")["visibility"] == "Public"
    for name in ("team", f"Team@{DOMAIN}", team["id"]):
        assert operator.facts("group", "show", name) == team
    operator.says("group", "member", "add", "team", "bob", f"cyd@{DOMAIN}")

    def names(role: str) -> list[str]:
        return sorted(each["displayName"] for each in operator.lines("group", role, "list", "team"))

    assert (names("member"), names("owner")) == (["ada", "bob", "cyd"], ["ada"])
    assert "already exist" in operator.refused("group", "member", "add", "team", "bob")
    operator.says("group", "member", "remove", "team", "bob", "cyd")
    operator.says("group", "owner", "add", "team", "bob")
    operator.says("group", "owner", "remove", "team", "ada")
    assert (names("member"), names("owner")) == (["ada"], ["bob"])
    assert "at least one owner" in operator.refused("group", "owner", "remove", "team", "bob")
    assert len(operator.lines("group", "list")) == 2
    assert f"team@{DOMAIN}  Private  The team" in operator.says("group", "list")


def test_nothing_is_done_by_halves(operator: Operator) -> None:
    operator.says("person", "add", "ada")
    operator.says("group", "add", "team")
    operator.refused("group", "member", "add", "team", "ada", "nobody")
    assert operator.lines("group", "member", "list", "team") == []


def test_a_group_is_removed(operator: Operator) -> None:
    id = operator.facts("group", "add", "team")["id"]
    assert operator.facts("group", "remove", "Team") == {"id": id, "removed": True, "restorable": True}
    assert operator.lines("group", "list") == []
    assert "There is no group" in operator.refused("group", "remove", "team")
    assert operator.read(lambda s: everywhere.deleted_group(s, id)) is not None
