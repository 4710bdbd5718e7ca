"""The state of Grafana Cloud k6 test runs as Prometheus metrics."""

__version__ = "0.1.0"
PROJECT_URL = "https://github.com/k6-cloud-exporter/k6-cloud-exporter"
