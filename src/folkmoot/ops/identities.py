"""People who come with an outside issuer's token: found, linked to a user, or added to the directory."""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import NAMESPACE_URL, uuid5

from folkmoot.model import Admission, Arrival, Person, UserDraft
from folkmoot.ops import directory
from folkmoot.refusals import Conflict, NotAdmitted
from folkmoot.store import everywhere, identities
from folkmoot.store.db import Snapshot, Tx

_UNKNOWN = (
    "The access token is genuine, but its person is not in this server's directory, and people are not added at their "
    "first sign-in. An operator can add them with `folkmoot person add`, or say by `folkmoot person link` which of the "
    "people who are there they are."
)
_DELETED = "The person whom the access token names was deleted from this server's directory."
_NOT_IN_NICKNAME = re.compile(r"[^A-Za-z0-9._+-]+")


def made_id(issuer: str, kind: identities.Kind, subject: str) -> str:
    """The GUID that stands for an issuer's name where no other is known: the same on every server, for ever."""
    return str(uuid5(NAMESPACE_URL, f"{issuer}#{kind}#{subject}"))


def known(snapshot: Snapshot, arrival: Arrival) -> Person | None:
    """The user whom the arrival's subject is linked to; None when it is linked to nobody.

    Raises `NotAdmitted` when that user was deleted or is disabled.
    """
    id = identities.object_of(snapshot, arrival.issuer, "person", arrival.subject)
    return None if id is None else _admitted(snapshot, id)


def outdated(person: Person, arrival: Arrival, admission: Admission) -> dict[str, str]:
    """The columns of a known user that the arrival says otherwise, as far as `admission` lets it."""
    changes = {}
    if "display_name" in admission.update and arrival.name and arrival.name != person.name:
        changes["display_name"] = arrival.name
    if "mail" in admission.update and arrival.mail and arrival.mail.lower() != (person.mail or "").lower():
        changes["mail"] = arrival.mail
    return changes


def require_way_in(admission: Admission) -> None:
    """Raise `NotAdmitted` when nobody who is unknown could come in, so that no transaction need be begun for them."""
    if not admission.provision and not admission.link:
        raise NotAdmitted(_UNKNOWN)


def arrive(tx: Tx, arrival: Arrival, admission: Admission) -> Person:
    """Find, link or add the user whom the arrival names, and bring their name and mail up to date.

    Raises `NotAdmitted`, saying why: unknown and not to be added, of another domain, disabled, deleted.
    """
    person = known(tx, arrival)
    if person is None:
        id = _linked(tx, arrival, admission) or _added(tx, arrival, admission)
        identities.add_name(tx, arrival.issuer, "person", arrival.subject, id)
        return _admitted(tx, id)
    changes = outdated(person, arrival, admission)
    if "mail" in changes and not _free(tx, changes["mail"], person.id):
        del changes["mail"]
    if not changes:
        return person
    directory.update_user(tx, person.id, changes)
    return _admitted(tx, person.id)


def link(tx: Tx, issuer: str, kind: identities.Kind, subject: str, object_id: str) -> None:
    """Say whom an issuer's name means. Raises `Conflict` when it means somebody else who is still there."""
    there = identities.object_of(tx, issuer, kind, subject)
    if there == object_id:
        return
    if there is not None:
        find = everywhere.person if kind == "person" else everywhere.application
        if find(tx, there) is not None:
            raise Conflict(f"'{subject}' of {issuer} is linked to {there} already.")
        identities.drop_name(tx, issuer, kind, subject)
    identities.add_name(tx, issuer, kind, subject, object_id)


def _admitted(snapshot: Snapshot, id: str) -> Person:
    person = everywhere.person(snapshot, id)
    if person is None:
        raise NotAdmitted(_DELETED)
    if not person.enabled:
        raise NotAdmitted("The account of the person whom the access token names is disabled on this server.")
    return person


