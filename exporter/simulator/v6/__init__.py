"""The v6 REST API of k6 Cloud (`/cloud/v6`), told over the simulated world.

Written from the OpenAPI document that the vendor publishes for it, version 1.12.0.
"""

from exporter.simulator.v6.answers import answer
from exporter.simulator.v6.errors import error
from exporter.simulator.wire import Asked

__all__ = ["answer", "error", "is_for"]


def is_for(asked: Asked) -> bool:
    """Whether a request is addressed to this API."""
    return asked.path.startswith("/cloud/v6/")
