"""Which version of the API a request is for."""

from typing import Any

from exporter.simulator.api import Api
from exporter.simulator.http import Request
from exporter.simulator.legacy.routes import API as LEGACY_API
from exporter.simulator.v6.routes import API as V6_API


def find_api(request: Request) -> Api[Any]:
    return V6_API if request.path.startswith("/cloud/v6/") else LEGACY_API
