"""Outlook items in the forms of Internet mail, calendars and address books."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import SMTP
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from folkmoot.mime.items import written

EVENT: dict[str, Any] = {
    "@odata.type": "#microsoft.graph.event",
    "subject": "Plan, and; more\\",
    "start": {"dateTime": "2026-11-23T10:00:00.0000000", "timeZone": "Europe/Berlin"},
    "end": {"dateTime": "2026-11-23T11:00:00.0000000", "timeZone": "UTC"},
    "location": {"displayName": "Room 1\r\nleft"},
    "body": {"contentType": "text", "content": "ä" * 100},
    "organizer": {"emailAddress": {"name": 'Ann "A"', "address": "ann@x.example"}},
    "attendees": [{"emailAddress": {"address": "bob@x.example"}}, "nobody"],
}


def test_an_event() -> None:
    raw, kind, ending = written(EVENT, "the-uid")
    assert (kind, ending) == ("text/calendar; charset=utf-8", ".ics")
    assert all(len(line) <= 75 for line in raw.split(b"\r\n"))
    lines = raw.replace(b"\r\n ", b"").decode().split("\r\n")
    assert lines == [
        *("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Folkmoot//EN", "BEGIN:VEVENT", "UID:the-uid"),
        "DTSTAMP:19700101T000000Z",
        'DTSTART;TZID="Europe/Berlin":20261123T100000',
        "DTEND:20261123T110000Z",
        "SUMMARY:Plan\\, and\\; more\\\\",
        "LOCATION:Room 1\\nleft",
        f"DESCRIPTION:{'ä' * 100}",
        'ORGANIZER;CN="Ann A":mailto:ann@x.example',
        'ATTENDEE;CN="":mailto:bob@x.example',
        *("END:VEVENT", "END:VCALENDAR", ""),
    ]


def test_a_contact() -> None:
    contact = {
        "@odata.type": "#microsoft.graph.contact",
        "givenName": "Ann",
        "surname": "Lee",
        "emailAddresses": [{"address": "ann@x.example"}],
        "businessPhones": ["+49 30 1"],
        "companyName": "Contoso",
    }
    raw, kind, ending = written(contact, "u")
    assert (kind, ending) == ("text/vcard; charset=utf-8", ".vcf")
    assert raw.decode().split("\r\n") == [
        *("BEGIN:VCARD", "VERSION:4.0", "UID:u", "FN:Ann Lee", "N:Lee;Ann;;;", "EMAIL:ann@x.example"),
        *("TEL;TYPE=work:+49 30 1", "ORG:Contoso;", "END:VCARD", ""),
    ]


def test_a_message() -> None:
    message = {
        "@odata.type": "#microsoft.graph.message",
        "Subject": "Grüße\r\nBcc: x@y.example",
        "from": {"emailAddress": {"name": "Ann", "address": "ann@x.example"}},
        "toRecipients": [{"emailAddress": {"address": "bob@x.example"}}, {"emailAddress": {"address": "no address"}}],
        "sentDateTime": "2026-11-23T10:00:00Z",
        "body": {"contentType": "HTML", "content": "<p>Hi</p>"},
    }
    raw, kind, ending = written(message, "u")
    assert (kind, ending) == ("message/rfc822", ".eml")
    read = message_from_bytes(raw, policy=SMTP)
    assert (read["Subject"], read["From"], read["To"]) == (
        "Grüße Bcc: x@y.example",
        "Ann <ann@x.example>",
        "bob@x.example",
    )
    assert read["Bcc"] is None
    assert read["Date"].datetime.isoformat() == "2026-11-23T10:00:00+00:00"
    assert read.get_content_type() == "text/html"


NAMES = "subject body content contentType from emailAddress address name toRecipients sentDateTime start end dateTime"
MORE = "timeZone location displayName attendees organizer emailAddresses mobilePhone businessPhones isAllDay"
names = st.sampled_from([*NAMES.split(), *MORE.split(), "internetMessageId"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@given(kind=st.sampled_from(["event", "contact", "message"]), item=st.dictionaries(names, values, max_size=8))
def test_anything_that_was_kept_can_be_written(kind: str, item: dict[str, Any]) -> None:
    raw, _, _ = written({"@odata.type": f"#microsoft.graph.{kind}", **item}, "u")
    assert raw.endswith(b"\n")
