"""A configuration that changes while the exporter runs."""

import asyncio
from typing import Any

import pytest

from exporter.config import Config, ConfigError
from exporter.credentials import Secret
from exporter.simulator import World, faults
from tests.support.lab import START, Lab

SUCCESSFUL = "k6_cloud_exporter_config_last_reload_successful"
WHEN = "k6_cloud_exporter_config_last_reload_success_timestamp_seconds"
V6 = {"url": "http://k6.test", "stack": 1}


def two_tests() -> tuple[World, int, int]:
    world = World()
    first, second = world.add_test("first"), world.add_test("second")
    for test in (first, second):
        world.add_run(test, created=START - 600)
        world.add_run(test, created=START + 1)
    return world, first, second


def only(*ids: int) -> dict[str, Any]:
    return {"tests": [{"id": id_} for id_ in ids]}


def tracked(lab: Lab) -> set[int]:
    return {int(name.split('test_id="')[1].split('"')[0]) for name in lab.series("k6_cloud_test_info")}


def finished(lab: Lab) -> float:
    return sum(lab.series("k6_cloud_test_runs_finished_total").values())


@pytest.mark.parametrize("api", [{"url": "http://k6.test"}, V6], ids=["legacy", "v6"])
def test_reload_adds_and_removes_tests_at_the_next_poll(api: dict[str, Any]) -> None:
    world, first, second = two_tests()
    with Lab(world, api=api, **only(first)) as lab:
        lab.poll()
        lab.reload(api=api, **only(first, second))
        assert tracked(lab) == {first}
        lab.at(1).poll()
        assert tracked(lab) == {first, second}

        lab.reload(api=api, **only(second))
        lab.at(2).poll()
        assert tracked(lab) == {second}


def test_reload_that_selects_no_test_removes_all_series() -> None:
    world, first, _ = two_tests()
    with Lab(world, **only(first)) as lab:
        lab.poll()
        assert tracked(lab) == {first}
        # All shards but one have no series of projects either.
        lab.reload(sharding={"shard": 1, "total": 2}, **only(first + 10**9))
        lab.at(1).poll()

        assert lab.page() == ""


def test_counts_survive_a_reload() -> None:
    world, first, second = two_tests()
    with Lab(world, **only(first)) as lab:
        lab.poll()
        lab.at(3600).poll()
        assert finished(lab) == 1

        lab.reload(**only(first, second))
        lab.at(3601).poll()

        assert finished(lab) == 1
        assert lab.value('k6_cloud_exporter_polls_total{outcome="success"}') == 3


def test_counts_survive_a_change_of_api_version() -> None:
    world, first, _ = two_tests()
    with Lab(world, **only(first)) as lab:
        lab.poll()
        lab.at(3600).poll()
        for i, api in enumerate([V6, {"url": "http://k6.test"}], 1):
            world.add_run(first, created=START + 3600 * i)
            lab.reload(api=api, **only(first))
            lab.at(3600 * i + 10).poll()
            lab.at(3600 * (i + 1)).poll()

            assert finished(lab) == 1 + i
            assert lab.value("k6_cloud_up") == 1
            assert f'api="{lab.config.api.effective_version if api is not V6 else "v6"}"' in lab.page()


def test_reload_during_a_poll_applies_to_the_next_poll() -> None:
    world, first, second = two_tests()
    with Lab(world, **only(first)) as lab:
        lab.simulator.faults.add(faults.slow(before=5))

        async def reload_meanwhile() -> None:
            polling = asyncio.create_task(lab.exporter.poller.poll())
            await asyncio.sleep(0)
            assert lab.exporter.reload
            lab.read = lambda: (
                Config.model_validate({"api": {"url": "http://k6.test"}, **only(second)}),
                lab.token,
            )
            await lab.exporter.reload()
            assert not polling.done()
            await polling

        lab.run(reload_meanwhile())
        assert tracked(lab) == {first}
        lab.poll()
        assert tracked(lab) == {second}


