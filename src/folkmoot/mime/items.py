"""Outlook items as other programs know them: messages (RFC 5322), events (RFC 5545), contacts (RFC 6350).

The input is an item as Graph has it. Only what both sides have is carried over; what is missing or of another type is
left out, for the item was kept as its sender gave it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

Item = dict[str, Any]

# What the library raises for text that it cannot read as a header, by its own lapses, too.
_UNFIT = (MessageError, ValueError, IndexError, AttributeError)
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SPACE = re.compile(r"\s+")


def written(item: Item, uid: str) -> tuple[bytes, str, str]:
    """The item, its content type, and how a file with it ends. `uid` names an event or contact that has no name."""
    kind = str(item.get("@odata.type", "")).rpartition(".")[2]
    item = {name.lower(): value for name, value in item.items()}
    if kind == "event":
        return _lines(_event(item, uid)), "text/calendar; charset=utf-8", ".ics"
    if kind == "contact":
        return _lines(_contact(item, uid)), "text/vcard; charset=utf-8", ".vcf"
    return _message(item), "message/rfc822", ".eml"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _below(item: Any, *path: str) -> Any:
    """What lies at the end of a path of names (lower case), or None."""
    for name in path:
        if not isinstance(item, dict):
            return None
        item = next((value for key, value in item.items() if key.lower() == name), None)
    return item


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _message(item: Item) -> bytes:
    message = EmailMessage(policy=SMTP)
    for header, name in (("From", "from"), ("Sender", "sender")):
        _put(message, header, _addresses([item.get(name)]))
    for header, name in (("To", "torecipients"), ("Cc", "ccrecipients"), ("Reply-To", "replyto")):
        _put(message, header, _addresses(_each(item.get(name))))
    subject = _SPACE.sub(" ", _CONTROLS.sub("", _text(item.get("subject"))))
    _put(message, "Subject", subject)
    moment = _moment(item.get("sentdatetime")) or _moment(item.get("receiveddatetime"))
    if moment is not None:
        _put(message, "Date", format_datetime(moment))
    identity = _SPACE.sub("", _text(item.get("internetmessageid")))
    # It has no other letters (RFC 5322 §3.6.4), and no way to write them.
    _put(message, "Message-ID", identity if identity.isascii() else None)
    html = _text(_below(item, "body", "contenttype")).lower() == "html"
    message.set_content(_text(_below(item, "body", "content")), subtype="html" if html else "plain")
    return message.as_bytes()


def _put(message: EmailMessage, name: str, value: Any) -> None:
    if not value:
        return
    try:
        message[name] = value
    except _UNFIT:  # a value that no header can hold is not worth losing the message for
        del message[name]


def _addresses(given: Iterable[Any]) -> list[Address]:
    found = []
    for each in given:
        address = _text(_below(each, "emailaddress", "address"))
        name = _SPACE.sub(" ", _CONTROLS.sub("", _text(_below(each, "emailaddress", "name"))))
        try:
            found.append(Address(display_name=name, addr_spec=address))
        except _UNFIT:
            continue
    return found


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", _text(value)))
    except ValueError:
        return None


# ── events and contacts: content lines ───────────────────────────────────────────────────────────────────────────────


def _event(item: Item, uid: str) -> Iterator[str]:
    yield from ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Folkmoot//EN", "BEGIN:VEVENT")
    yield f"UID:{_escaped(item.get('icaluid') or uid)}"
    stamp = _moment(item.get("lastmodifieddatetime")) or _moment(item.get("createddatetime"))
    yield f"DTSTAMP:{_utc(stamp)}" if stamp is not None else "DTSTAMP:19700101T000000Z"
    whole_days = item.get("isallday") is True
    for name, key in (("DTSTART", "start"), ("DTEND", "end")):
        moment = _moment(_below(item, key, "datetime"))
        if moment is None:
            continue
        zone = _text(_below(item, key, "timezone"))
        if whole_days:
            yield f"{name};VALUE=DATE:{moment:%Y%m%d}"
        elif zone.upper() in ("", "UTC"):
            yield f"{name}:{_utc(moment)}"
        else:
            yield f'{name};TZID="{_parameter(zone)}":{moment:%Y%m%dT%H%M%S}'
    yield from _given("SUMMARY", item.get("subject"))
    yield from _given("LOCATION", _below(item, "location", "displayname"))
    plain = _text(_below(item, "body", "contenttype")).lower() != "html"
    described = _below(item, "body", "content")
    # HTML has a property of its own, which calendars other than Outlook know as well.
    yield from _given("DESCRIPTION" if plain else "X-ALT-DESC;FMTTYPE=text/html", described)
    yield from _participants("ORGANIZER", [item.get("organizer")])
    yield from _participants("ATTENDEE", _each(item.get("attendees")))
    yield from ("END:VEVENT", "END:VCALENDAR")


def _utc(moment: datetime) -> str:
    """A moment in UTC, as which it is taken where it has no offset (RFC 5545 §3.3.5)."""
    with suppress(OverflowError):  # in the first and the last hours that there are
        moment = moment.astimezone(UTC) if moment.tzinfo is not None else moment
    return f"{moment:%Y%m%dT%H%M%SZ}"


def _participants(name: str, given: Iterable[Any]) -> Iterator[str]:
    for each in given:
        address = re.sub(r"[\s\x00-\x1f]", "", _text(_below(each, "emailaddress", "address")))
        if address:
            yield f'{name};CN="{_parameter(_text(_below(each, "emailaddress", "name")))}":mailto:{address}'


def _contact(item: Item, uid: str) -> Iterator[str]:
    yield from ("BEGIN:VCARD", "VERSION:4.0", f"UID:{_escaped(uid)}")
    given, surname = item.get("givenname"), item.get("surname")
    shown = item.get("displayname") or " ".join(filter(None, (_text(given), _text(surname)))) or "-"
    yield f"FN:{_escaped(shown)}"
    yield f"N:{_escaped(surname)};{_escaped(given)};{_escaped(item.get('middlename'))};;"
    yield from _given("NICKNAME", item.get("nickname"))
    for each in _each(item.get("emailaddresses")):
        yield from _given("EMAIL", _below(each, "address"))
    yield from _given("TEL;TYPE=cell", item.get("mobilephone"))
    for name, key in (("TEL;TYPE=work", "businessphones"), ("TEL;TYPE=home", "homephones")):
        for phone in _each(item.get(key)):
            yield from _given(name, phone)
    company, department = item.get("companyname"), item.get("department")
    if company or department:
        yield f"ORG:{_escaped(company)};{_escaped(department)}"
    yield from _given("TITLE", item.get("jobtitle"))
    yield from _given("NOTE", item.get("personalnotes"))
    yield "END:VCARD"


def _given(name: str, value: Any) -> Iterator[str]:
    if _text(value):
        yield f"{name}:{_escaped(value)}"


def _escaped(value: Any) -> str:
    """Text as a value (RFC 5545 §3.3.11, RFC 6350 §3.4)."""
    text = _CONTROLS.sub("", _text(value)).replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return re.sub(r"\r\n?|\n", r"\\n", text)


def _parameter(value: str) -> str:
    return re.sub(r'[\x00-\x1f\x7f"]', "", value)


def _lines(lines: Iterable[str]) -> bytes:
    """Content lines, folded after 75 bytes (RFC 5545 §3.1, RFC 6350 §3.2)."""
    found = []
    for line in lines:
        raw, folded = line.encode(), b""
        limit = 75
        while len(raw) > limit:
            # Not in the middle of a character.
            cut = next(n for n in range(limit, 0, -1) if raw[n] & 0xC0 != 0x80)
            folded += raw[:cut] + b"\r\n "
            raw, limit = raw[cut:], 74
        found.append(folded + raw + b"\r\n")
    return b"".join(found)
