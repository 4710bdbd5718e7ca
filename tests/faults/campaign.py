"""Every trouble with both generations: what was seen, as rows."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tests.faults import catalogue, network
from tests.faults.stage import Passing, Performance, Stage, Trouble, play
from tests.support.k6_server import SkippingLoop


def performed(trouble: Trouble, api_version: str) -> Performance:
    """On a stage whose time passes only where something waits."""

    async def scene() -> Performance:
        return await play(trouble, Stage(api_version, Passing()))

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(scene())


def performed_on_a_network(trouble: Trouble, api_version: str) -> Performance:
    async def scene() -> Performance:
        return await play(trouble, network.Wired(api_version))

    return asyncio.run(scene())


def brief(trouble: Trouble) -> Trouble:
    """The same for two polls only."""
    return replace(trouble, lasts=min(trouble.lasts, 30.0))


def run() -> list[dict[str, Any]]:
    """All of it, in the order of the catalogue."""
    logging.disable(logging.CRITICAL)  # a report follows
    try:
        return [*rows(catalogue.everything(), performed), *rows(network.everything(), performed_on_a_network)]
    finally:
        logging.disable(logging.NOTSET)


def rows(troubles: Iterable[Trouble], perform: Any) -> Iterable[dict[str, Any]]:
    for trouble in troubles:
        for api_version in trouble.generations:
            seen = perform(trouble, api_version)
            print(f"  {trouble.name} ({api_version}): {'; '.join(seen.broken) or 'kept'}", flush=True)
            yield {
                "fault": trouble.name,
                "generation": api_version,
                "during": str(seen.worst),
                "after": str(seen.after[-1]),
                "polls": seen.polls,
                "spoilt": sorted(trouble.spoils),
                "broken": seen.broken,
            }
