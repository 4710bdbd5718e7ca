"""The entry point of `k6-cloud-exporter` and of `python -m exporter`.

It prepares the process before anything else is imported: libraries read variables and open files then.
"""

import errno
import io
import os
import signal
import sys
from contextlib import suppress

INTERRUPTED = 130  # the exit code after Ctrl-C, as shells report it
OUTPUT_FAILED = 74  # EX_IOERR of sysexits.h; lower codes have meanings of their own in some commands
# Libraries read these, and would fail or leave out metrics. They belong to other programs.
IGNORED_VARIABLES = (
    "WEB_CONCURRENCY",
    "FORWARDED_ALLOW_IPS",
    "PROMETHEUS_MULTIPROC_DIR",
    "prometheus_multiproc_dir",
    "PROMETHEUS_DISABLE_CREATED_SERIES",
    "PROMETHEUS_LEGACY_NAME_VALIDATION",
)
OUTPUT_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}  # EIO: the terminal is gone


def main() -> None:
    """Run the command line. Ctrl-C and output that cannot be written end it without a traceback."""
    exit_on_interrupt()
    open_missing_streams()
    for name in IGNORED_VARIABLES:
        os.environ.pop(name, None)
    from exporter.cli import main as run_command_line  # noqa: PLC0415 (see above)

    if signal.getsignal(signal.SIGINT) is exit_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run_command_line(prog_name="k6-cloud-exporter")
    except OSError as error:
        if error.errno not in OUTPUT_ERRORS:
            raise
        report_output_error(error)
        sys.exit(OUTPUT_FAILED)
    finally:
        exit_on_interrupt()


def exit_on_interrupt() -> None:
    """Let Ctrl-C end the process at once, unless it is ignored, as in the background of a shell."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, exit_at_once)


def exit_at_once(*_: object) -> None:
    os._exit(INTERRUPTED)


def open_missing_streams() -> None:
    """Open /dev/null in place of standard streams that are closed, and never fail to print a character.

    Otherwise sockets would get their descriptors: output would go there, and uvloop aborts when it ends.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    sys.stdin = sys.stdin or open_stream(0, "r")
    sys.stdout = sys.stdout or open_stream(1, "w")
    sys.stderr = sys.stderr or open_stream(2, "w")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def open_stream(descriptor: int, mode: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.FileIO(descriptor, mode, closefd=False), encoding="utf-8", write_through=True)


def report_output_error(error: OSError) -> None:
    with suppress(OSError):  # standard error may be the same file
        sys.stderr.write(f"error: cannot write the output: {error.strerror}\n")
    # The rest is discarded: Python would write it again at its end, fail, and print a traceback.
    devnull = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(devnull, descriptor)


if __name__ == "__main__":
    main()
