"""Which proxy a URL is requested through, from variables such as HTTPS_PROXY and NO_PROXY.

httpx reads the same variables, but takes an IPv6 network in NO_PROXY for a host with a wrong port, sends
loopback addresses to the proxy, and prints the password of a proxy that it cannot use. The rules here are
those of Go, https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config, and ALL_PROXY as in curl,
https://curl.se/docs/manpage.html#ENVIRONMENT.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import unquote, urlsplit

from exporter.config.types import is_url

DEFAULT_PORTS = {"http": 80, "https": 443}
DOMAIN = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
ENTRY_WITH_PORT = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?")

Matcher = Callable[[str, int], bool]  # of a host in lower case and a port


class ProxyError(ValueError):
    """A variable whose value is not the URL of a proxy. The message names it without its value: a secret."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy. As text it is its URL, which contains neither the user name nor the password."""

    url: str
    variable: str  # that names it, as it is spelled in the environment
    auth: tuple[str, str] | None = field(default=None, repr=False)  # user name and password

    def __str__(self) -> str:
        return self.url


def find_proxy(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy for this URL; None if it is requested directly. Raises ProxyError."""
    variable = find_variable(urlsplit(url).scheme, environ)
    if variable is None or is_excluded(url, environ):
        return None
    return parse_proxy(environ[variable].strip(), variable)


def find_variable(scheme: str, environ: Mapping[str, str]) -> str | None:
    """The variable that names the proxy for a scheme; an empty one counts as not set."""
    upper = f"{scheme}_proxy".upper()
    # In a CGI script, HTTP_PROXY is the header `Proxy` of a request: https://httpoxy.org
    is_cgi = upper == "HTTP_PROXY" and "REQUEST_METHOD" in environ
    names = (upper.lower(), *(() if is_cgi else (upper,)), "all_proxy", "ALL_PROXY")
    return next((name for name in names if environ.get(name, "").strip()), None)


def parse_proxy(value: str, variable: str) -> Proxy:
    """The proxy of a value such as http://user:password@proxy:3128 or proxy:3128. Raises ProxyError."""
    scheme, separator, rest = value.partition("://")
    scheme, rest = (scheme.lower(), rest) if separator else ("http", value)
    if scheme.startswith("socks"):
        raise ProxyError(f"{variable}: SOCKS proxies are not supported; set an http or https proxy")
    credentials, at, address = rest.rpartition("@")
    user, _, password = credentials.partition(":")
    # Whatever follows the port is ignored, as by curl and Go.
    url = f"{scheme}://{re.split('[/?#]', address)[0]}"
    # An unescaped / ends the address, so that the rest of the password would be lost.
    if not is_url(url) or set(credentials) & set("/?#") or not value.isprintable():
        raise ProxyError(
            f"{variable}: the value is not the URL of an http or https proxy; write one like "
            "http://proxy.example.com:3128, with special characters in a user name or password "
            "percent-encoded, such as / as %2F"
        )
    return Proxy(url, variable, (unquote(user), unquote(password)) if at else None)


def is_excluded(url: str, environ: Mapping[str, str]) -> bool:
    """Whether NO_PROXY excludes this URL from being proxied. A loopback address is always excluded."""
    parts = urlsplit(url)
    host, port = (parts.hostname or "").rstrip("."), parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    if is_loopback(host):
        return True
    matchers = (parse_entry(entry) for entry in split_no_proxy(environ))
    return any(matcher(host, port) for matcher in matchers if matcher)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, which no proxy can reach."""
    return host == "localhost" or any(match_network(text)(host, 0) for text in ("127.0.0.0/8", "::1"))


def ignored_entries(environ: Mapping[str, str]) -> list[str]:
    """The entries of NO_PROXY that match nothing, since they have no valid syntax; without credentials."""
    return [entry.rpartition("@")[2] for entry in split_no_proxy(environ) if parse_entry(entry) is None]


def split_no_proxy(environ: Mapping[str, str]) -> Iterator[str]:
    value = environ.get("no_proxy", "").strip() or environ.get("NO_PROXY", "")
    # curl also takes spaces for separators.
    return (entry.lower() for entry in re.split(r"[\s,]+", value) if entry)


def parse_entry(entry: str) -> Matcher | None:
    """What an entry of NO_PROXY matches; None if its syntax is not valid.

    Entries are `*`, an IP address, a network such as 10.0.0.0/8, or a domain: example.com is the domain and
    its subdomains, .example.com and *.example.com are the subdomains only. All but the first and networks may
    have a port. The rules are those of Go.
    """
    if entry == "*":
        return lambda _host, _port: True
    try:
        return match_network(entry)
    except ValueError:
        parts = ENTRY_WITH_PORT.fullmatch(entry)
    if not parts or (parts[2] and not 0 < int(parts[2]) < 65536):
        return None
    wanted = int(parts[2]) if parts[2] else None
    try:
        matches_host = match_host(parts[1])
    except ValueError:
        return None
    return lambda host, port: (wanted is None or wanted == port) and matches_host(host, port)


def match_host(text: str) -> Matcher:
    """Matches an address, or a domain. Raises ValueError."""
    try:
        return match_network(text.strip("[]"))
    except ValueError:
        return match_domain(text)


def match_network(text: str) -> Matcher:
    """Matches the addresses of a network such as fd00::/8, or one address. Raises ValueError."""
    network = ip_network(text, strict=False)

    def matches(host: str, _port: int) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return (mapped or address) in network

    return matches


def match_domain(text: str) -> Matcher:
    """Matches a domain and its subdomains; with a leading dot, the subdomains only. Raises ValueError."""
    only_subdomains = text.startswith((".", "*."))
    # Hosts of URLs are ASCII. The codec accepts no empty label, such as that before a leading dot.
    name = re.sub(r"^\*?\.", "", text).rstrip(".").encode("idna").decode()
    if not DOMAIN.fullmatch(name):
        raise ValueError(f"{text} is not a domain")
    return lambda host, _port: host.endswith(f".{name}") or (host == name and not only_subdomains)
