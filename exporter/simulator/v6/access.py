"""Who may ask the v6 API, and about which stack."""

from collections.abc import Collection

from exporter.simulator.http import Request
from exporter.simulator.options import Options, V6Options
from exporter.simulator.v6.errors import invalid, refused
from exporter.simulator.v6.parameters import integer


def check_token(request: Request, options: Options, tokens: Collection[str]) -> None:
    """401 unless the token is known and comes as Bearer; k6 switched to that word with v6."""
    given = request.headers.get("authorization")
    if given is None and not options.auth_required:
        return
    scheme, _, token = (given or "").partition(" ")
    schemes = {"bearer", "token"} if options.v6.token_scheme else {"bearer"}
    if scheme.lower() not in schemes or token.strip() not in tokens:
        raise refused(401, "Invalid token or authentication scheme")


def check_stack(request: Request, options: V6Options) -> None:
    """The document lists 400 and 403 without saying which is for what; this is the obvious reading."""
    stack_id = integer(request.headers.get("x-stack-id", ""))
    if stack_id is None:
        raise invalid("X-Stack-Id", "A valid integer is required.")
    if stack_id != options.stack_id:
        raise refused(403, "No access to this stack")


def check_stack_url(request: Request, options: V6Options) -> None:
    url = request.headers.get("x-stack-url")
    if not url:
        raise invalid("X-Stack-Url", "This header is required.")
    if url.rstrip("/").lower() != options.stack_url.rstrip("/").lower():
        raise refused(403, "No access to this stack")
