"""`folkmoot doctor`: looks at everything that can be wrong, and says what to do about what is.

It changes nothing, and works beside a server that runs. It exits with 1 when something is wrong; a warning is none.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from folkmoot.commands import operating
from folkmoot.config import Settings
from folkmoot.refusals import Refusal

if TYPE_CHECKING:
    from folkmoot.store.db import Store

State = Literal["ok", "warning", "wrong", "skipped"]

_LEAST_FREE = 512 * 1024 * 1024
_MOST_WAL = 1024 * 1024 * 1024
_MOST_SKEW = 60  # seconds, as much as servers on one database may differ
_SOON = 14 * 86_400
_SECONDS = 2.0

_RESTORE = (
    "Restore the last backup that is whole (folkmoot restore), or report this as a defect with what is said here."
)
_REBUILD = (
    "Stop the server, then `folkmoot backup FILE` and `folkmoot restore --replace --log-goes-on FILE` make it anew."
)
_ADVICE = {
    "threads": _RESTORE,
    "delivered": "The next post into the thread puts it right; report this as a defect.",
    "previews": "The next post into the thread puts it right; report this as a defect.",
    "senders": "The next post by them into the thread puts it right; report this as a defect.",
    "attachments": "Adding or deleting an attachment there puts it right; report this as a defect.",
    "content": "What is missing is in an older backup, if anywhere: restore that elsewhere, or delete the attachment.",
    "log": "Followers may have missed changes. Stop the server; `folkmoot backup FILE` and `folkmoot restore --replace "
    "FILE` begin each log anew.",
    "words": _REBUILD,
    "members": "Remove the membership and add it again (folkmoot group member).",
}


class Told(NamedTuple):
    """What one check came to."""

    check: str
    state: State
    says: str
    advice: str = ""
    group: str | None = None


def add_parser(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to `commands`; `shared` holds the options that all commands take."""
    parents = [shared, operating.json_option()]
    doctor = commands.add_parser("doctor", parents=parents, help="look for what is wrong, and say what to do about it")
    doctor.add_argument("--quick", action="store_true", help="leave out what takes longer the more there is")
    doctor.set_defaults(run=_doctor, log_level=logging.WARNING)


def _doctor(options: argparse.Namespace, settings: Settings) -> None:
    worst: set[State] = set()
    for told in _everything(settings, quick=options.quick):
        worst.add(told.state)
        if options.json:
            print(msgspec.json.encode(told._asdict()).decode(), flush=True)
        else:
            print(f"{told.state:8} {told.check:12} {told.says}", flush=True)
            if told.advice:
                print(f"{'':21} → {told.advice}", flush=True)
    if "wrong" in worst:
        sys.exit(1)
    if not options.json:
        print("Nothing is wrong." if "warning" not in worst else "Nothing is wrong; there are warnings.")


def _everything(settings: Settings, *, quick: bool) -> Iterator[Told]:
    """Every check; where one cannot go on, it says why, and those that would follow are skipped."""
    import sqlite3

    ends: tuple[type[Exception], ...] = (OSError, Refusal, sqlite3.Error)
    if settings.database is not None:
        import psycopg

        ends = (*ends, psycopg.Error)
    yield Told("settings", "ok", f"{settings.mode} mode, tenant {settings.tenant_id}")
    told = set()
    try:
        for each in _checks(settings, quick=quick):
            told.add(each.check)
            yield each
    except ends as error:
        says = " ".join((error.message if isinstance(error, Refusal) else str(error)).split())
        advice = _RESTORE
        if isinstance(error, OSError):
            says = f"{error.filename}: {error.strerror}" if error.filename else says
        if isinstance(error, (OSError, Refusal)):
            advice = "Run this as who runs the server, and see that they may read and write all of the data directory."
        yield Told("database", "wrong", f"it cannot be looked at: {says}", advice)
        for check in ("disk", "clock", "content"):
            if check not in told:
                yield Told(check, "skipped", "not looked at, or not to the end, since the database cannot be")


