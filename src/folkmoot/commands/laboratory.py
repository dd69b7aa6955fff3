"""`folkmoot lab`: the development tenant."""

from __future__ import annotations

import argparse
import logging
from typing import Any

import msgspec

from folkmoot.commands import filling
from folkmoot.commands.serving import development_ca
from folkmoot.commands.tokens import as_running, said_if_new
from folkmoot.config import Settings


def add_parser(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add `lab` and what is below it."""
    lab = commands.add_parser("lab", help="the development tenant").add_subparsers(required=True, metavar="COMMAND")
    facts = lab.add_parser("facts", parents=[shared], help="print what a test harness needs, as JSON")
    facts.set_defaults(run=_facts, log_level=logging.WARNING)
    filling.add_parser(lab, shared)


def _facts(options: argparse.Namespace, settings: Settings) -> None:
    from folkmoot import app, lab

    with said_if_new(settings):
        app.development_key(settings)
        settings = as_running(options, settings)
        origins = app.Origins(settings)
        found = lab.facts(settings, https=origins.https, http=origins.http, ca_file=development_ca(settings))
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
