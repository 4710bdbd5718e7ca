"""What can go wrong while asking k6 Cloud; `reason` is the label under which it is counted."""


class ApiError(Exception):
    """A question to k6 Cloud that got no usable answer. The message is a sentence for an operator."""

    reason = "rejected"


class BadRequest(ApiError):
    """400: the API does not understand a parameter."""


class Unauthorized(ApiError):
    """401: the token is refused."""

    reason = "unauthorized"


class Forbidden(ApiError):
    """403: the token is good, but not for this."""

    reason = "forbidden"


class NotFound(ApiError):
    """404: no such test, run or project, or not one that the token can see."""

    reason = "not_found"


class Conflict(ApiError):
    """409: this cannot be done now, such as stopping a run that has ended."""


class RateLimited(ApiError):
    """429: asked too often, and the wait would outlast the poll."""

    reason = "rate_limited"


class ServerError(ApiError):
    """5xx, still after the last try."""

    reason = "server"


class RequestTimeout(ApiError):
    """No answer in time, still after the last try."""

    reason = "timeout"


class NetworkError(ApiError):
    """No connection, or one that broke, still after the last try."""

    reason = "network"


class DecodeError(ApiError):
    """An answer that is not what the API's documents promise."""

    reason = "decode"
