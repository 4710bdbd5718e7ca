"""The command `simulator`: the simulated k6 Cloud on its own, for an exporter in another process."""
