"""Which version of the API a request is for."""

from typing import Any

from exporter.simulator import legacy, v6
from exporter.simulator.api import Api
from exporter.simulator.http import Request


def find_api(request: Request) -> Api[Any]:
    return v6.API if request.path.startswith("/cloud/v6/") else legacy.API
