"""`check`: validates the configuration and estimates API requests."""
