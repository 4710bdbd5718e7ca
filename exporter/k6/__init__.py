"""Requests to k6 Cloud: a client for each API version, which returns values of exporter.model.

Modules outside this package import httpx for types only.
"""

import sys
from types import ModuleType

# httpx has a command of its own, and imports rich and pygments for it where they are installed. The command
# `runs` needs them; a process that serves would only pay memory and a slower start.
sys.modules.setdefault("httpx._main", ModuleType("httpx._main"))
