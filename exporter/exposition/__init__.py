"""Rendering of the state as the bytes that Prometheus scrapes."""
