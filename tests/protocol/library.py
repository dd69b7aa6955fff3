"""A filled server for tests that only read: conversations and a directory with something of everything in them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from folkmoot.model import Caller, GroupDraft, SignIn, UserDraft
from folkmoot.ops import access, deleted, directory
from folkmoot.store.db import Tx
from tests.harness import DOMAIN, KEPT, PERSON, Client, Graph, Place, file_attachment, open_extension, recipient


def made(name: str) -> str:
    """The id of something that the library has beyond the lab."""
    return str(uuid5(NAMESPACE_DNS, f"{name}.library.folkmoot"))


# In no group, switched off, deleted, without a mail address: people whom the lab does not have.
DISABLED = SignIn(oid=made("disabled"), upn=f"dora@{DOMAIN}", name="Dora Disabled", mail=f"dora@{DOMAIN}")
DELETED = SignIn(oid=made("deleted"), upn=f"gone@{DOMAIN}", name="Gone Gray", mail=f"gone@{DOMAIN}")
STRANGER = SignIn(oid=made("stranger"), upn="who@elsewhere.example", name="Who", mail="who@elsewhere.example")

# Security groups, which may hold each other: name → visibility, groups and people in it.
NESTED: dict[str, tuple[str, tuple[str, ...]]] = {
    "Platform": ("Public", ("Backend", "Frontend", "AdeleV")),
    "Backend": ("Public", ("Storage", "LeeG")),
    "Frontend": ("Public", ("MeganB",)),
    "Storage": ("Public", ("Frontend", "AlexW", "LeeG")),
}


KEEPING = open_extension(stage=1, tags=["a", "b"])


@dataclass(frozen=True)
class Library:
    """A filled server, and where things are in it."""

    graph: Graph
    launch: Place  # three posts by three people; the last one answers the second
    talk: Place  # thirty posts
    parts: Place  # a conversation of twenty-five threads
    locked: Place
    attached: Place  # with a file; the posts of launch, talk, private and elsewhere have one that is inline
    private: Place  # in the group HR
    elsewhere: Place  # in the public group Mark8

    def as_(self, nick: str, **more: Any) -> Client:
        """A seeded person, signed in."""
        return self.graph.as_(nick, **more)


def fill(graph: Graph) -> Library:
    """Put everything in."""
    graph.loop.run(graph.store.write(_directory))
    adele, megan, alex, isaiah, lynne = (graph.as_(nick) for nick in ("AdeleV", "MeganB", "AlexW", "IsaiahL", "LynneR"))
    clock = graph.clock

    launch = adele.start("Launch plan", **_html("<p>We <b>launch</b> in May.</p>"))
    clock.advance(61)
    quiet = lynne.start("Grüße aus Köln — 日本語 🙂", "Sonnig.\r\n\r\nUnd   warm.", categories=["Äpfel & Birnen", "x"])
    clock.advance(1)
    second = megan.start("Launch plan", "Another one")
    locked = alex.start("launch PLAN", "case matters")  # in the same second as the one before
    clock.advance(3600)
    launch = megan.reply(launch, "Why May?", newParticipants=[_outside("Ann O'Nym", "ann@outside.example")])
    launch = alex.reply(launch, "Because.", to_post=True, sender=recipient("AlexW"), extensions=[KEEPING])
    clock.advance(86_400)
    attached = isaiah.start(
        "O'Brien's 100% _wild%", "a%b_c\\d'e", categories=["Finance"], attachments=[file_attachment()]
    )
    isaiah.start("", "no topic at all")
    clock.advance(5)
    megan.patch(second.thread_path(), {"isLocked": True})
    adele.patch(alex_thread := locked.thread_path(), {"isLocked": True})
    assert adele.get(alex_thread).json["isLocked"] is True
    _thread(adele, quiet, "Budget 2027", to=["MeganB", "LynneR"], cc=["AlexW"])

    talk = lynne.start("Talk", "post 0")
    people = itertools.cycle((adele, megan, alex, isaiah, lynne))
    for number, who in zip(range(1, 30), people, strict=False):
        clock.advance(number % 3)  # every third one comes in the same second as the one before
        talk = who.reply(talk, f"post {number}", to_post=number % 2 == 0, **_variety(number, who))

    parts = alex.start("Parts", "part 0")
    for number in range(1, 25):
        clock.advance(10)
        _thread(isaiah if number % 2 else alex, parts, f"Part {number:02}")

    private = graph.as_("DiegoS").start("Private matters", "Not for all", group="HR", extensions=[KEEPING])
    elsewhere = graph.as_("LidiaH").start("Mark 8", "For all", group="Mark8", extensions=[KEEPING])
    launch, talk, private, elsewhere = (
        graph.as_(nick).attach(place, isInline=True)
        for nick, place in (("AlexW", launch), ("AdeleV", talk), ("DiegoS", private), ("LidiaH", elsewhere))
    )
    launch, private, elsewhere = (replace(place, extension=KEPT) for place in (launch, private, elsewhere))
    clock.advance(30)
    graph.forget()
    return Library(graph, launch, talk, parts, locked, attached, private, elsewhere)


def _html(content: str) -> dict[str, Any]:
    return {"body": {"contentType": "html", "content": content}}


def _variety(number: int, who: Client) -> dict[str, Any]:
    """Something of everything that a post can bring along."""
    more: dict[str, Any] = {}
    if number % 4 == 0:
        more |= _html(f"<i>post {number}</i>")
    if number % 5 == 0:
        more["categories"] = ["Fives", f"by {number}"]
    if number == 7:
        more["attachments"] = [file_attachment()]
    if number in (11, 12):
        more["newParticipants"] = [recipient("LeeG"), _outside(None, f"p{number}@Outside.example")]
    if number == 13:
        more["sender"] = _outside("At work", who.mail)
    if number == 14:
        more["from"] = _outside("On behalf", who.mail.upper())
    return more


def _outside(name: str | None, mail: str) -> dict[str, Any]:
    return {"emailAddress": {"name": name, "address": mail}}


def _thread(who: Client, place: Place, topic: str, to: list[str] | None = None, cc: list[str] | None = None) -> None:
    body = {
        "topic": topic,
        "posts": [{"body": {"contentType": "text", "content": f"about {topic}"}}],
        "toRecipients": [recipient(nick) for nick in to or ()],
        "ccRecipients": [recipient(nick) for nick in cc or ()],
    }
    answer = who.post(f"{place.conversation_path}/threads", body)
    assert answer.status == 201, answer


def _directory(tx: Tx) -> None:
    for who in (
        person(DISABLED.oid, DISABLED.name, DISABLED.upn, account_enabled=False, job_title=None),
        person(DELETED.oid, DELETED.name, DELETED.upn),
        person(made("zoe"), "Zoë Österreich", f"zoe@{DOMAIN}", mail=None, job_title="director"),
        person(made("bare"), "bare", f"bare@{DOMAIN}", mail=None, given_name=None),
        person(made("visitor"), "Vis Itor", f"vis@{DOMAIN}", user_type="Guest"),
    ):
        directory.create_user(tx, who)
    root = Caller(kind="app", oid=made("root"), tenant="", application="", permissions=frozenset())
    directory.delete_user(tx, root, DELETED.oid)
    for name, (visibility, _) in NESTED.items():
        _group(tx, root, name, visibility, PERSON["AdeleV"])
    for name, (_, inside) in NESTED.items():
        standing = access.enter(tx, root, made(name))
        for each in inside:
            directory.add_to_group(tx, access.enter(tx, root, standing.group), "member", PERSON.get(each) or made(each))
    _group(tx, root, "Vault", "Private", PERSON["PattiF"])
    _group(tx, root, "Dissolved", "Public", PERSON["AdeleV"])
    deleted.delete_group(tx, access.enter(tx, root, made("Dissolved")))
    directory.add_to_group(tx, access.enter(tx, root, made("Vault")), "member", PERSON["NestorW"])


def person(id: str, name: str, upn: str, **more: Any) -> UserDraft:
    """A person with something in every property, or with what is given instead."""
    given: dict[str, Any] = {
        "id": id,
        "user_principal_name": upn,
        "display_name": name,
        "mail_nickname": upn.partition("@")[0],
        "account_enabled": True,
        "mail": upn,
        "job_title": "Tester",
        "mobile_phone": "+49 1",
        "business_phones": ("+49 2", "+49 3"),
        "other_mails": (f"other-{upn}",),
        "department": "Quality",
        "usage_location": "DE",
        "office_location": "18/2111",
    }
    return UserDraft(**(given | more))


def _group(tx: Tx, root: Caller, name: str, visibility: str, owner: str) -> None:
    directory.create_group(
        tx,
        root,
        GroupDraft(
            id=made(name),
            display_name=name,
            mail_nickname=f"{name}-group",
            mail_enabled=False,
            security_enabled=True,
            visibility=visibility,
            classification="Low" if name < "F" else None,
            theme="Teal" if name == "Storage" else None,
            unique_name="teal" if name == "Storage" else None,
            preferred_language="de-DE" if name == "Backend" else None,
            owners=(owner,),
        ),
        DOMAIN,
    )
