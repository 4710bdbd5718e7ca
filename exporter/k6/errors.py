"""What can fail in a request to k6 Cloud; `reason` is the label value under which it is counted."""


class ApiError(Exception):
    """A request to k6 Cloud without a usable response. The message is a sentence for an operator."""

    reason = "rejected"


class BadRequest(ApiError):
    """Status 400: the API does not accept a parameter."""


class Unauthorized(ApiError):
    """Status 401: the token is rejected, or it cannot be read."""

    reason = "unauthorized"


class Forbidden(ApiError):
    """Status 403: the token has no permission for this request."""

    reason = "forbidden"


class NotFound(ApiError):
    """Status 404: no such test, run or project, or not visible to the token."""

    reason = "not_found"


class Conflict(ApiError):
    """Status 409: not possible now, such as stopping a run that has ended."""


class RateLimited(ApiError):
    """Status 429, and Retry-After is longer than a poll can wait."""

    reason = "rate_limited"


class ServerError(ApiError):
    """Status 5xx; of a GET, after all tries."""

    reason = "server"


class RequestTimeout(ApiError):
    """No complete response within the timeout; of a GET, after all tries."""

    reason = "timeout"


class NetworkError(ApiError):
    """The connection could not be made, or it broke; of a GET, after all tries."""

    reason = "network"


class DecodeError(ApiError):
    """A response that is not as the API documents it."""

    reason = "decode"


# A request that failed with one of these may succeed when it is repeated.
TRANSIENT = (RateLimited, ServerError, RequestTimeout, NetworkError)
