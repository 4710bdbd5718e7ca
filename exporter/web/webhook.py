"""k6 Cloud's webhook, taken for a hint that it is time to poll, and for nothing else.

https://grafana.com/docs/grafana-cloud/testing/k6/author-run/send-notifications/
It is not signed, and users write its body: whoever knows the secret path can send anything. So all that is
ever taken from it is the id of a test that is watched already.
"""

from collections.abc import Callable
from hmac import compare_digest

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from exporter.credentials import SecretError, WebhookSecret
from exporter.nesting import parse_json
from exporter.self_metrics import SelfMetrics

MOST_BODY = 64 * 1024  # bytes
NAMES = ("load_test_id", "test_id")  # how a body names the test


class Webhook:
    """Answers calls. Each that is heeded is a hint; how soon a poll comes is up to whoever schedules."""

    def __init__(
        self,
        secret: WebhookSecret,
        is_watched: Callable[[int], bool],
        trigger: Callable[[], None],
        self_metrics: SelfMetrics,
    ) -> None:
        self._secret = secret
        self._is_watched = is_watched
        self._trigger = trigger
        self._self_metrics = self_metrics

    async def handle(self, request: Request) -> Response:
        if not self._is_secret(request.path_params["secret"]):
            return self._respond("rejected", 404, "Not Found")
        body = await read_body(request)
        if body is None:
            return self._respond("rejected", 413, f"At most {MOST_BODY} bytes are read.")
        test = parse_test_id(body)
        if test is not None and not self._is_watched(test):
            return self._respond("ignored", 202, "This test is not watched.")
        self._trigger()
        return self._respond("accepted", 202, "k6 Cloud is asked.")

    def _is_secret(self, said: str) -> bool:
        try:
            return compare_digest(said.encode(), self._secret.read().encode())
        except SecretError:
            return False

    def _respond(self, outcome: str, status: int, text: str) -> Response:
        self._self_metrics.webhook_requests.labels(outcome).inc()
        return PlainTextResponse(f"{text}\n", status_code=status)


async def read_body(request: Request) -> bytes | None:
    """The body; None if it is too long."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BODY:
            return None
    return body


def parse_test_id(body: bytes) -> int | None:
    """The id of the test that a body names, at its top or under `test`; None if it names none."""
    try:
        told = parse_json(body)
    except ValueError:
        return None
    places = (told, told.get("test")) if isinstance(told, dict) else ()
    for place in (place for place in places if isinstance(place, dict)):
        for name in NAMES:
            value = str(place.get(name))
            if value.isascii() and value.isdigit() and len(value) < 20:
                return int(value)
    return None
