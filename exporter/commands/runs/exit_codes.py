"""Exit codes of `runs`. Users' scripts depend on them."""

PASSED = 0  # the run passed, or what was requested is done
FAILED = 1  # the run failed
USAGE = 2  # wrong usage
# Not 1, so that a pipeline can distinguish a failed threshold from an outage or a wrong token.
ERROR = 3  # the run was aborted or has no result, or k6 Cloud returned an error
TIMED_OUT = 124  # --timeout, as timeout(1) reports it; the run goes on
INTERRUPTED = 130  # Ctrl-C, as shells report it
