"""The legacy REST API of k6 Cloud (`/loadtests/v2`, `/v3`) on the simulated world.

Written from the vendor's page "Test Runs Legacy API" and its sibling pages on organizations, projects, tests
and errors.
"""
