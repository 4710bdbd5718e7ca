"""Benchmarks: speed, requests and memory, compared with other client libraries. See RESULTS.md."""
