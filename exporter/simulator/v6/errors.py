"""Errors in the form of the v6 schema's ErrorResponse. The document lists no codes; two words were seen."""

from dataclasses import replace

from exporter.simulator.http import HTTPError, Item, Response

_CODE_OF = {409: "conflict"}


def error(
    status: int, message: str, code: str | None = None, details: list[dict[str, str]] | None = None
) -> Response:
    """An error body with the code that goes with the status, unless another is given.

    What is not known is left out. The schema allows null as well, but k6 2.2.0 ends in a panic at a `target`
    of null, so that is not what the live service sends.
    """
    told: Item = {"message": message, "code": _CODE_OF.get(status, "error") if code is None else code}
    if details is not None:
        told["details"] = details
    return Response(status, {"error": told})


def with_nulls(refusal: Response) -> Response:
    """The error with null for what it leaves out."""
    told = refusal.body["error"] if isinstance(refusal.body, dict) else {}
    return replace(refusal, body={"error": {"target": None, "details": None} | told})


def refused(status: int, message: str) -> HTTPError:
    return HTTPError(error(status, message))


def not_found() -> HTTPError:
    return refused(404, "Not found")


def invalid(target: str, reason: str) -> HTTPError:
    """400 naming the parameter, header or field that is wrong."""
    details = [{"message": reason, "code": "error", "target": target}]
    return HTTPError(error(400, "Validation error", details=details))
