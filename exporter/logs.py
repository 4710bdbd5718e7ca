"""Log lines on standard error, in logfmt or JSON."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

BUILT_IN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
TALKATIVE = ("httpx", "httpcore", "apscheduler", "uvicorn.error")


def configure(level: str, format_: Literal["logfmt", "json"]) -> None:
    """Send everything to standard error; libraries that narrate may only warn."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if format_ == "json" else LogfmtFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    # It warns of each write to a connection that has ended: whoever likes could fill the log.
    logging.getLogger("asyncio").setLevel(logging.ERROR)


def fields(record: logging.LogRecord, formatter: logging.Formatter) -> dict[str, str]:
    """The record as names and values: when, how bad, what, and whatever was added to it."""
    when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    added = {name: str(value) for name, value in vars(record).items() if name not in BUILT_IN}
    traceback = {"traceback": formatter.formatException(record.exc_info)} if record.exc_info else {}
    return {
        "ts": when.replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "msg": record.getMessage(),
        **added,
        **traceback,
    }


class LogfmtFormatter(logging.Formatter):
    """key=value pairs; a value with spaces or quotation marks is quoted as in JSON."""

    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{name}={quote(value)}" for name, value in fields(record, self).items())


class JsonFormatter(logging.Formatter):
    """An object a line."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(fields(record, self), ensure_ascii=False)


def quote(value: str) -> str:
    is_plain = value and value.isprintable() and not set(value) & set(' "=\\')
    return value if is_plain else json.dumps(value, ensure_ascii=False)
