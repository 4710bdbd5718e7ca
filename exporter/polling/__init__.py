"""Polling: which tests, what to ask about them, and when."""
