"""The command `serve`: polls k6 Cloud and serves metrics."""
