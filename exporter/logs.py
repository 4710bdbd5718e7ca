"""Log records as lines on standard error, in logfmt or JSON."""

import contextlib
import json
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal

# Attributes that every record has. All others were added by `extra=` and are logged as fields.
BUILT_IN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
# Libraries that log each request, job or connection at the level info.
NOISY_LOGGERS = ("httpx", "httpcore", "apscheduler", "uvicorn.error")
MAX_WAITING_LINES = 1000  # further lines are dropped
FLUSH_TIMEOUT = 0.2  # seconds that the end of the process waits for lines to be written


class StderrHandler(logging.Handler):
    """Writes lines to standard error: directly, or from a thread of its own after `start_thread`.

    A write blocks while a terminal or a log collector does not read. With the thread, it cannot block the
    event loop, and `count_dropped` is called for each line that cannot be written. The order is kept.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count_dropped: Callable[[], object] = lambda: None
        self._lines: queue.Queue[str | None] = queue.Queue(MAX_WAITING_LINES)
        self._thread: threading.Thread | None = None

    def start_thread(self) -> None:
        """Write from a thread from now on, until the process ends."""
        # A daemon, since the end of the process would wait for any other thread.
        self._thread = self._thread or threading.Thread(target=self._write_lines, name="logs", daemon=True)
        if not self._thread.is_alive():
            self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 (a wrong log call must not end what it reports)
            self.handleError(record)
            return
        if self._thread is None:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                sys.stderr.write(f"{line}\n")
            return
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.count_dropped()

    def close(self) -> None:
        """Waits for a moment until all lines are written. Called by `logging` when the process ends."""
        if self._thread is not None:
            # Still full then means that nothing reads: the last lines are lost.
            with contextlib.suppress(queue.Full):
                self._lines.put(None, timeout=FLUSH_TIMEOUT)
                self._thread.join(FLUSH_TIMEOUT)
        super().close()

    def _write_lines(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                # Not sys.stderr.write: a lock that this thread holds at the end makes Python abort.
                write_all(sys.stderr.fileno(), f"{line}\n".encode(errors="backslashreplace"))
            except (OSError, ValueError, AttributeError):  # no disk space, no reader, no standard error
                self.count_dropped()


HANDLER = StderrHandler()


def configure(level: str, format_: Literal["logfmt", "json"]) -> None:
    """Log to standard error from the given level on; noisy libraries only from warning on."""
    HANDLER.setFormatter(JsonFormatter() if format_ == "json" else LogfmtFormatter())
    root = logging.getLogger()
    root.handlers[:] = [HANDLER]
    root.setLevel(level.upper())
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    # asyncio warns about each write to a closed connection, so that any client could fill the log.
    logging.getLogger("asyncio").setLevel(logging.ERROR)


def write_in_background(count_dropped: Callable[[], object]) -> None:
    """Never block on standard error from now on; `count_dropped` is called for each line that is lost."""
    HANDLER.count_dropped = count_dropped
    HANDLER.start_thread()
    # By default Python writes these to standard error itself, and would block there.
    sys.excepthook = log_exception
    sys.unraisablehook = lambda found: log_exception(found.exc_type, found.exc_value, found.exc_traceback)
    threading.excepthook = lambda found: log_exception(found.exc_type, found.exc_value, found.exc_traceback)
    logging.captureWarnings(True)  # noqa: FBT003 (its only signature)


def log_exception(
    kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None
) -> None:
    """Logs an exception that nothing has caught."""
    found = (kind, error or kind(), traceback)
    logging.getLogger(__name__).critical("unexpected error (please report)", exc_info=found)


def write_all(descriptor: int, content: bytes) -> None:
    """Write all bytes; a pipe may take them in parts. Raises OSError."""
    while content:
        content = content[os.write(descriptor, content) :]


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
