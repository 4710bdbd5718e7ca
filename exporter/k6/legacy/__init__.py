"""The legacy API, /loadtests/v2."""
