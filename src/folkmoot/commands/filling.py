"""`folkmoot lab fill`: many posts for a development database."""

from __future__ import annotations

import argparse
import logging
import sys
from typing import Any

from folkmoot.commands import operating
from folkmoot.config import Settings


def add_parser(lab: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to those of `lab`; `shared` holds the options that all commands take."""
    fill = lab.add_parser(
        "fill",
        parents=[shared, operating.json_option()],
        help="fill the database with groups, people and posts, always the same for the same options",
    )
    fill.add_argument("--posts", type=int, required=True, metavar="N", help="how many")
    fill.add_argument("--seed", type=int, default=1, metavar="S", help="another one gives others (default: 1)")
    fill.add_argument("--groups", type=int, metavar="N", help="how many (default: as fits the posts)")
    fill.add_argument("--people", type=int, metavar="N", help="besides those of the lab (default: as fits the posts)")
    fill.add_argument(
        "--hot-threads", type=int, default=0, metavar="N", help="so many short threads in the first group"
    )
    fill.add_argument("--long-thread", type=int, default=0, metavar="N", help="a thread of so many posts in it, too")
    fill.add_argument("--processes", type=int, metavar="N", help="that make text (default: one for each core but one)")
    fill.set_defaults(run=_fill, log_level=logging.WARNING)


def _fill(options: argparse.Namespace, settings: Settings) -> None:
    import msgspec

    from folkmoot.filling.plan import Wish
    from folkmoot.filling.run import fill

    if options.processes is not None and options.processes < 0:
        raise operating.WrongUse("--processes must be 0 or more.")
    wish = Wish(
        posts=options.posts,
        seed=options.seed,
        groups=options.groups,
        hot_threads=options.hot_threads,
        long_thread=options.long_thread,
        people=options.people,
    )
    ended = "\n"
    if sys.stderr.isatty():
        ended = "\r\x1b[K"
    try:
        found = fill(settings, wish, processes=options.processes, progress=lambda line: _say(line, ended))
    except KeyboardInterrupt:
        _say("Broken off. What is there is sound; the same command goes on.", "\n")
        raise
    operating.show(options, msgspec.to_builtins(found))


def _say(line: str, ended: str) -> None:
    print(line, end=ended, file=sys.stderr, flush=True)
