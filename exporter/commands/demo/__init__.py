"""The command `demo`: the exporter on a simulated k6 Cloud, both in this process."""
