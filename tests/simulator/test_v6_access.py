"""Who is let in to the v6 API, and to which stack."""

import pytest

from exporter.simulator import Options, V6Options, World
from tests.support.simulator_client import TOKEN, ask, simulate
from tests.support.v6_schema import AUTHENTICATION, ERROR, assert_keeps_to

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
    answer = ask(
        simulate(World(), options=options),
        f"/cloud/v6/{path}",
        authorization=authorization,
        headers=headers,
    )
    if answer.status_code >= 400:
        assert_keeps_to(ERROR, answer.json())
    return answer.status_code


@pytest.mark.parametrize("path", LISTS)
def test_a_known_bearer_token_and_the_right_stack_are_let_in(path: str) -> None:
    assert status(path=path) == 200
    assert status(f"bearer {TOKEN}", path=path) == 200


@pytest.mark.parametrize("path", [*LISTS, "nowhere", "auth"])
@pytest.mark.parametrize(
    "authorization", [None, "", TOKEN, "Bearer wrong", f"Basic {TOKEN}", f"Token {TOKEN}"]
)
def test_nobody_else_is_let_in(path: str, authorization: str | None) -> None:
    assert status(authorization, path=path) == 401


def test_the_older_scheme_can_be_let_in() -> None:
    options = Options(v6=V6Options(stack_id=12_345, token_scheme=True))

    assert status(f"Token {TOKEN}", options=options) == 200
    assert status("Token wrong", options=options) == 401


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("stack", "refusal"),
    [(None, 400), ("", 400), ("shop", 400), ("1.5", 400), ("12346", 403), ("-1", 403), ("12345", 200)],
)
def test_every_question_names_the_stack(path: str, stack: str | None, refusal: int) -> None:
    assert status(stack=stack, path=path) == refusal


def test_where_authorization_is_optional_a_wrong_token_is_refused_all_the_same() -> None:
    options = Options(auth_required=False)

    assert status(None, "1", options=options) == 200
    assert status(None, None, options=options) == 400
    assert status("Bearer wrong", "1", options=options) == 401


@pytest.mark.parametrize("url", ["https://shop.grafana.net", "https://Shop.grafana.net/"])
def test_the_address_of_the_stack_earns_its_number_and_its_default_project(url: str) -> None:
    world = World()
    answer = ask(
        simulate(world, options=STACK),
        "/cloud/v6/auth",
        authorization=f"Bearer {TOKEN}",
        headers={"X-Stack-Url": url},
    )

    assert answer.status_code == 200
    assert_keeps_to(AUTHENTICATION, answer.json())
    assert answer.json() == {"stack_id": 12_345, "default_project_id": world.default_project_id}


@pytest.mark.parametrize(("url", "refusal"), [(None, 400), ("https://other.grafana.net", 403)])
def test_the_address_of_another_stack_is_refused(url: str | None, refusal: int) -> None:
    answer = ask(
        simulate(World(), options=STACK),
        "/cloud/v6/auth",
        authorization=f"Bearer {TOKEN}",
        headers={} if url is None else {"X-Stack-Url": url},
    )

    assert answer.status_code == refusal
    assert_keeps_to(ERROR, answer.json())


def test_a_stack_shows_nothing_of_another_organization() -> None:
    world = World()
    world.add_organization("another")
    foreign = max(world.projects)
    test_id = world.add_test("secret", project_id=foreign)
    run_id = world.add_run(test_id, created=0.0)
    world.schedule(test_id, every=9e9, first=9e9)
    simulator = simulate(world)

    def asked(path: str) -> tuple[int, int]:
        headers = {"X-Stack-Id": "1"}
        answer = ask(simulator, f"/cloud/v6/{path}", authorization=f"Bearer {TOKEN}", headers=headers)
        return answer.status_code, len(answer.json().get("value", []))

    assert [asked(path) for path in ("projects", "load_tests", "test_runs", "schedules")] == [
        (200, 1),
        (200, 0),
        (200, 0),
        (200, 0),
    ]
    assert asked(f"projects/{foreign}")[0] == 404
    assert asked(f"projects/{foreign}/load_tests")[0] == 404
    assert asked(f"load_tests/{test_id}")[0] == 404
    assert asked(f"test_runs/{run_id}")[0] == 404
