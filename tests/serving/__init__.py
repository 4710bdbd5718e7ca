"""Connections: how many, how large, how long, and with which certificates."""
