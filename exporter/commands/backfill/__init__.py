"""The command `backfill`: run history as OpenMetrics with timestamps.

The samples are those that a running exporter would have exposed at the time.
"""
