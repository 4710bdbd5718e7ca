"""A simulated k6 Cloud with a world of the test's own, served over TCP from a thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from exporter.simulator import Simulator
from exporter.web.server import base_url, bind


@contextmanager
def serve_simulator(simulator: Simulator) -> Iterator[str]:
    """The URL of the simulator while the block lasts, on loopback."""
    server = uvicorn.Server(uvicorn.Config(simulator, lifespan="off", log_config=None, access_log=False))
    with bind("127.0.0.1:0") as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield base_url(listening)
        finally:
            server.should_exit = True
            thread.join()
