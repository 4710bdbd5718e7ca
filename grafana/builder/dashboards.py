"""All dashboards as JSON files."""

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.builder import exporter, overview, test

FOLDER = Path(__file__).parent.parent / "dashboards"


def render_dashboards() -> dict[str, str]:
    """The JSON text of each dashboard by file name, which is its uid."""
    built = (overview.build_overview(), test.build_test_dashboard(), exporter.build_exporter_dashboard())
    return {
        f"{dashboard.uid}.json": json.dumps(
            dashboard, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False
        )
        + "\n"
        for dashboard in built
    }
