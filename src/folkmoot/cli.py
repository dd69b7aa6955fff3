"""The `folkmoot` command."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

import msgspec

from folkmoot import logs
from folkmoot.commands import (
    apps,
    backup,
    databases,
    doctor,
    filling,
    grants,
    groups,
    migrating,
    people,
    serving,
    subscriptions,
    tokens,
)
from folkmoot.commands.serving import development_certificates
from folkmoot.commands.tokens import as_running
from folkmoot.config import Settings, load
from folkmoot.refusals import Refusal

# Each adds its own command and what is below it.
_FAMILIES = (serving, tokens, apps, people, groups, grants, subscriptions, migrating, databases, backup, doctor)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; exits with 1 and one line on standard error when it is refused."""
    # The data directory holds keys and everybody's words: for the one who runs the server alone.
    os.umask(0o077)
    options = _parser().parse_args(arguments)
    try:
        # A command's own level is not what the settings say of the server's log.
        settings = load({**vars(options), "log_level": None})
        if options.run is serving.serve:
            logs.configure(settings.log_format, settings.log_level)
        else:
            logs.configure("text", options.log_level)
        options.run(options, settings)
    except Refusal as refusal:
        sys.exit(f"folkmoot: {refusal.message}")
    except OSError as error:
        if error.filename is None:
            raise
        sys.exit(f"folkmoot: {error.filename}: {error.strerror}; --data names the directory to use.")
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="folkmoot", description="A server for group conversations.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--config", metavar="FILE", help="a settings file (TOML)")
    shared.add_argument("--data", metavar="DIR", help="the data directory (default: folkmoot-data)")
    shared.add_argument("--database", metavar="URL", help="postgresql://… (default: SQLite in the data directory)")
    shared.add_argument("--https-port", type=int, metavar="PORT", help="the HTTPS port (default: 8443; 0 for none)")
    shared.add_argument("--http-port", type=int, metavar="PORT", help="the plain HTTP port (default: 8080; 0 for none)")
    shared.add_argument("--public-url", metavar="URL", help="the origin under which clients reach the server")

    for family in _FAMILIES:
        family.add_parser(commands, shared)

    lab = commands.add_parser("lab", help="the development tenant").add_subparsers(required=True, metavar="COMMAND")
    facts = lab.add_parser("facts", parents=[shared], help="print what a test harness needs, as JSON")
    facts.set_defaults(run=_facts, log_level=logging.WARNING)
    filling.add_parser(lab, shared)
    return parser


# ── lab ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _facts(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot import app, lab

    app.development_key(settings)
    settings = as_running(options, settings)
    origins = app.Origins(settings)
    found = lab.facts(
        settings, https=origins.https, http=origins.http, ca_file=str(development_certificates(settings).ca)
    )
    print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())


if __name__ == "__main__":
    main()
