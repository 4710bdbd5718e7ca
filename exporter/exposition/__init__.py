"""From state to the bytes that Prometheus scrapes."""
