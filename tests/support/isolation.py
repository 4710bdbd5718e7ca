"""What the tests must not inherit from the shell that starts them: settings and ignored signals."""

import os
import re
import signal
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

# Variables that change what the exporter, k6, Prometheus, Helm or Python do. httpx, Go and curl read the
# proxies in either case.
INHERITED = re.compile(
    r"K6_.*|GF_.*|HELM_.*|KUBECONFIG|(HTTPS?|FTP|ALL|NO|SOCKS)_PROXY"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|SSLKEYLOGFILE|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|NODE_EXTRA_CA_CERTS"
    r"|WEB_CONCURRENCY|FORWARDED_ALLOW_IPS|UVICORN_.*|PROMETHEUS_.*|OTEL_.*"
    r"|NO_COLOR|FORCE_COLOR|CLICOLOR.*|COLUMNS|LINES|PYTHONIOENCODING|NODE_OPTIONS",
    re.IGNORECASE,
)


def clear_environment(environ: MutableMapping[str, str] = os.environ) -> None:
    """Remove the variables by which a developer's shell would change what is tested."""
    for name in [name for name in environ if INHERITED.fullmatch(name)]:
        del environ[name]


@contextmanager
def default_signals_for_children() -> Iterator[None]:
    """Let the programs that the tests start handle signals, even where this process ignores them.

    A shell without job control ignores SIGINT in what it starts in the background, and nohup ignores SIGHUP.
    A program inherits what is ignored but not a handler. This process therefore handles such a signal by
    doing nothing, so that it still survives the signal, while its children begin with the default.
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
