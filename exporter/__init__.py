"""The state of Grafana Cloud k6 test runs as Prometheus metrics."""

__version__ = "0.1.0"
