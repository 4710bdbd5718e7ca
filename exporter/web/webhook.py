"""The webhook of k6 Cloud, which triggers a poll and does nothing else.

https://grafana.com/docs/grafana-cloud/testing/k6/author-run/send-notifications/
Its requests are not signed, and users write the body: anyone who knows the secret path can send anything.
So only the id of a test is read from the body, and only to ignore tests that are not watched.
"""

from collections.abc import Awaitable, Callable
from hmac import compare_digest

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from exporter.credentials import SecretError, WebhookSecret
from exporter.nesting import parse_json
from exporter.self_metrics import SelfMetrics

# uvicorn's slower parser does not limit bodies, so the webhook does.
MAX_WEBHOOK_BODY = 64 * 1024  # bytes
# The first is the name in the notification templates of k6 Cloud, the second that of our label.
ID_KEYS = ("load_test_id", "test_id")


def webhook_handler(
    secret: WebhookSecret,
    is_watched: Callable[[int], bool],
    trigger: Callable[[], None],
    self_metrics: SelfMetrics,
) -> Callable[[Request], Awaitable[Response]]:
    """Handles webhook requests. An accepted one calls `trigger`; the scheduler decides when to poll."""

    async def handle(request: Request) -> Response:
        outcome, status, text = await answer(request)
        self_metrics.webhook_requests.labels(outcome).inc()
        return PlainTextResponse(f"{text}\n", status_code=status)

    async def answer(request: Request) -> tuple[str, int, str]:
        if not is_secret(request.path_params["secret"], secret):
            # 404, since the secret is a part of the path. The body is not read: anyone may have sent it.
            return "rejected", 404, "Not Found"
        body = await read_webhook_body(request)
        if body is None:
            return "rejected", 413, f"The body is limited to {MAX_WEBHOOK_BODY} bytes."
        test = parse_test_id(body)
        if test is not None and not is_watched(test):
            return "ignored", 202, "This test is not watched."
        # A body without an ID is accepted: users edit the template, and one poll too many does no harm.
        trigger()
        return "accepted", 202, "A poll is triggered."

    return handle


def is_secret(text: str, secret: WebhookSecret) -> bool:
    try:
        # The time of a plain comparison would reveal how many characters are right. The file is checked each
        # time, so that a new secret needs no restart.
        return compare_digest(text.encode(), secret.read().encode())
    except SecretError:
        # An unreadable file must not open the webhook.
        return False


async def read_webhook_body(request: Request) -> bytes | None:
    """The body; None if it is too long."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_WEBHOOK_BODY:
            return None
    return body


def parse_test_id(body: bytes) -> int | None:
    """The id of a test, at the top of the body or under `test`; None if there is none."""
    try:
        content = parse_json(body)
    except ValueError:
        return None
    places = (content, content.get("test")) if isinstance(content, dict) else ()
    for place in (place for place in places if isinstance(place, dict)):
        for key in ID_KEYS:
            value = str(place.get(key))
            # isdigit() alone accepts digits such as ², for which int() raises.
            if value.isascii() and value.isdigit() and len(value) < 20:
                return int(value)
    return None
