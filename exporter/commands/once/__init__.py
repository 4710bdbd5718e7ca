"""The command `once`: one poll, and the metrics on standard output."""
