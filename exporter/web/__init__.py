"""HTTP: metrics, status page, health checks, webhook."""
