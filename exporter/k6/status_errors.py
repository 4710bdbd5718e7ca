"""Responses with an error status as errors for an operator, and a server's own words as safe text."""

from typing import Any

from exporter.k6 import errors
from exporter.nesting import parse_json

MAX_ERROR_MESSAGE = 200  # characters of a server's own words in our error

# Only the HTTP status decides. The list of codes in error bodies is not complete, and a proxy sends HTML:
# https://grafana.com/docs/grafana-cloud/testing/k6/reference/cloud-rest-api/deprecated-rest-api/error-reference/
STATUS_ERRORS: dict[int, tuple[type[errors.ApiError], str]] = {
    400: (errors.BadRequest, "k6 Cloud rejected a parameter {at}"),
    401: (
        errors.Unauthorized,
        "k6 Cloud rejected the token {at}; create one in Grafana Cloud under Testing & synthetics, "
        "Performance, Settings, Access, and set it in K6_CLOUD_TOKEN or in the file named by api.token_file",
    ),
    403: (
        errors.Forbidden,
        "the token has no permission for this request {at}; "
        "use a token with access to these tests, or configure only tests that it can access",
    ),
    404: (errors.NotFound, "not found, or not visible to this token {at}"),
    409: (errors.Conflict, "k6 Cloud rejected the request because of the state of the test or run {at}"),
    # From a proxy for plain http. One for https fails when it connects.
    407: (errors.ApiError, "the proxy requires a user name and password {at}; set them in HTTP_PROXY"),
    429: (errors.RateLimited, "k6 Cloud is rate limiting the token {at}; lower api.requests_per_minute"),
}
SERVER_ERROR = (errors.ServerError, "k6 Cloud server error {at}")
REDIRECT = (
    errors.ApiError,
    "k6 Cloud redirected the request {at}; redirects are not followed, to keep the token from reaching "
    "another host; set api.url to the API's own address",
)
OTHER_ERROR = (errors.ApiError, "k6 Cloud rejected the request {at}")


def error_for_status(status: int, where: str, message: str, *, is_redirect: bool) -> errors.ApiError:
    """The error for a status that is not a success, with what to do about it.

    `where` is the request, such as GET /runs/{id}, and `message` the server's own, empty without one.
    """
    default = REDIRECT if is_redirect else SERVER_ERROR if status >= 500 else OTHER_ERROR
    error, sentence = STATUS_ERRORS.get(status, default)
    at = f"({status} at {where}{f': {message}' if message else ''})"
    return error(sentence.format(at=at))


def parse_message(body: bytes) -> str:
    """The message in the body of an error, in both API versions {"error": {"message": ...}}; or nothing."""
    try:
        parsed: Any = parse_json(body)
        return str(parsed["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return ""


def sanitize(text: str, token: str) -> str:
    """A server's own words as one printable line of limited length, without the token."""
    # A server may echo what it was sent. The token must not come back through a log.
    if token:
        text = text.replace(token, "***")
    return "".join(c if c.isprintable() else " " for c in text)[:MAX_ERROR_MESSAGE].strip()
