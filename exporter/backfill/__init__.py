"""The run history as OpenMetrics with timestamps: what the exporter would have told, had it been there."""

from exporter.backfill.command import backfilled
from exporter.backfill.options import DEFAULTS, MistakenError, Wish, wish

__all__ = ["DEFAULTS", "MistakenError", "Wish", "backfilled", "wish"]