def _checks(settings: Settings, *, quick: bool) -> Iterator[Told]:
    for check in (_certificate, _directory, _disk):
        yield from check(settings)
    revision = yield from _revision(settings)
    if not revision:
        return
    if settings.database is None:
        yield from _sqlite(settings, quick=quick)
    else:
        yield from _postgresql(settings.database, pooled=settings.database_pooled)
    with operating.opened(settings) as store:
        yield from _clock(store)
        if quick:
            yield Told("content", "skipped", "not looked at, as --quick says")
        else:
            yield from _content(store)


def _say(said: str) -> None:
    """Tell what is being done, to who waits at a terminal."""
    if sys.stderr.isatty():
        print(f"… {said}", file=sys.stderr, flush=True)


# ── around the database ──────────────────────────────────────────────────────────────────────────────────────────────


def _certificate(settings: Settings) -> Iterator[Told]:
    for name in ("certificate", "certificate_key", "notification_key"):
        file = getattr(settings, name)
        if file is not None and not os.access(file, os.R_OK):
            yield Told(
                name, "wrong", f"{file} cannot be read", f"Make it readable for who runs the server, or set {name}."
            )
            return
    if settings.certificate is None:
        return
    from cryptography import x509

    try:
        chain = x509.load_pem_x509_certificates(Path(settings.certificate).read_bytes())
    except ValueError as error:
        yield Told("certificate", "wrong", f"{settings.certificate}: {error}", "It must hold a chain in PEM.")
        return
    ends = chain[0].not_valid_after_utc
    left = ends.timestamp() - time.time()
    state: State = "wrong" if left < 0 else "warning" if left < _SOON else "ok"
    yield Told("certificate", state, f"valid until {ends:%Y-%m-%d %H:%M} UTC", "" if state == "ok" else "Renew it.")


def _directory(settings: Settings) -> Iterator[Told]:
    data = Path(settings.data)
    if not data.is_dir():
        yield Told("data", "wrong", f"there is no directory {data}", "Start the server once, or name it with --data.")
        return
    if not os.access(data, os.W_OK | os.X_OK):
        yield Told("data", "wrong", f"{data} cannot be written", f"Run this, and the server, as the owner of {data}.")
    open_to_others = [path for path in (data, *sorted(data.rglob("*"))) if _for_others(path)]
    if open_to_others:
        names = ", ".join(map(str, open_to_others[:3]))
        yield Told("data", "wrong", f"others may read or write {names}", f"chmod -R go= {data}")
    owner = data.stat().st_uid
    others = [path for path in sorted(data.rglob("*")) if _owner(path) not in (owner, None)]
    if others:
        names = ", ".join(map(str, others[:3]))
        fault = f"{names} is another user's than {data}"
        yield Told("data", "wrong", fault, f"chown -R --reference={data} {data}")
    left = [*data.glob(".*.restoring"), *data.glob(".*.part")]
    if left:
        names = ", ".join(map(str, left))
        yield Told("data", "warning", f"an interrupted command left {names}", "Delete it, unless that command runs.")
    if not (open_to_others or others):
        yield Told("data", "ok", f"{data} is its owner's alone")


def _for_others(path: Path) -> bool:
    try:
        status = path.lstat()
    except FileNotFoundError:  # gone since it was listed
        return False
    if path.suffix == ".pem" and not path.name.endswith("-key.pem"):
        return False  # certificates are for everybody
    return bool(status.st_mode & 0o077) and not path.is_symlink()


def _owner(path: Path) -> int | None:
    try:
        status = path.lstat()
    except FileNotFoundError:  # gone since it was listed
        return None
    return None if path.is_symlink() else status.st_uid


