"""A simulated k6 Cloud: tests and runs that change over time, served by both REST APIs.

Written from the vendor's documents only. It shares nothing with the client of this project, so that a mistake
in one of them shows.
"""

from exporter.simulator import faults
from exporter.simulator.app import Simulator
from exporter.simulator.clients import describe_access
from exporter.simulator.demo import demo_world
from exporter.simulator.faults import Fault
from exporter.simulator.options import NextLink, Options, Timestamps, V6Options
from exporter.simulator.runs import (
    REJECTED,
    EndStatus,
    Phase,
    Phases,
    Processing,
    Result,
    RunScript,
    RunState,
)
from exporter.simulator.world import World

__all__ = [
    "REJECTED",
    "EndStatus",
    "Fault",
    "NextLink",
    "Options",
    "Phase",
    "Phases",
    "Processing",
    "Result",
    "RunScript",
    "RunState",
    "Simulator",
    "Timestamps",
    "V6Options",
    "World",
    "demo_world",
    "describe_access",
    "faults",
]
