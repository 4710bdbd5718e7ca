"""What settings are made of: functions from what was written to what is meant, or to why it is not."""

import re
import warnings
from ipaddress import ip_address
from urllib.parse import urlsplit

from exporter.formatting import SETTING_UNITS, format_setting_duration, quote_value

MOST_GROUPS = 100  # in a regular expression; how many inside each other the interpreter bears differs
MAX_DURATION = 3650 * 86400.0  # seconds
WHERE_IS_THE_STACK_ID = "find it in Grafana Cloud under Testing & synthetics, Performance, Settings"
HOST = re.compile(r"([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?|\[[0-9A-Fa-f:.]+\]")


def parse_duration(value: object) -> float:
    """A duration such as 15s, 1m30s or 7d, in seconds."""
    text = value if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""
    if not isinstance(value, bool) and re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text) and float(text) > 0:
        raise ValueError(f'{quote_value(value)} has no unit; write "{text}s"')
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhdw])", value) if isinstance(value, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError(f'{quote_value(value)} is not a duration; write one like "15s", "1m30s" or "7d"')
    total = sum(float(number) * SETTING_UNITS[unit] for number, unit in parts)
    if total <= 0:
        raise ValueError(f'{quote_value(value)} is too short; it must be more than nothing, such as "15s"')
    if total > MAX_DURATION:
        raise ValueError(
            f"{quote_value(value)} is too long; the most is {format_setting_duration(MAX_DURATION)}"
        )
    return total


def reject_non_integer(value: object) -> object:
    """Not yet a number, but nothing that would be mistaken for one: true is not 1."""
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(f"{quote_value(value)} is not a whole number; write one like 10")
    return value


def parse_stack(value: object) -> object:
    """The number that identifies a Grafana Cloud stack; k6 Cloud takes neither its name nor its URL."""
    if isinstance(value, str) and re.search(r"[a-z]", value, re.IGNORECASE):
        raise ValueError(
            f"{quote_value(value)} is not the id of a stack; use the number, not the name or the URL; "
            f"{WHERE_IS_THE_STACK_ID}"
        )
    return reject_non_integer(value)


def parse_shard(value: object) -> object:
    """A number from 0; of a name that ends in one, as the pods of a StatefulSet have, that number."""
    named = re.fullmatch(r"[a-z0-9][a-z0-9.-]*-([0-9]{1,9})", value) if isinstance(value, str) else None
    return int(named[1]) if named else reject_non_integer(value)


def web_address(value: object) -> str:
    """An http or https URL without query, without a slash at its end."""
    if not isinstance(value, str) or not is_url(value):
        raise ValueError(f'{quote_value(value)} is not a web address; write one like "https://example.com"')
    if "@" in value:
        raise ValueError("a user name or password does not belong into a web address; leave it out")
    return value.rstrip("/")


def is_url(value: str) -> bool:
    """Whether it is one that can be asked: a host that can be looked up, a port there is."""
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


def socket_address(value: object) -> str:
    """host:port, :port or [v6]:port."""
    match = re.fullmatch(r"(.*):([0-9]{1,5})", value) if isinstance(value, str) else None
    if not match or int(match[2]) > 65535 or not (match[1] == "" or HOST.fullmatch(match[1])):
        raise ValueError(f'{quote_value(value)} is not a listen address; write "host:port" or ":port"')
    return match[0]


def parse_path(value: object) -> str:
    """A path of ours that no other page has."""
    if (
        not isinstance(value, str)
        or not re.fullmatch(r"(/[\w.~-]+)+/?", value, re.ASCII)
        or value.startswith(("/-/", "/webhook/"))
    ):
        raise ValueError(f'{quote_value(value)} cannot be the path of the metrics; write one like "/metrics"')
    return value


def regex(value: str) -> str:
    """A regular expression, matched anywhere in a test's name."""
    if value.count("(") > MOST_GROUPS:
        raise ValueError(f"{quote_value(value)} is too much for a regular expression; make it simpler")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a later Python may read otherwise
            re.compile(value)
    except re.error as error:
        raise ValueError(f"{quote_value(value)} is not a regular expression: {error}") from error
    except OverflowError as error:
        raise ValueError(
            f"{quote_value(value)} is too much for a regular expression; make it simpler"
        ) from error
    return value


def file_path(value: object) -> str:
    """A path, not yet of anything that exists."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError(f'{quote_value(value)} is not the path of a file; write one like "/etc/k6/token"')
    return value
