"""How the log is written: for people, or a JSON object in each line. Third parties' loggers go the same way.

What looks like a secret is blotted out, whoever said it. The time is UTC.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Literal

import msgspec

from folkmoot.observe import log, request_id

Format = Literal["text", "json"]
Level = Literal["debug", "info", "warning", "error"]

# They say at "info" what nobody asked for.
_NOISY: Final = ("alembic", "uvicorn", "psycopg", "httpx", "httpcore", "opentelemetry")
# Passwords in URLs (RFC 3986 §3.2.1) and in libpq's other form; bearer tokens (RFC 6750) and whatever is a JWT
# (RFC 7519); the URL of an upload, which is the right to it.
_SECRETS: Final = (
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+@"), r"\1***@"),
    (re.compile(r"(password=)('[^']*'|\S+)", re.IGNORECASE), r"\1***"),
    (re.compile(r"(bearer\s+)[\w.~+/=-]+", re.IGNORECASE), r"\1***"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*){1,3}"), "***"),
    (re.compile(r"(/uploads/)[\w-]{20,}"), r"\1***"),
)


def configure(format: Format, level: Level | int) -> None:
    """Write what is logged to standard error, from `level` on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper() if isinstance(level, str) else level, force=True)
    logging.captureWarnings(True)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.DEBUG if level in ("debug", logging.DEBUG) else logging.WARNING)
    if format == "json":
        # What nobody caught would break the lines.
        sys.excepthook = _uncaught
        threading.excepthook = lambda failed: _uncaught(failed.exc_type, failed.exc_value, failed.exc_traceback)


def without_secrets(text: str) -> str:
    """`text` with what looks like a password, a token or an upload URL blotted out."""
    for looks, instead in _SECRETS:
        text = looks.sub(instead, text)
    return text


class TextFormatter(logging.Formatter):
    """`LEVEL message`, with the request-id where there is one, and the traceback below."""

    def format(self, record: logging.LogRecord) -> str:
        said = super().format(record)
        asked = request_id.get()
        if asked and asked not in said:
            said = f"{said} request_id={asked}"
        return without_secrets(f"{record.levelname} {said}")


class JsonFormatter(logging.Formatter):
    """An object with `time`, `level`, `logger`, `message`, `process`; `request_id` and `exception` where there are any.

    A record's `facts` are members, too.
    """

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
            "process": record.process,
        }
        if asked := request_id.get():
            said["request_id"] = asked
        if record.exc_info:
            said["exception"] = without_secrets(self.formatException(record.exc_info))
        if record.stack_info:
            said["stack"] = without_secrets(record.stack_info)
        facts: dict[str, Any] = getattr(record, "facts", {})
        said |= {name: without_secrets(value) if isinstance(value, str) else value for name, value in facts.items()}
        return msgspec.json.encode(said).decode()


def _uncaught(kind: type[BaseException], error: BaseException | None, where: TracebackType | None) -> None:
    if error is None or issubclass(kind, KeyboardInterrupt):
        return
    log.critical("the process fails: %r", error, exc_info=(kind, error, where))
