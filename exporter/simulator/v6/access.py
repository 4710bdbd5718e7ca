"""Access to the v6 API: the token, and the Grafana stack that a request is about."""

from collections.abc import Collection

from exporter.simulator.http import HTTPError, Request, invalid, parse_integer
from exporter.simulator.options import Options, V6Options

AUTH_PATH = "/cloud/v6/auth"


def check_access(request: Request, options: Options, tokens: Collection[str]) -> None:
    """401 unless the token is known and comes as Bearer (k6 switched to that scheme with v6).

    The document lists 400 and 403 for the stack without saying which is for what. This is the obvious
    reading.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or token.strip() not in tokens:
        raise HTTPError(401, "Invalid token or authentication scheme")
    # This request returns the stack ID, so its client cannot have it yet.
    if request.path == AUTH_PATH:
        return
    stack_id = parse_integer(request.headers.get("x-stack-id", ""))
    if stack_id is None:
        raise invalid("X-Stack-Id", "A valid integer is required.")
    if stack_id != options.v6.stack_id:
        raise HTTPError(403, "No access to this stack")


def check_stack_url(request: Request, options: V6Options) -> None:
    url = request.headers.get("x-stack-url")
    if not url:
        raise invalid("X-Stack-Url", "This header is required.")
    if url.rstrip("/").lower() != options.stack_url.rstrip("/").lower():
        raise HTTPError(403, "No access to this stack")
