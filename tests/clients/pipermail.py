"""Reads the text archives that Pipermail leaves behind: one file a month, addresses written `name at host`."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.header import decode_header, make_header
from pathlib import Path

# Bodies hold lines that begin with "From " too; only a separator is followed by the header.
_SEPARATOR = re.compile(r"^From .+ \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\n(?=From: )", re.M)
_FROM = re.compile(r"(?P<local>\S+) at (?P<host>\S+) \((?P<name>.*)\)")
_ID = re.compile(r"<([^<>\s]+)>")
_BEFORE = re.compile(r"^(?:\[Twisted-Python\]|(?:re|fwd?|aw|sv):|\s)+", re.I)


@dataclass(frozen=True)
class Message:
    """One message. `answers` are the ids of those before it, the nearest last."""

    id: str
    subject: str
    name: str
    address: str
    answers: tuple[str, ...]
    body: str

    @property
    def topic(self) -> str:
        """The subject without what the list and replies put before it."""
        return _BEFORE.sub("", self.subject).casefold()


def read(file: Path) -> Iterator[Message]:
    """The messages of a month, in the order of the file, each once; those without an id are left out."""
    seen = set()
    for part in _SEPARATOR.split(gzip.decompress(file.read_bytes()).decode())[1:]:
        head, _, body = part.partition("\n\n")
        headers = dict(line.split(": ", 1) for line in re.sub(r"\n\s+", " ", head).split("\n") if ": " in line)
        sender, id = _FROM.fullmatch(headers["From"]), _ID.search(headers["Message-ID"])
        if sender is None or id is None or id[1] in seen:
            continue
        seen.add(id[1])
        yield Message(
            id=id[1],
            subject=headers["Subject"],
            name=str(make_header(decode_header(sender["name"]))),
            address=f"{sender['local']}@{sender['host']}",
            answers=tuple(_ID.findall(f"{headers.get('References', '')} {headers.get('In-Reply-To', '')}")),
            body=body,
        )
