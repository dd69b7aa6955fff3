"""Fuzzing with atheris: `make fuzz ARGS="TARGET --seconds 600"`, or `all` for one target after the other.

What was found interesting is kept in `.fuzz/TARGET/corpus` and begins the next run; what fails is kept in
`.fuzz/TARGET/found`, and `make fuzz ARGS="TARGET FILE"` does it again with a traceback, with or without atheris. A
finding becomes a test beside those of what it broke.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

KEPT = Path(".fuzz")


def main() -> None:
    """Run one target, or do again what one found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", help="a target, or all; a wrong name prints them")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="inputs to do again, once each")
    parser.add_argument("--seconds", type=int, default=60, help="how long (default: 60; of each target)")
    options = parser.parse_args()
    if options.target == "all":
        from tests.fuzz.targets import TARGETS

        again = [sys.executable, "-m", "tests.fuzz"]
        codes = [subprocess.call([*again, name, "--seconds", str(options.seconds)]) for name in TARGETS]
        sys.exit(any(codes))
    if options.files:
        _again(options.target, options.files)
    else:
        _fuzz(options.target, options.seconds)


def _again(name: str, files: list[Path]) -> None:
    from folkmoot.refusals import Refusal
    from tests.fuzz.targets import TARGETS

    for file in files:
        try:
            TARGETS[name](file.read_bytes())
        except Refusal as refusal:
            print(f"{file}: refused: {refusal.message}")
        else:
            print(f"{file}: taken")


def _fuzz(name: str, seconds: int) -> None:
    try:
        atheris = importlib.import_module("atheris")
    except ImportError:
        sys.exit("Fuzzing needs atheris: make fuzz installs it.")
    # What is imported here tells atheris which branches were taken.
    with atheris.instrument_imports(include=["folkmoot"]):
        from folkmoot.refusals import Refusal
        from tests.fuzz.targets import SEEDS, TARGETS
    if name not in TARGETS:
        sys.exit(f"There is no target '{name}'; there are {', '.join(TARGETS)}.")
    corpus, found = KEPT / name / "corpus", KEPT / name / "found"
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS[name]:
        (corpus / sha256(seed).hexdigest()[:16]).write_bytes(seed)
    target = TARGETS[name]

    def once(raw: bytes) -> None:
        try:
            target(raw)
        except Refusal:
            return

    once(SEEDS[name][0])  # what takes long the first time, such as a server's start, is no finding
    limits = [f"-max_total_time={seconds}", "-max_len=4096", "-timeout=30", "-rss_limit_mb=2048"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={found}/", "-print_final_stats=1", str(corpus)], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
