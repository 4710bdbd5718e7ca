"""Types of settings: functions that convert a value, or raise ValueError with a sentence for the user."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from exporter.formatting import SETTING_UNITS, escape_unprintable, format_setting_duration, quote_value
from exporter.regex import Regex

MAX_DURATION = 3650 * 86400.0  # seconds
OWN_LABELS = ("project_id", "project_name", "folder_uid")  # of k6_cloud_project_info
STACK_EXAMPLES = "its ID, name or URL, such as 12345, mystack or https://mystack.grafana.net"
WHERE_IS_THE_STACK_ID = "the ID is in Grafana Cloud under Testing & synthetics, Performance, Settings"
MAX_ID = 2**63 - 1
# The paths of the APIs, which the exporter adds itself. Those of documents are often copied with them.
API_PATH = re.compile(r"(/cloud/v[0-9]+|/loadtests/v[0-9]+|/v3)/*")
HOST = re.compile(r"([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?|\[[0-9A-Fa-f:.]+\]")


def parse_duration(value: object) -> float:
    """A duration such as 15s, 1m30s or 7d, in seconds."""
    text = str(value)
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text) and float(text) > 0:
        raise ValueError(f'{quote_value(value)} has no unit; write "{text}s", "{text}m" or "{text}d"')
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhdw])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f'{quote_value(value)} is not a duration; write one like "15s", "1m30s" or "7d"')
    total = sum(float(number) * SETTING_UNITS[unit] for number, unit in parts)
    if total <= 0:
        raise ValueError(f'{quote_value(value)} is too short; write more than 0, such as "15s"')
    if total > MAX_DURATION:
        maximum = format_setting_duration(MAX_DURATION)
        raise ValueError(f"{quote_value(value)} is too long; the maximum is {maximum}")
    return total


def reject_non_integer(value: object) -> object:
    """The value, which pydantic converts to a number, unless that would hide a mistake: true is not 1."""
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(f"{quote_value(value)} is not a whole number; write one like 10")
    return value


def parse_stack(value: object) -> int | str:
    """The ID of a Grafana Cloud stack, or its URL without a path; a name alone is that of a stack there."""
    text = value.strip().lower() if isinstance(value, str) else ""
    if re.fullmatch(r"[+-]?[0-9]{1,30}", text):
        return check_id(int(text))
    if isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1:
        return check_id(int(value))
    host = text.removeprefix("https://").removeprefix("http://").split("/")[0]
    if re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", host):
        return f"https://{host}.grafana.net"
    if re.fullmatch(r"([a-z0-9][a-z0-9-]{0,62}\.)+[a-z][a-z0-9-]{0,62}", host):
        return f"https://{host}"
    raise ValueError(f"{quote_value(value)} is not a stack; write {STACK_EXAMPLES}; {WHERE_IS_THE_STACK_ID}")


def check_id(id_: int) -> int:
    """This ID, if k6 Cloud can have it."""
    if id_ < 1:
        raise ValueError(f"{quote_value(id_)} is too small; the minimum is 1")
    if id_ > MAX_ID:
        raise ValueError(f"{quote_value(id_)} is too large; the maximum is {MAX_ID}")
    return id_


def parse_shard(value: object) -> object:
    """A shard index, or the index at the end of a name, as the pods of a StatefulSet have."""
    pod = re.fullmatch(r"[a-z0-9][a-z0-9.-]*-([0-9]{1,9})", value) if isinstance(value, str) else None
    if isinstance(value, str) and not pod and not value.strip().lstrip("-").isdecimal():
        raise ValueError(
            f"{quote_value(value)} is not a shard index; write a number from 0, or a name that ends in one, "
            'such as "exporter-0"'
        )
    return int(pod[1]) if pod else reject_non_integer(value)


def parse_log_level(value: object) -> object:
    """A log level; the libraries of Prometheus write warn."""
    return "warning" if value == "warn" else value


def parse_id(value: object) -> object:
    """The ID of a test; a name is a frequent mistake."""
    if isinstance(value, str) and not value.strip().lstrip("-").isdecimal():
        raise ValueError(
            f"{quote_value(value)} is not an ID; write the number, such as 1234; "
            "to select a test by its name, use name"
        )
    return reject_non_integer(value)


def parse_project(value: object) -> int | str:
    """The ID of a project, or its exact name; a number is always an ID."""
    text = value.strip() if isinstance(value, str) else ""
    if isinstance(value, str) and text and not re.fullmatch("[+-]?[0-9]+", text):
        return value
    number = int(text) if re.fullmatch("[+-]?[0-9]{1,19}", text) else reject_non_integer(value)
    if not isinstance(number, int | float):
        raise ValueError(f"{quote_value(value)} is not a project; write its ID or its name, such as 567")
    return check_id(int(number))


def parse_url(value: object) -> str:
    """An http or https URL without query; a slash at its end is removed."""
    if not isinstance(value, str) or not is_url(value):
        raise ValueError(
            f'{quote_value(value)} is not an http or https URL without a query; write one like "https://example.com"'
        )
    if "@" in value:
        # Not quoted: the value contains a password.
        raise ValueError("the URL must not contain a user name or password; remove it")
    return value.rstrip("/")


def parse_api_url(value: object) -> str:
    """The base URL of k6 Cloud, as `parse_url`; the path of an API at its end is removed."""
    url = parse_url(value)
    path = API_PATH.search(url)
    return url[: path.start()] if path and path.end() == len(url) else url


def is_url(value: str) -> bool:
    """Whether a request can be sent to this URL: it has a valid scheme, host and port, and no query."""
    try:
        parts = urlsplit(value)
        is_port = parts.port is None or parts.port > 0
        host = parts.netloc.rpartition("@")[2].removesuffix(f":{parts.port}")
        if ":" in host or re.fullmatch(r"[0-9.]+", host):
            ip_address(host.strip("[]"))
    except ValueError:
        return False
    is_plain = value.isascii() and value.isprintable() and not set(value) & set(' ?#\\"<>')
    return is_plain and is_port and parts.scheme in ("http", "https") and HOST.fullmatch(host) is not None


def parse_addresses(value: object) -> tuple[str, ...]:
    """Listen addresses: a list, or one text in which they are separated by commas."""
    if isinstance(value, list | tuple) and value:
        return tuple(map(parse_address, value))
    return tuple(map(parse_address, value.split(","))) if isinstance(value, str) else (parse_address(value),)


def parse_address(value: object) -> str:
    """host:port, :port or [IPv6 address]:port."""
    match = re.fullmatch(r"(.*):([0-9]{1,5})", value) if isinstance(value, str) else None
    if not match or int(match[2]) > 65535 or not (match[1] == "" or HOST.fullmatch(match[1])):
        raise ValueError(f'{quote_value(value)} is not a listen address; write "host:port" or ":port"')
    return match[0]


def parse_path(value: object) -> str:
    """A path for the metrics; the paths of other pages are rejected."""
    if (
        not isinstance(value, str)
        or not re.fullmatch(r"(/[\w.~-]+)+/?", value, re.ASCII)
        or value.startswith(("/-/", "/webhook/"))
    ):
        raise ValueError(
            f"{quote_value(value)} cannot be used as a path, or belongs to another page; "
            'write one like "/metrics"'
        )
    return value


def parse_regex(value: str) -> str:
    """A regular expression; it is returned as text, since the configuration is compared on reloads."""
    try:
        Regex(value)
    except ValueError as error:
        raise ValueError(
            f"{quote_value(value)} is not a regular expression in the syntax of RE2, as in Prometheus: "
            + escape_unprintable(str(error))
        ) from error
    return value


def parse_label_name(value: str) -> str:
    """The name of a label of a project, which becomes a label of a metric."""
    if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", value, re.ASCII) or value.startswith("__"):
        raise ValueError(
            f"{quote_value(value)} is not a label name; write letters, digits and underscores, such as team"
        )
    if value in OWN_LABELS:
        raise ValueError(f"{quote_value(value)} is already a label of that metric; remove it")
    return value


def parse_file_path(value: object) -> str:
    """A file path; whether the file exists is checked where it is read."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError(f'{quote_value(value)} is not a file path; write one like "/path/to/file"')
    return value
