"""The v6 REST API of k6 Cloud (`/cloud/v6`), told over the simulated world.

Written from the OpenAPI document that the vendor publishes for it, version 1.12.0.
"""

from exporter.simulator.http import Request
from exporter.simulator.v6.errors import error
from exporter.simulator.v6.routes import handle

__all__ = ["error", "handle", "is_for"]


def is_for(request: Request) -> bool:
    """Whether a request is addressed to this API."""
    return request.path.startswith("/cloud/v6/")
