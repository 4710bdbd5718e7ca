"""k6 Cloud in miniature: a world with a clock, and how the vendor's REST API would tell it.

Written from the vendor's documents only. It shares nothing with the client of this project, so that the two
can disagree.
"""

from exporter.simulator import faults
from exporter.simulator.app import Simulator
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
    RunError,
    RunScript,
    RunState,
    Step,
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
    "RunError",
    "RunScript",
    "RunState",
    "Simulator",
    "Step",
    "Timestamps",
    "V6Options",
    "World",
    "demo_world",
    "faults",
]
