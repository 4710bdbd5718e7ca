"""Errors as the vendor's error reference words them."""

from enum import IntEnum

from exporter.simulator.http import HTTPError, Response


class Code(IntEnum):
    """The `code` of an error body."""

    UNKNOWN = 0
    GENERAL = 1
    VALIDATION = 2
    NOT_FOUND = 3
    NOT_ALLOWED = 4
    NOT_AUTHENTICATED = 5
    AUTHENTICATION_FAILED = 6
    METHOD_NOT_ALLOWED = 7


# The reference does not say which status carries which code; this is the obvious reading.
_CODE_OF = {
    400: Code.VALIDATION,
    401: Code.AUTHENTICATION_FAILED,
    403: Code.NOT_ALLOWED,
    404: Code.NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
}


def error(status: int, message: str, code: int | None = None, **more: object) -> Response:
    """An error body with the code that goes with the status, unless another is given."""
    if code is None:
        code = _CODE_OF.get(status, Code.GENERAL)
    return Response(status, {"error": {"message": message, "code": int(code), "errors": [message], **more}})


def not_found() -> HTTPError:
    return HTTPError(error(404, "Not found"))


def invalid(parameter: str, reason: str) -> HTTPError:
    return HTTPError(error(400, "Validation error", field_errors={parameter: [reason]}))
