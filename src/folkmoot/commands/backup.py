"""`folkmoot backup` and `folkmoot restore`: everything that the server knows, in one file and back.

Both work on the database itself, beside servers that run (backup) or with none (restore).
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from folkmoot.commands.operating import WrongUse
from folkmoot.config import Settings, SettingWrong

if TYPE_CHECKING:
    from folkmoot.store.archive import Archive, Manifest

# Of the data directory: keys, without which tokens and certificates that are out there are worth nothing.
_FILES = ("issuer-key.pem", "notification-key.pem", "certificates/*.pem")
_SECONDS = 2.0  # between two words of progress


def add_parser(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add both commands to `commands`; `shared` holds the options that all commands take."""
    backup = commands.add_parser(
        "backup", parents=[shared], help="write everything into one file, beside a server or not"
    )
    where = backup.add_mutually_exclusive_group(required=True)
    where.add_argument("file", metavar="FILE|DIR", nargs="?", help="the file, or a directory to write one into")
    where.add_argument("--verify", metavar="FILE", help="instead of writing one, compare a backup with its checksums")
    backup.add_argument("--without-keys", action="store_true", help="leave out the keys of the data directory")
    backup.set_defaults(run=_backup, log_level=logging.WARNING)

    restore = commands.add_parser(
        "restore", parents=[shared], help="load a backup into an empty database, of either kind"
    )
    restore.add_argument("file", metavar="FILE", help="what `folkmoot backup` wrote")
    restore.add_argument(
        "--replace", action="store_true", help="lose what the database and the data directory hold now"
    )
    restore.add_argument(
        "--log-goes-on",
        action="store_true",
        help="nothing was written since the backup was taken (a move): followers go on where they stood",
    )
    restore.set_defaults(run=_restore, log_level=logging.WARNING)


# ── backup ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _backup(options: argparse.Namespace, settings: Settings) -> None:
    signal.signal(signal.SIGTERM, _leave)
    if options.verify is not None:
        with _opened(Path(options.verify)) as archive:
            _verified(archive)
            print(f"{options.verify} is whole: {_said(archive.manifest)}.")
        return
    path = _target(Path(options.file))
    try:
        with _database_errors(settings):
            _write(path, settings, keys=not options.without_keys)
    except FileExistsError as error:
        raise _there(path) from error
    with _opened(path) as archive:
        print(f"{path}: {_said(archive.manifest)}; {path.stat().st_size / 1e6:.1f} MB, verified.")


def _leave(*_: object) -> NoReturn:
    # As an exception, so that what was begun is removed.
    sys.exit(143)


def _target(given: Path) -> Path:
    if given.is_dir():
        given = given / time.strftime("folkmoot-%Y%m%d-%H%M%S.zip", time.gmtime())
    if given.exists():
        raise _there(given)
    if not given.parent.is_dir():
        raise WrongUse(f"There is no directory {given.parent}.")
    return given


def _there(path: Path) -> WrongUse:
    return WrongUse(f"{path} is there already; backups replace nothing.")


def _write(path: Path, settings: Settings, *, keys: bool) -> None:
    from importlib.metadata import version

    from folkmoot.store import archive as format
    from folkmoot.store import backup

    with format.replacing(path) as file, format.ArchiveWriter(file) as writer:
        with backup.frozen(_place(settings), pooled=settings.database_pooled) as database:
            taken = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            for table in database.tables:
                _progress(
                    "writing", ((table.name, n) for n in writer.table(table.name, table.columns, database.rows(table)))
                )
            revision = database.revision
        if keys:
            for name, content in _keys(settings):
                writer.file(name, content)
        writer.finish(
            format.Manifest(
                folkmoot=version("folkmoot"),
                format=format.FORMAT,
                revision=revision,
                database="sqlite" if settings.database is None else "postgresql",
                tenant_id=settings.tenant_id,
                domain=settings.domain,
                taken_at=taken,
                tables=tuple(writer.tables),
                files=tuple(writer.files),
            )
        )
        # As it will be read, and before it has its name: a disk that lies is found out now.
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        _verified(format.Archive(file, path.name))


def _keys(settings: Settings) -> Iterator[tuple[str, bytes]]:
    data = Path(settings.data)
    for pattern in _FILES:
        for found in sorted(data.glob(pattern)):
            yield found.relative_to(data).as_posix(), found.read_bytes()


