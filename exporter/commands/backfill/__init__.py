"""The run history as OpenMetrics with timestamps: what the exporter would have told, had it been there."""

from exporter.commands.backfill.command import run_backfill
from exporter.commands.backfill.options import DEFAULTS, BackfillOptions, OptionsError, parse_options

__all__ = ["DEFAULTS", "BackfillOptions", "OptionsError", "parse_options", "run_backfill"]
