"""The exporter as its users meet it: a process with signals, exit codes and two streams."""
