"""Isolation of the tests from the shell that starts them: its variables and its ignored signals."""

import os
import re
import signal
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

# Variables that change how the exporter, k6, Prometheus, Helm or Python behave. httpx, Go and curl read the
# names of proxies in upper and lower case.
INHERITED = re.compile(
    r"K6_.*|GF_.*|HELM_.*|KUBECONFIG|(HTTPS?|FTP|ALL|NO|SOCKS)_PROXY"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|SSLKEYLOGFILE|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|NODE_EXTRA_CA_CERTS"
    r"|WEB_CONCURRENCY|FORWARDED_ALLOW_IPS|UVICORN_.*|PROMETHEUS_.*|OTEL_.*"
    r"|NO_COLOR|FORCE_COLOR|CLICOLOR.*|COLUMNS|LINES|PYTHONIOENCODING|NODE_OPTIONS",
    re.IGNORECASE,
)


def clear_environment(environ: MutableMapping[str, str] = os.environ) -> None:
    """Remove the variables that would change the behaviour of what is tested."""
    for name in [name for name in environ if INHERITED.fullmatch(name)]:
        del environ[name]


@contextmanager
def default_signals_for_children() -> Iterator[None]:
    """Reset ignored signals in the programs that the tests start.

    A shell without job control ignores SIGINT in background commands, and nohup ignores SIGHUP. Programs
    inherit ignored signals, but not handlers. So this process installs a handler that does nothing: it still
    survives the signal, and its children start with the default action.
    """
    ignored = [
        number
        for number in signal.valid_signals()
        # Python ignores SIGPIPE and SIGXFSZ itself, and subprocess resets both in children.
        if signal.getsignal(number) is signal.SIG_IGN and number not in {signal.SIGPIPE, signal.SIGXFSZ}
    ]
    for number in ignored:
        signal.signal(number, lambda *_: None)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
