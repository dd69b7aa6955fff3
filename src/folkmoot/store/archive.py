"""The file that a backup is: a ZIP of rows as JSON, which any program can read, with a manifest that sums it up.

`tables/NAME.jsonl` has a row on each line, an array in the order of the manifest's columns: text, numbers, true, false
and null; bytes as base64; GUIDs and JSON columns as the text that they are in either database. `files/…` are files of
the data directory. `manifest.json` comes last, so a file that was cut off has none.

A ZIP has 32-bit checksums against accidents of the way; the manifest's SHA-256 are what a restore goes by.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from folkmoot.refusals import Refusal

FORMAT = 1
MANIFEST = "manifest.json"

Kind = Literal["text", "integer", "number", "boolean", "bytes"]
Row = Sequence[Any]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Any]).decode
# Rows are handed on when so many bytes of them are there: one by one, the ZIP would cost more than the rows.
_TOGETHER = 262_144


class BackupDamaged(Refusal):
    """The file is no whole backup."""


class BackupTooNew(Refusal):
    """The backup was made by a newer release of Folkmoot; restore it with that one."""


class Columned(msgspec.Struct, frozen=True):
    """A column of a table."""

    name: str
    kind: Kind


class TablePart(msgspec.Struct, frozen=True):
    """The rows of one table: in which part, how many, and what the part must be to the byte (before compression)."""

    name: str
    part: str
    columns: tuple[Columned, ...]
    rows: int
    bytes: int
    sha256: str


class FilePart(msgspec.Struct, frozen=True):
    """A file of the data directory, by its path in there."""

    name: str
    part: str
    bytes: int
    sha256: str


class _Written(msgspec.Struct, frozen=True):
    format: int


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """What a backup holds, and of what."""

    folkmoot: str  # the release that made it
    format: int
    revision: str  # of the schema
    database: str
    tenant_id: str
    domain: str
    taken_at: str
    tables: tuple[TablePart, ...]
    files: tuple[FilePart, ...]

    def rows(self, table: str) -> int:
        """How many rows a table has; 0 where it is not there."""
        return next((each.rows for each in self.tables if each.name == table), 0)


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class ArchiveWriter:
    """Writes a backup part by part; nothing is ever held whole."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1, allowZip64=True)
        self.tables: list[TablePart] = []
        self.files: list[FilePart] = []

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:  # what was begun goes away, and what its end might be does not matter
            with contextlib.suppress(OSError, ValueError):
                self._zip.close()

    def table(self, name: str, columns: Sequence[Columned], rows: Iterable[Row]) -> Iterator[int]:
        """Write a table's rows, and say again and again how many there are by now."""
        part = f"tables/{name}.jsonl"
        digest, size, count = hashlib.sha256(), 0, 0
        with self._zip.open(part, "w", force_zip64=True) as member:
            waiting = bytearray()
            for row in rows:
                waiting += _encode(row)
                waiting += b"\n"
                count += 1
                if len(waiting) >= _TOGETHER:
                    digest.update(waiting)
                    size += member.write(waiting)
                    waiting.clear()
                    yield count
            digest.update(waiting)
            size += member.write(waiting)
        self.tables.append(TablePart(name, part, tuple(columns), count, size, digest.hexdigest()))
        yield count

    def file(self, name: str, content: bytes) -> None:
        """Add a file of the data directory."""
        part = f"files/{name}"
        self._zip.writestr(part, content)
        self.files.append(FilePart(name, part, len(content), hashlib.sha256(content).hexdigest()))

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest, and the ZIP's own end."""
        self._zip.writestr(MANIFEST, msgspec.json.format(_encode(manifest), indent=1))
        self._zip.close()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears at `path` whole and on disk, or not at all; for its owner's eyes alone.

    What is there already stays: raises `FileExistsError`.
    """
    # Two that write the same file at once would write into one another's draft.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        there = FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        try:
            os.link(draft, path)  # unlike a rename, this never takes another file's place
        except FileExistsError:
            raise there from None
        except OSError:  # a file system without hard links
            if path.exists():
                raise there from None
            draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Archive:
    """A backup to be read. Raises `BackupDamaged` for what is none, or is not whole; `BackupTooNew`."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._name = name
        with self._judged("it is no backup, or was cut off"):
            self._zip = zipfile.ZipFile(file)
        with self._judged("its manifest cannot be read"):
            text = self._zip.read(MANIFEST)
            if msgspec.json.decode(text, type=_Written).format > FORMAT:
                raise BackupTooNew
            self.manifest = msgspec.json.decode(text, type=Manifest)

    @contextlib.contextmanager
    def _judged(self, said: str) -> Iterator[None]:
        try:
            yield
        except (zipfile.BadZipFile, zlib.error, msgspec.MsgspecError, EOFError, KeyError, NotImplementedError) as error:
            raise BackupDamaged(f"{self._name} is not whole: {said}.") from error

    def verify(self) -> Iterator[tuple[str, int]]:
        """Read all of it, and compare it with the manifest; say again and again which table, and how many bytes.

        Raises `BackupDamaged` naming the part.
        """
        for table in self.manifest.tables:
            rows = 0
            for chunk, size in self._compared(table):
                rows += chunk.count(b"\n")
                yield table.name, size
            if rows != table.rows:
                raise BackupDamaged(f"{self._name} is damaged: {table.part} has {rows} rows, not {table.rows}.")
        for file in self.manifest.files:
            for _ in self._compared(file):
                pass

    def _compared(self, part: TablePart | FilePart) -> Iterator[tuple[bytes, int]]:
        digest, size = hashlib.sha256(), 0
        with self._judged(f"{part.part} cannot be read"), self._zip.open(part.part) as member:
            while chunk := member.read(1_048_576):
                digest.update(chunk)
                size += len(chunk)
                yield chunk, size
        if (size, digest.hexdigest()) != (part.bytes, part.sha256):
            raise BackupDamaged(f"{self._name} is damaged: {part.part} is not what the manifest says.")

    def rows(self, table: TablePart) -> Iterator[list[Any]]:
        """The rows of a table, as they were written."""
        with self._judged(f"{table.part} cannot be read"), self._zip.open(table.part) as member:
            for line in io.BufferedReader(member, _TOGETHER):  # type: ignore[type-var]
                yield _decode(line)

    def file(self, part: FilePart) -> bytes:
        """The content of a file of the data directory."""
        with self._judged(f"{part.part} cannot be read"):
            return self._zip.read(part.part)
