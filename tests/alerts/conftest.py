"""The tests of the rules run with the promtool of Prometheus 2 and with that of Prometheus 3."""

import pytest

from tests.support.promtool import PROMTOOLS, find_promtool


@pytest.fixture(scope="session", params=PROMTOOLS)
def promtool(request: pytest.FixtureRequest) -> str:
    return find_promtool(request.param)