def _disk(settings: Settings) -> Iterator[Told]:
    data = Path(settings.data)
    if not data.is_dir():
        return
    free = shutil.disk_usage(data).free
    database = data / "folkmoot.db"
    needed = max(_LEAST_FREE, database.stat().st_size // 10 if settings.database is None and database.exists() else 0)
    advice = "" if free >= needed else "Free some, or move the data directory; a full disk answers writes with 507."
    yield Told("disk", "ok" if free >= needed else "warning", f"{free // 1_048_576:,} MiB are free at {data}", advice)


def _revision(settings: Settings) -> Any:
    """Yields what there is to tell; returns whether the database can be looked at."""
    import sqlite3

    from folkmoot.store import migrate

    place: Path | str = settings.database or Path(settings.data) / "folkmoot.db"
    if isinstance(place, Path) and not place.exists():
        yield Told("database", "wrong", f"there is no {place}", "Start the server once, or name the data directory.")
        return False
    refused: tuple[type[Exception], ...] = (sqlite3.Error,)
    if settings.database is not None:
        import psycopg

        refused = (psycopg.Error,)
    try:
        standing = migrate.standing(place)
    except refused as error:
        said = " ".join(str(error).split())
        advice = "See that PostgreSQL runs and lets this role in." if settings.database else _RESTORE
        if isinstance(place, Path) and not os.access(place, os.R_OK | os.W_OK):
            advice = "Run this, and the server, as the owner of all that is in the data directory."
        yield Told("database", "wrong", f"it cannot be read: {said}", advice)
        return False
    at = standing.revision
    if at is None:
        yield Told("database", "wrong", "it is empty", "Start the server once, or `folkmoot restore` a backup.")
    elif at > migrate.HEAD and standing.complete:
        yield Told("database", "ok", f"revision {at}, of a newer release; this one works with it")
    elif at > migrate.HEAD:
        newer = "Use that release, or restore a backup of this one."
        yield Told("database", "wrong", f"revision {at} is of a newer release than this ({migrate.HEAD})", newer)
    elif at < migrate.HEAD:
        yield Told("database", "warning", f"revision {at}; this release has {migrate.HEAD}", "`folkmoot migrate`")
    else:
        yield Told("database", "ok", f"revision {at}, this release's")
    return standing.complete


def _sqlite(settings: Settings, *, quick: bool) -> Iterator[Told]:
    import contextlib
    import sqlite3

    from folkmoot.store.migrate import open_elsewhere

    path = Path(settings.data) / "folkmoot.db"
    shared = open_elsewhere(path)  # before this process opens it
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
        # What it sorts goes to the disk, however much there is.
        connection.execute("PRAGMA temp_store = FILE")
        how = "quick_check" if quick else "integrity_check"
        _say(f"{how} of {path.stat().st_size // 1_048_576:,} MiB")
        try:
            said = [row[0] for row in connection.execute(f"PRAGMA {how}(5)")]
            broken = connection.execute("PRAGMA foreign_key_check").fetchmany(5)
        except sqlite3.DatabaseError as error:
            said, broken = [str(error)], []
        if said == ["ok"]:
            yield Told("file", "ok", f"{how}: ok")
        for each in said if said != ["ok"] else []:
            yield Told("file", "wrong", each, f"The disk or something on it fails. {_RESTORE}")
        for table, row, parent, _ in broken:
            yield Told("file", "wrong", f"{table} (row {row}) belongs to {parent} that is not there", _RESTORE)
        if shared:
            # It needs the writer's turn, for as long as it takes.
            until = "the index of words is looked at while nobody else has the file open; each post's is below"
            yield Told("index", "skipped", until)
        elif not quick:
            yield from _fts(connection)
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists() and wal.stat().st_size > _MOST_WAL:
        size = wal.stat().st_size // 1_048_576
        yield Told(
            "file", "warning", f"{wal} has {size:,} MiB", "Something reads for very long: a backup? Else restart."
        )


def _fts(connection: Any) -> Iterator[Told]:
    import sqlite3

    try:
        connection.execute("BEGIN")
        connection.execute("INSERT INTO post_words (post_words, rank) VALUES ('integrity-check', 1)")
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            yield Told("index", "skipped", "somebody else writes; stop the server to have the index of words looked at")
        else:
            yield Told("index", "wrong", f"the index of words: {error}", _REBUILD)
    else:
        yield Told("index", "ok", "the index of words agrees with the words")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _postgresql(url: str, *, pooled: bool) -> Iterator[Told]:
    from folkmoot.store.postgres import connect

    with connect(url, pooled=pooled) as connection:
        asked = connection.execute(
            "SELECT current_setting('fsync'), current_setting('full_page_writes'), current_setting('server_version'), "
            "(SELECT coalesce(checksum_failures, 0) FROM pg_stat_database WHERE datname = current_database()), "
            "extract(epoch FROM clock_timestamp())::float8, "
            "(SELECT string_agg(c.relname, ', ') FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "WHERE NOT i.indisvalid AND c.relnamespace = current_schema()::regnamespace)"
        ).fetchone()
    assert asked is not None  # noqa: S101  (one row always)
    fsync, pages, version, failures, now, invalid = asked
    if "off" in (fsync, pages):
        said = f"fsync is {fsync}, full_page_writes {pages}: a power cut loses what was acknowledged"
        yield Told("postgresql", "wrong", said, "Set both to on in postgresql.conf, and restart it.")
    if failures:
        yield Told("postgresql", "wrong", f"{failures} pages failed their checksum", f"The disk fails. {_RESTORE}")
    if invalid:
        yield Told("postgresql", "wrong", f"indexes are not valid: {invalid}", "REINDEX INDEX CONCURRENTLY them.")
    skew = now - time.time()
    if abs(skew) > _MOST_SKEW:
        advice = "Have both machines' clocks set by NTP."
        yield Told("clock", "warning", f"PostgreSQL's clock differs by {skew:.0f} seconds", advice)
    yield Told("postgresql", "ok", f"PostgreSQL {version}")


