"""Errors in the form of the v6 schema's ErrorResponse. The document lists no codes; two words were seen."""

from exporter.simulator.http import HTTPError, Item, Response


def error_response(error: HTTPError) -> Response:
    """The error body.

    Unknown fields are left out. The schema allows null as well, but k6 2.2.0 panics at a `target` of null,
    so the live service does not send that.
    """
    code = "conflict" if error.status == 409 else "error"
    body: Item = {"message": error.message, "code": code}
    if error.target:
        body["details"] = [{"message": error.reason, "code": "error", "target": error.target}]
    return Response(error.status, {"error": body}, headers=error.headers)