def _linked(tx: Tx, arrival: Arrival, admission: Admission) -> str | None:
    """The user who is there already and whom the arrival is known to be."""
    for way in admission.link:
        found: Person | None = None
        address = ""
        if way == "id" and arrival.id is not None:
            found = everywhere.person(tx, arrival.id)
            if found is None and identities.was_user(tx, arrival.id):
                raise NotAdmitted(_DELETED)
        elif way == "mail" and arrival.mail is not None:
            address = arrival.mail
            found = everywhere.person_by_address(tx, address)
        elif way == "sign_in_name" and arrival.sign_in_name is not None:
            address = _whole(arrival.sign_in_name, admission.domain)
            found = everywhere.person_by_address(tx, address)
        if found is None:
            continue
        names = identities.names_of(tx, "person", found.id)
        if address and address.lower() != (found.mail or "").lower() and _came_by_itself(found.id, names):
            # Whoever may choose a name at some issuer could have waited there for its owner.
            raise NotAdmitted(
                "The access token's person has the address of somebody who was added at a first sign-in, under a name "
                "that no issuer vouched for; an operator can link them with `folkmoot person link`."
            )
        if any(issuer == arrival.issuer for issuer, _ in names):
            # A mail address that the issuer gave to somebody new does not make them the person who had it before.
            raise NotAdmitted(
                "The access token's person looks like a user of this server whom another subject of the issuer is "
                "linked to; an operator can link them with `folkmoot person link`."
            )
        return found.id
    return None


def _came_by_itself(id: str, names: Iterable[tuple[str, str]]) -> bool:
    """Whether a user of this id was made of one of its (issuer, subject) names, at a first sign-in."""
    return any(id in (subject.lower(), made_id(issuer, "person", subject)) for issuer, subject in names)


def _added(tx: Tx, arrival: Arrival, admission: Admission) -> str:
    if not admission.provision:
        raise NotAdmitted(_UNKNOWN)
    at = (arrival.mail or "").rpartition("@")[2].lower()
    if admission.domains and at not in admission.domains:
        raise NotAdmitted(
            "The access token's person is not in this server's directory, and only people with a verified mail "
            f"address at {', '.join(admission.domains)} are added at their first sign-in."
        )
    id = arrival.id
    if id is None or identities.was_user(tx, id) or everywhere.group_exists(tx, id):
        id = made_id(arrival.issuer, "person", arrival.subject)
        if identities.was_user(tx, id):
            raise NotAdmitted(_DELETED)
    if arrival.mail is not None and not _free(tx, arrival.mail, id):
        raise NotAdmitted(
            "The access token's person has the mail address of another user or group of this server; an operator can "
            "link them with `folkmoot person link`."
        )
    name = _sign_in_name(tx, arrival, admission, id)
    directory.create_user(
        tx,
        UserDraft(
            id=id,
            user_principal_name=name,
            display_name=(arrival.name or arrival.mail or name)[:256],
            mail=arrival.mail,
            mail_nickname=name.partition("@")[0],
            user_type="Guest" if admission.guest else "Member",
            account_enabled=True,
        ),
    )
    return id


def _sign_in_name(tx: Tx, arrival: Arrival, admission: Admission, id: str) -> str:
    """A free user principal name. Mail that is believed may be one; any other name is put into the tenant's domain.

    A user principal name is an address that its owner may post as, so an address that nobody vouched for is not one.
    """
    if arrival.mail is not None and _plain(arrival.mail.partition("@")[0]) == arrival.mail.partition("@")[0]:
        return arrival.mail
    local = _plain((arrival.sign_in_name or arrival.mail or "").partition("@")[0]) or id
    for tried in (local, f"{local[:50]}.{id[-12:]}", id):
        name = f"{tried}@{admission.domain}"
        if everywhere.by_address(tx, name) is None:
            return name
    raise NotAdmitted(f"There is no free sign-in name for the access token's person ({id}); an operator can add them.")


def _plain(text: str) -> str:
    return _NOT_IN_NICKNAME.sub("", text)[:64]


def _whole(name: str, domain: str) -> str:
    return name if "@" in name else f"{name}@{domain}"


def _free(snapshot: Snapshot, address: str, id: str) -> bool:
    owner = everywhere.by_address(snapshot, address)
    return owner is None or owner[1] == id