# ── in the database ──────────────────────────────────────────────────────────────────────────────────────────────────


def _clock(store: Store) -> Iterator[Told]:
    from sqlalchemy import func, select

    from folkmoot.store import schema as s
    from folkmoot.store.db import Statement

    query = Statement(select(func.max(s.sequences.c.changed_at)))
    newest = store.read_here(lambda snapshot: snapshot.all(query))[0][0]
    ahead = (newest or 0) - time.time()
    if ahead > _MOST_SKEW:
        said = f"the newest change is {ahead:.0f} seconds in the future: a clock was or is wrong"
        yield Told("clock", "warning", said, "See that the clock is set by NTP; new posts keep their order meanwhile.")
    else:
        yield Told("clock", "ok", "nothing was written in the future")


def _content(store: Store) -> Iterator[Told]:
    """Every rule of `store.integrity`, and what it was held to."""
    from folkmoot.store import integrity

    broken: set[str] = set()
    posts = groups = 0
    due = time.monotonic() + _SECONDS

    def tell(found: list[integrity.Wrong]) -> Iterator[Told]:
        for each in found:
            broken.add(each.rule)
            where = f" (group {each.group})" if each.group else ""
            yield Told(each.rule, "wrong", each.says + where, _ADVICE[each.rule], each.group)

    for group in integrity.every_group(store):
        count, found = integrity.of_group(store, group)
        posts, groups = posts + count, groups + 1
        yield from tell(found)
        if time.monotonic() > due:
            due = time.monotonic() + _SECONDS
            _say(f"{posts:,} posts in {groups:,} groups")
    _say("memberships, the directory's log and words")
    for found in integrity.of_all(store):
        yield from tell(found)
    for rule, says in _HELD.items():
        if rule not in broken:
            yield Told(rule, "ok", says)
    yield Told("content", "ok", f"{posts:,} posts in {groups:,} groups were looked at")


_HELD = {
    "threads": "each post is in a thread, each thread in a conversation, none is empty",
    "delivered": "threads and conversations tell when their newest post came",
    "previews": "threads and conversations have the preview of their newest post",
    "senders": "threads and conversations name who posted",
    "attachments": "hasAttachments agrees with what there is",
    "content": "the content of each attachment is whole",
    "log": "the logs of the directory and of each group have no gap and end at their numbers",
    "words": "$search knows each post, and none that is not there",
    "members": "groups and their members agree",
}
