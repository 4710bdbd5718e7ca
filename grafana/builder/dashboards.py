"""All dashboards, as the files they are written to."""

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.builder import exporter, overview, test

FOLDER = Path(__file__).parent.parent / "dashboards"


def dashboards() -> dict[str, str]:
    """The text of each dashboard by the name of its file, which is its uid."""
    made = (overview.dashboard(), test.dashboard(), exporter.dashboard())
    return {
        f"{one.uid}.json": json.dumps(one, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False)
        + "\n"
        for one in made
    }
