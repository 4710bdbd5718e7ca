"""The state of Grafana Cloud k6 test runs as Prometheus metrics."""

import sys
from types import ModuleType

__version__ = "0.1.0"
PROJECT_URL = "https://github.com/k6-cloud-exporter/k6-cloud-exporter"

# httpx has a command of its own, and imports rich and pygments for it wherever they are installed. Here they
# are for the command `runs`; a process that serves would pay for them with memory and a slower start.
sys.modules.setdefault("httpx._main", ModuleType("httpx._main"))
