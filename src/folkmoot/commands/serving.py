"""`folkmoot serve`: the server, in one process or in several."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import gc
import ipaddress
import logging
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from folkmoot import observe, systemd
from folkmoot.commands.tokens import RUNNING
from folkmoot.config import Settings, SettingWrong, unknown

if TYPE_CHECKING:
    from folkmoot.server import Place

# Where worker processes put what they count, so that whichever is asked can tell of all (prometheus_client).
_METRICS = "PROMETHEUS_MULTIPROC_DIR"
# These files are mapped into memory, and a full disk that has no room for a page of one kills who touches it (SIGBUS).
# Where the system has a directory in memory they are there (shm_overview(7)).
# Not the name that releases gave theirs which did not lock them: one of those may be at work beside this.
_METRICS_PREFIX = "folkmoot-counts-"
_IN_MEMORY = "/dev/shm"  # noqa: S108  (what is made in it has a name of its own)
Sockets = list[tuple[Any, tuple[str, str] | None]]


def add_parser(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to `commands`; `shared` holds the options that all commands take."""
    parser = commands.add_parser("serve", parents=[shared], help="run the server")
    parser.add_argument("--host", metavar="ADDRESS", help="the address to listen on (default: 127.0.0.1)")
    parser.add_argument(
        "--development-beyond-loopback",
        action="store_true",
        default=None,
        help="let development mode, which gives a token to anyone, listen beyond loopback",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="how many processes answer requests (default: 1)")
    parser.set_defaults(run=serve, log_level=logging.INFO)


def serve(_: argparse.Namespace, settings: Settings) -> None:
    """Run the server until it is told to stop."""
    if ignored := unknown():
        # Not refused, as in a file: other programs may set such variables, as Kubernetes does for its services.
        observe.log.warning("the environment has what is no setting, and is ignored: %s", ", ".join(ignored))
    # Modules live as long as the server. Collections would look through all of them again and again, for nothing.
    gc.disable()
    from folkmoot import app

    gc.freeze()
    gc.enable()
    sockets = _listening(settings)
    with contextlib.ExitStack() as stack:

        def started() -> None:
            stack.enter_context(_announced(settings))

        store = _seeded(app.open_store(settings), settings)
        if settings.workers == 1:
            _answer(settings, store, sockets, started)
        else:
            store.close()
            _serve_by_workers(settings, sockets, started)
    said = "stopped; everything that was answered is stored."
    if settings.log_format == "json":
        observe.log.info(said)
    else:
        print(f"folkmoot: {said}")


def _listening(settings: Settings) -> Sockets:
    """On what the server is to answer: what the service manager listens on for its ports, else sockets of its own.

    Raises `SettingWrong` for a socket of the service manager's that is on none of its ports, and `PortTaken`.
    """
    from folkmoot import server

    passed = systemd.sockets()
    for each in passed:
        _require_ours(each, settings)
    found: Sockets = []
    for port, option in ((settings.https_port, "--https-port"), (settings.http_port, "--http-port")):
        if port:
            tls = _certificate(settings) if port == settings.https_port else None
            there = [each for each in passed if each.getsockname()[1] == port]
            found += [(each, tls) for each in there or [server.listen(settings.host, port, option)]]
    return found


def _require_ours(passed: socket.socket, settings: Settings) -> None:
    """Raise `SettingWrong` unless a socket that was passed listens on a port of the server's, and in development on
    loopback unless the settings say otherwise."""
    if (
        passed.family not in (socket.AF_INET, socket.AF_INET6)
        or passed.type != socket.SOCK_STREAM
        or not passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    ):
        raise SettingWrong("A socket that the service manager passes is none that listens for TCP.", target="http_port")
    host, port = passed.getsockname()[:2]
    if port not in (settings.https_port, settings.http_port):
        raise SettingWrong(
            f"The service manager listens on port {port} for this server, which is neither https_port "
            f"({settings.https_port}) nor http_port ({settings.http_port}).",
            target="http_port",
        )
    confined = settings.mode == "development" and not settings.development_beyond_loopback
    if confined and not ipaddress.ip_address(host).is_loopback:
        raise SettingWrong(
            f"Development mode gives a token to anyone who asks, so it does not answer on {host}, where the service "
            "manager listens: say --development-beyond-loopback as well.",
            target="host",
        )


