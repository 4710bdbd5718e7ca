"""Polling: which tests, with which requests, and when."""
