"""Errors in the form of the vendor's error reference."""

from exporter.simulator.http import HTTPError, Item, Response

GENERAL, NOT_AUTHENTICATED = 1, 5
# The reference does not say which status carries which code. This is the obvious reading: validation,
# authentication failed, not allowed, not found, method not allowed.
_CODES = {400: 2, 401: 6, 403: 4, 404: 3, 405: 7}


def error_response(error: HTTPError) -> Response:
    code = _CODES.get(error.status, GENERAL) if error.code is None else error.code
    body: Item = {"message": error.message, "code": code, "errors": [error.message]}
    if error.target:
        body["field_errors"] = {error.target: [error.reason]}
    return Response(error.status, {"error": body}, headers=error.headers)
