"""Asking k6 Cloud: each API generation's words, translated at the door."""
