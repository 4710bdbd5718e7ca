"""What settings are made of: functions from what was written to what is meant, or to why it is not."""

import re
from urllib.parse import urlsplit

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def seconds(value: object) -> float:
    """A duration such as 15s, 1m30s or 7d, in seconds."""
    if not isinstance(value, str):
        raise ValueError(f'{value} has no unit; write "{value}s"')
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|[smhdw])", value)
    if "".join(number + unit for number, unit in parts) != value or not parts:
        if re.fullmatch(r"\d+(\.\d+)?", value):
            raise ValueError(f'"{value}" has no unit; write "{value}s"')
        raise ValueError(f'"{value}" is not a duration; write a number and one of {", ".join(UNITS)}')
    total = sum(float(number) * UNITS[unit] for number, unit in parts)
    if total <= 0:
        raise ValueError(f'"{value}" is too short; it must be more than nothing')
    return total


def web_address(value: str) -> str:
    """An http or https URL without query, without a slash at its end."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f'"{value}" is not a web address; write one like "https://api.k6.io"')
    return value.rstrip("/")


def socket_address(value: str) -> str:
    """host:port, :port or [v6]:port."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]*):(\d{1,5})", value)
    if not match or int(match[2]) > 65535:
        raise ValueError(f'"{value}" is not a listen address; write "host:port" or ":port"')
    return value


def route(value: str) -> str:
    """A path of ours that no other page has."""
    if not re.fullmatch(r"/[^\s?#]+", value) or value.startswith("/-/"):
        raise ValueError(f'"{value}" cannot be the path of the metrics; write one like "/metrics"')
    return value


def regex(value: str) -> str:
    """A regular expression, matched anywhere in a test's name."""
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f'"{value}" is not a regular expression: {error}') from error
    return value


def duration(value: float) -> str:
    """Seconds as one would write them: 604800 is 7d."""
    unit, length = next(
        (unit, length) for unit, length in reversed(UNITS.items()) if unit != "w" and value % length == 0
    )
    return f"{value / length:g}{unit}"
