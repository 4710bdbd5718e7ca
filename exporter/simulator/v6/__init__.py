"""The v6 REST API of k6 Cloud (`/cloud/v6`) on the simulated world.

Written from the OpenAPI document that the vendor publishes for it, version 1.12.0.
"""