def _seeded(store: Any, settings: Settings) -> Any:
    """The store, in development with the lab's tenant in it; closed where that fails."""
    from folkmoot import lab

    try:
        if settings.mode == "development":
            import asyncio

            asyncio.run(lab.seed(store, settings))
        elif left := store.read_here(lab.left_over):
            observe.log.warning(
                "this database was begun in development mode, and holds people of the development tenant: %s. Whoever "
                "the issuer calls so may be linked to them, an administrator among them. Begin with an empty database, "
                "or take them out with `folkmoot person remove`",
                ", ".join(left),
            )
    except BaseException:
        store.close()
        raise
    return store


def _answer(
    settings: Settings, store: Any, sockets: Sockets, started: Callable[[], None], place: Place | None = None
) -> None:
    """Answer requests until told to stop; then close the store."""
    from folkmoot import app, server
    from folkmoot.connections import Allowance
    from folkmoot.graph.streaming import Streams

    traces = None
    try:
        who = app.identities(settings, store)
        streams = Streams(store)
        outgoing = app.outgoing_of(settings)
        traces = app.traced(settings, store, outgoing)
        application = app.build(settings, store, who=who, outgoing=outgoing, streams=streams, telemetry=traces)
        notifier = app.notifier(settings, store, outgoing)
        followers: list[Any] = [who, notifier]
        if place is None or place.number == 0:
            followers += app.sweepers(settings, store)
        if (measuring := app.measuring(settings, store)) is not None:
            followers.append(measuring)
        store.watch.look_seconds = settings.poll_seconds
        # What was made so far lives as long as the server; collections need not look at it again.
        gc.freeze()

        def begin() -> None:
            started()
            for each in followers:
                each.start()

        allowance = Allowance(settings.receive_seconds, settings.send_seconds, settings.max_unsent_bytes)
        stopping = server.Stopping(settings.unready_seconds, settings.grace_seconds)
        server.run(application, sockets, allowance, stopping, begin, streams.close, notifier.stop, place)
    finally:
        store.close()
        if traces is not None:
            # Last, for a collector that is away is waited for, a little.
            traces.close()


def _serve_by_workers(settings: Settings, sockets: Sockets, started: Callable[[], None]) -> None:
    from folkmoot import app, workers

    # Keys are made once, and read before there are workers that would each read them. Nearly all else that the
    # application needs is loaded by now, and shared by all as long as nobody changes it.
    app.identities(settings, None)  # type: ignore[arg-type]
    gc.collect()
    gc.freeze()

    def work(place: Place, ready: Callable[[], None]) -> None:
        _answer(settings, app.open_store(settings, upgrade=False), sockets, ready, place)

    def let_go() -> None:
        for bound, _ in sockets:
            bound.close()

    with _shared_metrics():
        seconds = settings.unready_seconds + settings.grace_seconds
        workers.Supervisor(settings.workers, work, let_go, grace_seconds=seconds).run(started)


