"""Access to the v6 API and to a stack."""

import pytest

from exporter.simulator import Options, V6Options, World
from tests.support.simulator_client import TOKEN, send, simulate
from tests.support.v6_schema import AUTHENTICATION, ERROR, assert_matches

LISTS = ["projects", "load_tests", "test_runs", "schedules", "load_zones"]
STACK = Options(v6=V6Options(stack_id=12_345, stack_url="https://shop.grafana.net"))


def status(
    authorization: str | None = f"Bearer {TOKEN}",
    stack: str | None = "12345",
    *,
    path: str = "projects",
    options: Options = STACK,
) -> int:
    headers = {} if stack is None else {"X-Stack-Id": stack}
    response = send(
        simulate(World(), options=options),
        f"/cloud/v6/{path}",
        authorization=authorization,
        headers=headers,
    )
    if response.status_code >= 400:
        assert_matches(ERROR, response.json())
    return response.status_code


@pytest.mark.parametrize("path", LISTS)
def test_known_token_and_stack_are_accepted(path: str) -> None:
    assert status(path=path) == 200
    assert status(f"bearer {TOKEN}", path=path) == 200


@pytest.mark.parametrize("path", [*LISTS, "nowhere", "auth"])
@pytest.mark.parametrize(
    "authorization", [None, "", TOKEN, "Bearer wrong", f"Basic {TOKEN}", f"Token {TOKEN}"]
)
def test_other_authorization_is_refused(path: str, authorization: str | None) -> None:
    assert status(authorization, path=path) == 401


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("stack", "refusal"),
    [(None, 400), ("", 400), ("shop", 400), ("1.5", 400), ("12346", 403), ("-1", 403), ("12345", 200)],
)
def test_every_request_requires_the_stack(path: str, stack: str | None, refusal: int) -> None:
    assert status(stack=stack, path=path) == refusal


@pytest.mark.parametrize("url", ["https://shop.grafana.net", "https://Shop.grafana.net/"])
def test_auth_returns_stack_id_and_default_project(url: str) -> None:
    world = World()
    response = send(
        simulate(world, options=STACK),
        "/cloud/v6/auth",
        authorization=f"Bearer {TOKEN}",
        headers={"X-Stack-Url": url},
    )

    assert response.status_code == 200
    assert_matches(AUTHENTICATION, response.json())
    assert response.json() == {"stack_id": 12_345, "default_project_id": world.default_project_id}


@pytest.mark.parametrize(("url", "refusal"), [(None, 400), ("https://other.grafana.net", 403)])
def test_auth_refuses_another_stack(url: str | None, refusal: int) -> None:
    response = send(
        simulate(World(), options=STACK),
        "/cloud/v6/auth",
        authorization=f"Bearer {TOKEN}",
        headers={} if url is None else {"X-Stack-Url": url},
    )

    assert response.status_code == refusal
    assert_matches(ERROR, response.json())


def test_stack_hides_other_organizations() -> None:
    world = World()
    world.add_organization("another")
    foreign = max(world.projects)
    test_id = world.add_test("secret", project_id=foreign)
    run_id = world.add_run(test_id, created=0.0)
    world.schedule(test_id, every=9e9, first=9e9)
    simulator = simulate(world)

    def fetch_count(path: str) -> tuple[int, int]:
        headers = {"X-Stack-Id": "1"}
        response = send(simulator, f"/cloud/v6/{path}", authorization=f"Bearer {TOKEN}", headers=headers)
        return response.status_code, len(response.json().get("value", []))

    assert [fetch_count(path) for path in ("projects", "load_tests", "test_runs", "schedules")] == [
        (200, 1),
        (200, 0),
        (200, 0),
        (200, 0),
    ]
    assert fetch_count(f"projects/{foreign}")[0] == 404
    assert fetch_count(f"projects/{foreign}/load_tests")[0] == 404
    assert fetch_count(f"load_tests/{test_id}")[0] == 404
    assert fetch_count(f"test_runs/{run_id}")[0] == 404


EXCHANGE = "/v3/account/grafana-app/start"


@pytest.mark.parametrize(
    ("token", "stack", "status"),
    [(TOKEN, "1", 200), ("wrong", "1", 401), (None, "1", 401), (TOKEN, "2", 403)],
)
def test_service_token_is_exchanged(token: str | None, stack: str, status: int) -> None:
    headers = {"X-Stack-Id": stack} | ({} if token is None else {"X-Grafana-Service-Token": token})

    response = send(simulate(World()), EXCHANGE, method="PUT", authorization=None, headers=headers)

    assert response.status_code == status
    if status == 200:
        assert response.json() == {"organization_id": "2001", "v3_grafana_token": TOKEN}