# ── restore ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _restore(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot.store import restore

    signal.signal(signal.SIGTERM, _leave)
    data = Path(settings.data)
    with _opened(Path(options.file)) as archive, _database_errors(settings):
        manifest = archive.manifest
        for setting in ("tenant_id", "domain"):
            theirs, ours = getattr(manifest, setting), getattr(settings, setting)
            if theirs.lower() != ours.lower():
                raise SettingWrong(
                    f"The backup is of {setting} '{theirs}', and the settings say '{ours}': set {setting} to the "
                    "backup's before it is restored.",
                    target=setting,
                )
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        there = restore.lost(_place(settings), replace=options.replace)
        if there and not options.replace:
            raise restore.NotEmpty(
                f"The database is not empty: it has {_lost(there)}. Name another, or say --replace to lose that."
            )
        _verified(archive)
        if there != {}:
            restore.require_unused(_place(settings))
            damaged = "it is damaged, and what it had is lost uncounted"
            what = damaged if there is None else f"{_lost(there)} are lost"
            print(f"Replacing the database: {what}.")
        loading = restore.load(
            archive, _place(settings), replace=options.replace, log_goes_on=options.log_goes_on, now=time.time()
        )
        _progress("loading", loading)
        kept = _restore_keys(archive, data, replace=options.replace)
    print(f"Restored {_said(manifest)}.")
    for name in kept:
        print(f"{data / name} stays as it is, and is another than the backup's; --replace would take that one.")
    if not options.log_goes_on:
        print("Followers begin anew: delta links and streams of before are answered that they must start over.")


def _restore_keys(archive: Archive, data: Path, *, replace: bool) -> list[str]:
    """Write the keys; the names of those that were left because others are there."""
    from folkmoot.auth import files
    from folkmoot.ownership import share

    kept = []
    for part in archive.manifest.files:
        path = data / part.name
        if not any(Path(part.name).match(pattern) for pattern in _FILES) or ".." in Path(part.name).parts:
            continue  # no backup of ours has such a file
        content = archive.file(part)
        if path.exists() and not replace:
            if path.read_bytes() != content:
                kept.append(part.name)
            continue
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700)
            share(path.parent)
        files.write(path, content, mode=0o600)
    return kept


# ── what both need ───────────────────────────────────────────────────────────────────────────────────────────────────


def _place(settings: Settings) -> Path | str:
    return settings.database or Path(settings.data) / "folkmoot.db"


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Archive]:
    from folkmoot.store.archive import Archive

    try:
        file = path.open("rb")
    except OSError as error:
        raise WrongUse(f"{path} cannot be read: {error.strerror}.") from error
    with file:
        yield Archive(file, str(path))


@contextlib.contextmanager
def _database_errors(settings: Settings) -> Iterator[None]:
    """Say what the database refused in one line; nothing was changed."""
    import sqlite3

    from sqlalchemy.exc import DBAPIError

    refused: tuple[type[Exception], ...] = (sqlite3.Error, DBAPIError)
    if settings.database is not None:
        import psycopg

        refused = (*refused, psycopg.Error)
    try:
        yield
    except refused as error:
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        raise WrongUse(f"The database refused: {said}") from error


def _verified(archive: Archive) -> None:
    _progress("verifying", archive.verify())


def _progress(doing: str, steps: Iterable[tuple[str, int]]) -> None:
    """Go through `steps`, and tell of them on standard error when they take long."""
    told = time.monotonic()
    for what, count in steps:
        if time.monotonic() - told > _SECONDS:
            told = time.monotonic()
            unit = "MB" if doing == "verifying" else "rows"
            print(
                f"{doing} {what}: {count // 1_000_000 if unit == 'MB' else count:,} {unit}", file=sys.stderr, flush=True
            )


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _lost(counts: Mapping[str, int]) -> str:
    return _counted(counts) or "rows of other tables"


def _said(manifest: Manifest) -> str:
    from folkmoot.store.restore import TOLD

    counts = _counted({name: manifest.rows(name) for name in TOLD}) or "nothing"
    keys = f" and {len(manifest.files)} files of keys" if manifest.files else ""
    return f"{counts}{keys}, of {manifest.taken_at} (revision {manifest.revision}, {manifest.database})"
