"""The client of k6 Cloud against servers of every temper."""
