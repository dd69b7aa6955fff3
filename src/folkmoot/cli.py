"""The `folkmoot` command."""

from __future__ import annotations

import argparse
import codecs
import errno
import io
import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from folkmoot import logs
from folkmoot.commands import serving
from folkmoot.config import DatabaseAway, SettingWrong, load
from folkmoot.refusals import Refusal

# The module of `folkmoot.commands` that adds each command and what is below it.
_COMMANDS = {
    "serve": "serving",
    "token": "tokens",
    "app": "apps",
    "person": "people",
    "group": "groups",
    "grant": "grants",
    "subscriptions": "subscriptions",
    "migrate": "migrating",
    "database": "databases",
    "backup": "backup",
    "restore": "backup",
    "doctor": "doctor",
    "lab": "laboratory",
}

# Writing to a file that is open fails with these, and names no file.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; exits with 1 and one line on standard error when it is refused.

    A server exits with 78 (EX_CONFIG of sysexits.h) where a setting is wrong, which another start would not mend.
    """
    # The data directory holds keys and everybody's words: for the one who runs the server alone.
    os.umask(0o077)
    _complete_streams()
    given = sys.argv[1:] if arguments is None else arguments
    options = _parser(given[0] if given else None).parse_args(given)
    try:
        # A command's own level is not what the settings say of the server's log.
        settings = load({**vars(options), "log_level": None})
        if options.run is serving.serve:
            logs.configure(settings.log_format, settings.log_level)
        else:
            logs.configure("text", options.log_level)
        options.run(options, settings)
        sys.stdout.flush()
    except Refusal as refusal:
        said = f"folkmoot: {refusal.message}"
        wrong = isinstance(refusal, SettingWrong) and not isinstance(refusal, DatabaseAway)
        if not wrong or options.run is not serving.serve:
            sys.exit(said)
        print(said, file=sys.stderr)
        sys.exit(os.EX_CONFIG)
    except BrokenPipeError:
        if options.run is serving.serve:
            raise  # of something else than what it prints
        # Whoever reads what this prints has had enough, as `head` does. What is still to be flushed goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.errno in _FULL:
            where = "" if error.filename is None else f"{error.filename}: "
            sys.exit(f"folkmoot: {where}{error.strerror}; free some space, or write elsewhere.")
        if error.filename is None:
            raise
        sys.exit(f"folkmoot: {error.filename}: {error.strerror}; --data names the directory to use.")
    except UnicodeEncodeError:
        if all(each.encode(errors="ignore").decode() == each for each in given):
            raise
        # Bytes that are none of the encoding's reach Python as halves of characters (PEP 383).
        sys.exit("folkmoot: An argument has bytes that are no text; give it in UTF-8.")
    except KeyboardInterrupt:
        sys.exit(130)


def _complete_streams() -> None:
    """Have all three streams, and let both outputs take every text.

    One that is closed would be taken by the next file that is opened: what goes to it goes nowhere instead. What the
    terminal's encoding has no characters for is said as JSON says it, so that what is JSON stays so.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            while (opened := os.open(os.devnull, os.O_RDWR)) < number:
                pass
            setattr(sys, name, os.fdopen(opened, "w" if number else "r", encoding="utf-8", closefd=False))
    codecs.register_error("folkmoot", _as_json_says_it)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="folkmoot")


def _as_json_says_it(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)  # noqa: S101  (nothing is decoded)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def _parser(command: str | None = None) -> argparse.ArgumentParser:
    """The parser of `command`, or of all commands where it is none: each is loaded only where it is asked for."""
    parser = argparse.ArgumentParser(prog="folkmoot", description="A server for group conversations.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--config", metavar="FILE", help="a settings file (TOML)")
    shared.add_argument("--data", metavar="DIR", help="the data directory (default: folkmoot-data)")
    shared.add_argument("--database", metavar="URL", help="postgresql://… (default: SQLite in the data directory)")
    shared.add_argument("--https-port", type=int, metavar="PORT", help="the HTTPS port (default: 8443; 0 for none)")
    shared.add_argument("--http-port", type=int, metavar="PORT", help="the plain HTTP port (default: 8080; 0 for none)")
    shared.add_argument("--public-url", metavar="URL", help="the origin under which clients reach the server")

    modules = [_COMMANDS[command]] if command in _COMMANDS else dict.fromkeys(_COMMANDS.values())
    for name in modules:
        import_module(f"folkmoot.commands.{name}").add_parser(commands, shared)
    return parser


if __name__ == "__main__":
    main()
