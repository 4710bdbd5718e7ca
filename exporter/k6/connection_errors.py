"""Why a connection failed, in plain words, and what to check.

The exceptions that httpx raises wrap those of the operating system and of OpenSSL, and their texts differ
between platforms and versions. So only the types and codes of the wrapped exceptions are used here.
"""

import errno
import socket
import ssl
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from exporter import PROJECT_URL

# A URL, since an installed package has no documentation.
PAGE = f"{PROJECT_URL}/blob/main/docs/proxy-and-ca.md"
# Certificate errors of OpenSSL: https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
NOT_YET_VALID, EXPIRED = 9, 10
UNKNOWN_CA = {2, 18, 19, 20, 21, 27}  # also self-signed
OTHER_NAME = {62, 64}  # a host name or an IP address
# What OpenSSL finds in place of TLS; which one depends on its version.
NO_TLS = {
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "HTTPS_PROXY_REQUEST",
    "UNKNOWN_PROTOCOL",
    "RECORD_LAYER_FAILURE",
}

UNREACHABLE = {
    errno.EHOSTUNREACH: "there is no route to the host",
    errno.ENETUNREACH: "there is no route to the network",
    errno.EADDRNOTAVAIL: "there is no route to the network",
    errno.ETIMEDOUT: "the connection timed out",
}


class Explanation(NamedTuple):
    """Why a connection failed, and what to check; `check` is empty if nothing is known that may help."""

    reason: str
    check: str = ""


class Target(NamedTuple):
    """What was to be reached: the host of a URL, with or without a proxy.

    `variable` is the environment variable that names the proxy, or that can name one; empty for a loopback
    address, which is never requested through a proxy.
    """

    host: str
    variable: str
    has_proxy: bool

    @property
    def check(self) -> str:
        """What to check if a connection fails for a reason that no setting names."""
        if self.has_proxy:
            return f"check {self.variable} and NO_PROXY"
        return f"check api.url and the firewall{self.proxy_hint}"

    @property
    def proxy_hint(self) -> str:
        """The end of an advice without a proxy."""
        return f", or set {self.variable} if the network requires a proxy" if self.variable else ""


def explain(error: BaseException, target: Target) -> Explanation | None:
    """The explanation of an exception by those that it wraps; None if none of them is known."""
    explanations = (explain_one(cause, target) for cause in causes_of(error))
    return next((found for found in explanations if found), None)


def explain_proxy_status(status: int, target: Target) -> Explanation:
    """Why a proxy did not connect, by the HTTP status of its response."""
    variable = target.variable
    if status == 407:
        where = f"{variable}, as http://user:password@host:port"
        return Explanation("the proxy requires a user name and password (407)", f"set them in {where}")
    if status >= 500:
        reason = f"the proxy cannot reach the host ({status})"
        return Explanation(reason, f"check api.url, the proxy, and {variable} and NO_PROXY")
    reason = f"the proxy does not permit this connection ({status})"
    return Explanation(reason, f"permit {target.host} in the proxy, or check {variable} and NO_PROXY")


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """This exception and those that it wraps, outermost first; a group contains several."""
    yield error
    # A host can have several addresses, and each fails by itself. Without IPv6 there is no route to some of
    # them, so the others explain more.
    group: Iterable[BaseException] = getattr(error, "exceptions", ())
    for inner in sorted(group, key=lambda inner: getattr(inner, "errno", None) in UNREACHABLE):
        yield from causes_of(inner)
    if cause := error.__cause__ or error.__context__:
        yield from causes_of(cause)


def explain_one(error: BaseException, target: Target) -> Explanation | None:
    """The explanation of one exception; None if it is not known."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return explain_certificate(error)
    if isinstance(error, ssl.SSLError):
        return explain_tls(error)
    if isinstance(error, socket.gaierror):
        return explain_resolution(error, target)
    if isinstance(error, OSError) and error.errno:
        return explain_connection(error.errno, target)
    return None


def explain_certificate(error: ssl.SSLCertVerificationError) -> Explanation:
    """The explanation of a certificate that cannot be verified."""
    if error.verify_code in UNKNOWN_CA:
        return Explanation(
            "its certificate is not from a CA that this system trusts",
            "if it is your own CA, or that of a proxy that inspects TLS, set api.ca_file to its certificate, "
            f"see {PAGE}",
        )
    if error.verify_code in OTHER_NAME:
        return Explanation("its certificate is for another host name", "check api.url and DNS")
    if error.verify_code == EXPIRED:
        return Explanation("its certificate has expired", "renew it, or check the clock of this system")
    if error.verify_code == NOT_YET_VALID:
        return Explanation("its certificate is not valid yet", "check the clock of this system")
    return Explanation(f"its certificate is not valid: {error.verify_message}", f"see {PAGE}")


def explain_tls(error: ssl.SSLError) -> Explanation:
    """The explanation of a TLS handshake that failed."""
    if error.reason in NO_TLS:
        return Explanation("there is no TLS on this port", "check the scheme and the port in api.url")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        reason = "the connection was closed during the TLS handshake"
        return Explanation(reason, "check the port in api.url, and whether a firewall or proxy blocks it")
    return Explanation(f"the TLS handshake failed ({error.reason})", "check the TLS settings of the server")


def explain_resolution(error: socket.gaierror, target: Target) -> Explanation:
    """The explanation of a host name without an address; with a proxy, the host is the proxy."""
    name = "the name of the proxy" if target.has_proxy else "the host name"
    reason = f"{name} cannot be resolved"
    if error.errno == socket.EAI_AGAIN:
        return Explanation(f"{reason}, since DNS does not respond", "check DNS and the network")
    if target.has_proxy:
        return Explanation(reason, f"check {target.variable} and DNS")
    return Explanation(reason, f"check api.url and DNS{target.proxy_hint}")


def explain_connection(code: int, target: Target) -> Explanation | None:
    """The explanation of a connection that failed with this `errno`; None if it is not known."""
    if code == errno.ECONNREFUSED:
        by = "the proxy refused" if target.has_proxy else "the host refused"
        return Explanation(f"{by} the connection", target.check)
    if code in UNREACHABLE:
        return Explanation(UNREACHABLE[code], target.check)
    if code in (errno.EACCES, errno.EPERM):
        return Explanation("the system does not permit the connection", "check its firewall")
    if code in (errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE):
        return Explanation("the connection was reset", target.check)
    return None
