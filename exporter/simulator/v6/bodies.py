"""Request bodies of the v6 API: JSON objects, forms and scripts. A wrong field earns 400 and names itself."""

import json
from collections.abc import Mapping
from datetime import datetime
from email import message_from_bytes
from email.policy import HTTP

from exporter.simulator.http import HTTPError, Item, Request, invalid
from exporter.simulator.scripts import Script, parse_script

Form = Mapping[str, bytes]


def parse_object(request: Request) -> Item:
    """The JSON object of the body."""
    try:
        body = json.loads(request.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise invalid("body", "An object is required.")
    return body


def get_name(body: Mapping[str, object], longest: int) -> str:
    name = body.get("name")
    if not isinstance(name, str) or not 1 <= len(name) <= longest:
        raise invalid("name", f"From 1 to {longest} characters.")
    return name


def get_id(body: Mapping[str, object], name: str) -> int:
    number = get_nullable_integer(body, name, smallest=1)
    if number is None:
        raise invalid(name, "A valid integer is required.")
    return number


def get_ids(body: Mapping[str, object]) -> tuple[int, ...]:
    """The ids of `{"value": [{"id": 1}, {"id": 2}]}`."""
    value = body.get("value")
    if not isinstance(value, list) or not all(isinstance(it, dict) for it in value):
        raise invalid("value", "A list of objects is required.")
    return tuple(dict.fromkeys(get_id(it, "id") for it in value))


def get_nullable_integer(body: Mapping[str, object], name: str, *, smallest: int = 1) -> int | None:
    number = body.get(name)
    if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < smallest):
        raise invalid(name, f"An integer of at least {smallest} is required.")
    return number


def get_nullable_time(body: Mapping[str, object], name: str) -> float | None:
    """A time in Unix seconds. "The timezone-aware date": a time without a zone is refused."""
    text = body.get(name)
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(str(text))
        if time.tzinfo is not None:
            return time.timestamp()
    except (ValueError, OverflowError):
        pass
    raise invalid(name, "A date and time with a zone is required.")


def parse_form(request: Request) -> Form:
    """The parts of a multipart form by name, files included."""
    content_type = require_content_type(request, "multipart/form-data")
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1")
    form = message_from_bytes(head + request.body, policy=HTTP)
    parts = {}
    for part in form.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            parts[str(name)] = content
    return parts


def parse_uploaded_script(content: bytes) -> Script:
    if not content:
        raise invalid("script", "This field is required.")
    try:
        return parse_script(content)
    except ValueError as error:
        raise invalid("script", str(error)) from error


def require_content_type(request: Request, content_type: str) -> str:
    """The Content-Type header, with its parameters; 415 if it is another type."""
    header = request.headers.get("content-type", "")
    if header.partition(";")[0].strip().lower() != content_type:
        raise HTTPError(415, f"Send {content_type}")
    return header