@contextlib.contextmanager
def _shared_metrics() -> Iterator[None]:
    if _METRICS in os.environ:
        yield
        return
    place = Path(_IN_MEMORY if os.access(_IN_MEMORY, os.W_OK | os.X_OK) else tempfile.gettempdir())
    # A server that is killed leaves its own, which takes memory; the lock ends with the last of its processes.
    for left in place.glob(f"{_METRICS_PREFIX}*"):
        if (lock := _locked(left)) is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(lock)
    while True:
        directory = Path(tempfile.mkdtemp(prefix=_METRICS_PREFIX, dir=place))
        lock = _locked(directory)
        if lock is not None and directory.exists():
            break  # and no other server that starts has taken it for one that was left
    os.environ[_METRICS] = str(directory)
    try:
        yield
    finally:
        del os.environ[_METRICS]
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def _locked(directory: Path) -> int | None:
    """A descriptor that keeps a directory locked, by flock(2). None where another process does, or it is not ours."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if os.fstat(descriptor).st_uid == os.getuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


@contextlib.contextmanager
def _announced(settings: Settings) -> Iterator[None]:
    """Say where the server is: to whoever started it, and to commands, as long as it runs."""
    running = Path(settings.data) / RUNNING
    said = msgspec.json.encode(
        {"https": settings.https_port, "http": settings.http_port, "server": secrets.token_hex(8)}
    )
    running.write_bytes(said)
    try:
        _say_where(settings)
        systemd.notify("READY=1")
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            # Another server on this directory may have begun since, and said where that one is.
            if running.read_bytes() == said:
                running.unlink()


def _certificate(settings: Settings) -> tuple[str, str]:
    if settings.certificate and settings.certificate_key:
        return settings.certificate, settings.certificate_key
    made = development_certificates(settings)
    return str(made.certificate), str(made.key)


def development_ca(settings: Settings) -> str | None:
    """The file with the development authority's certificate; None where the settings name a certificate of another."""
    if settings.certificate and settings.certificate_key:
        return None
    return str(development_certificates(settings).ca)


def development_certificates(settings: Settings) -> Any:
    """The development authority and the server's certificate, made on first use."""
    from urllib.parse import urlsplit

    from folkmoot.auth import certificates

    public = urlsplit(settings.public_url or "").hostname
    return certificates.ensure(Path(settings.data).absolute() / "certificates", [public] if public else [])


def _say_where(settings: Settings) -> None:
    from folkmoot.app import Origins

    origins = Origins(settings)
    if settings.log_format == "json":
        observe.log.info("Folkmoot is running: %s/v1.0", origins.canonical)
        return
    lines = ["", f"Folkmoot is running: {origins.canonical}/v1.0"]
    if settings.mode == "development":
        from folkmoot import lab

        lines.append("Development mode: a seeded tenant, and tokens for anyone who asks.")
        if settings.https_port and (ca := development_ca(settings)):
            lines += [
                "",
                f"The development CA certificate: {ca}",
                f"  export SSL_CERT_FILE={ca} REQUESTS_CA_BUNDLE={ca}",
                f"  export NODE_EXTRA_CA_CERTS={ca}",
            ]
        lines += ["", "More tokens: folkmoot token --help. People, groups, applications: folkmoot lab facts."]
        lines += ["", "Start a conversation (paste this into another terminal):", "", _curl(settings, lab.GROUPS[0].id)]
    print("\n".join(lines), flush=True)


def _curl(settings: Settings, group: str) -> str:
    from folkmoot.app import Origins
    from folkmoot.commands.tokens import person_token

    origins = Origins(settings)
    ca = None if origins.http else development_ca(settings)
    trust = f"--cacert '{ca}' " if ca else ""
    body = {
        "topic": "New product launch",
        "threads": [
            {
                "posts": [
                    {
                        "body": {"contentType": "html", "content": "<p>Shall we meet on <b>Friday</b>?</p>"},
                        "newParticipants": [
                            {"emailAddress": {"name": "Alex Wilber", "address": f"AlexW@{settings.domain}"}}
                        ],
                    }
                ]
            }
        ],
    }
    token = person_token(settings, "AdeleV", (), 86_400, personal=False)
    return (
        f"curl {trust}-X POST {origins.http or origins.https}/v1.0/groups/{group}/conversations \\\n"
        f"  -H 'Authorization: Bearer {token}' \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d '{msgspec.json.encode(body).decode()}'\n"
    )