def test_rejected_configuration_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, first, _ = two_tests()
    with Lab(world, **only(first)) as lab:
        lab.poll()

        def read() -> tuple[Config, Secret]:
            raise ConfigError(["poll.interval: no", "tests: no"])

        lab.read = read
        lab.at(10)
        answer = lab.get("/-/reload", "POST")

        assert answer.status_code == 500
        assert answer.text == "The configuration was not reloaded:\npoll.interval: no\ntests: no\n"
        errors = [record.args for record in caplog.records if record.levelname == "ERROR"]
        assert errors == [("poll.interval: no",), ("tests: no",)]
        lab.at(60).poll()
        assert tracked(lab) == {first}
        assert (lab.value(SUCCESSFUL), lab.value(WHEN)) == (0, START)

        assert lab.reload(**only(first)).status_code == 200
        lab.at(62)
        assert (lab.value(SUCCESSFUL), lab.value(WHEN)) == (1, START + 60)


def test_repeated_reload_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    world, first, second = two_tests()
    caplog.set_level("INFO")
    with Lab(world, **only(first)) as lab:

        def refused() -> tuple[Config, Secret]:
            raise ConfigError(["no"])

        def messages() -> list[str]:
            return [text for text in caplog.messages if "configuration" in text]

        for _ in range(3):
            lab.reload(**only(first))
        assert messages() == []
        for _ in range(3):
            lab.reload(**only(second))
        lab.read = refused
        for _ in range(3):
            lab.get("/-/reload", "POST")
        lab.reload(**only(second))

        assert messages() == [
            "configuration reloaded",
            "configuration rejected, the previous one stays active: no",
            "configuration reloaded",
        ]


def test_reload_changes_links_and_retention() -> None:
    world, first, _ = two_tests()
    with Lab(world, **only(first)) as lab:
        lab.at(3600).poll()
        assert len(lab.series("k6_cloud_run_info")) == 2

        lab.reload(app_url="https://else.test", runs={"keep": 1}, **only(first))
        lab.at(3601).poll()

        assert len(lab.series("k6_cloud_run_info")) == 1
        assert 'url="https://else.test/tests/' in lab.page()
        assert "https://app.k6.io" not in lab.page()


def test_intervals_change() -> None:
    world, first, _ = two_tests()
    with Lab(world, **only(first)) as lab:
        lab.reload(poll={"interval": "7s", "idle_interval": "8s"})
        lab.at(3600).poll()

        assert lab.exporter.poller.interval == 8


def test_reload_keeps_the_rate_limit() -> None:
    world, first, _ = two_tests()
    api = {"url": "http://k6.test", "requests_per_minute": 2}
    with Lab(world, api=api, **only(first)) as lab:
        lab.poll()
        began, requests = lab.now.value, len(lab.simulator.requests)
        lab.reload(api=api, **only(first))
        lab.poll()

        assert requests == 2
        assert lab.now.value == began + 60


def test_reload_moves_a_test_to_its_shard() -> None:
    world, *tests = two_tests()
    with Lab(world) as lab:
        lab.poll()
        assert tracked(lab) == set(tests)
        seen = set()
        for shard in range(3):
            lab.reload(sharding={"shard": shard, "total": 3})
            lab.at(shard + 1).poll()
            seen |= tracked(lab)
            assert lab.series("k6_cloud_exporter_shard_info") == {
                f'k6_cloud_exporter_shard_info{{shard="{shard}"}}': 1
            }

        assert seen == set(tests)


def test_reload_triggers_a_poll_after_min_interval() -> None:
    world, first, _ = two_tests()
    with Lab(world) as lab:
        woken: list[float] = []
        lab.exporter.wake = woken.append
        lab.reload(**only(first))

        assert woken == [5]


def test_changes_under_web_require_a_restart() -> None:
    world, _, _ = two_tests()
    with Lab(world) as lab:
        answer = lab.reload(web={"telemetry_path": "/elsewhere"})

        assert answer.status_code == 200
        assert "changes under web require a restart" in answer.text
        assert lab.get("/elsewhere").status_code == 404


def test_only_a_post_reloads() -> None:
    with Lab(World()) as lab:
        assert lab.get("/-/reload").status_code == 405
        assert lab.get("/-/reload", "HEAD").status_code == 405


def test_reload_over_http_can_be_switched_off() -> None:
    with Lab(World(), web={"enable_reload": False}) as lab:
        assert lab.reload().status_code == 404
