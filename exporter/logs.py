"""Log records as lines on standard error, in logfmt or JSON."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

# Attributes that every record has. All others were added by `extra=` and are logged as fields.
BUILT_IN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
# Libraries that log each request, job or connection at the level info.
NOISY_LOGGERS = ("httpx", "httpcore", "apscheduler", "uvicorn.error")


def configure(level: str, format_: Literal["logfmt", "json"]) -> None:
    """Log to standard error from the given level on; noisy libraries only from warning on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if format_ == "json" else LogfmtFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    # asyncio warns about each write to a closed connection, so that any client could fill the log.
    logging.getLogger("asyncio").setLevel(logging.ERROR)


def format_fields(record: logging.LogRecord, formatter: logging.Formatter) -> dict[str, str]:
    """The fields of a log line: time, level, message, those given by `extra=`, and a traceback if any."""
    timestamp = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    extra = {name: str(value) for name, value in vars(record).items() if name not in BUILT_IN_ATTRIBUTES}
    traceback = {"traceback": formatter.formatException(record.exc_info)} if record.exc_info else {}
    return {
        "ts": timestamp.replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "msg": record.getMessage(),
        **extra,
        **traceback,
    }


class LogfmtFormatter(logging.Formatter):
    """Formats a record as key=value pairs; values with spaces or quotation marks are quoted as in JSON."""

    def format(self, record: logging.LogRecord) -> str:
        fields = format_fields(record, self)
        return " ".join(f"{name}={quote_logfmt(value)}" for name, value in fields.items())


class JsonFormatter(logging.Formatter):
    """Formats a record as a JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(format_fields(record, self), ensure_ascii=False)


def quote_logfmt(value: str) -> str:
    """The value of a logfmt field, quoted if it would otherwise be ambiguous or span lines."""
    is_plain = value and value.isprintable() and not set(value) & set(' "=\\')
    return value if is_plain else json.dumps(value, ensure_ascii=False)
