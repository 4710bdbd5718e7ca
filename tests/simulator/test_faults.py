"""What goes wrong on request, seen by a client in the same process."""

import asyncio
from email.utils import parsedate_to_datetime

import httpx
import pytest

from exporter.simulator import Fault, Simulator, World, faults
from tests.support.simulator_client import CREATED, TOKEN, Clock, ask, run_ids, simulate, told

RUNS = "/loadtests/v2/runs"
ORGANIZATIONS = "/v3/organizations"
TEST = 400_001


@pytest.fixture
def simulator() -> Simulator:
    """One test with five runs, 5000001 to 5000005."""
    world = World()
    test_id = world.add_test("t")
    for n in range(5):
        world.add_run(test_id, created=CREATED + n)
    return simulate(world, now=CREATED + 1000)


def test_an_error_strikes_the_next_few_requests_and_then_no_more(simulator: Simulator) -> None:
    simulator.faults.add(faults.error(503).on(times=2))

    assert [ask(simulator, ORGANIZATIONS).status_code for _ in range(4)] == [503, 503, 200, 200]


def test_a_fault_strikes_only_where_it_should(simulator: Simulator) -> None:
    simulator.faults.add(
        faults.error(500).on("/loadtests/v2/runs/*"),
        faults.error(403).on(f"*test_id={TEST}*", method="GET"),
    )

    assert ask(simulator, ORGANIZATIONS).status_code == 200
    assert ask(simulator, f"{RUNS}/5000001").status_code == 500
    assert ask(simulator, RUNS, {"test_id": TEST}).status_code == 403
    assert ask(simulator, RUNS, {"test_id": TEST}, method="POST").status_code == 405


def test_an_error_tells_the_code_that_goes_with_it(simulator: Simulator) -> None:
    simulator.faults.add(faults.error(403, message="Not allowed").on(times=1))

    answer = ask(simulator, ORGANIZATIONS)

    assert answer.json() == {"error": {"message": "Not allowed", "code": 4, "errors": ["Not allowed"]}}


def test_an_error_can_be_a_web_page(simulator: Simulator) -> None:
    simulator.faults.add(faults.error(503, html=True))

    answer = ask(simulator, ORGANIZATIONS)

    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html")
    assert answer.text.startswith("<!DOCTYPE html>")


def test_a_refusal_can_say_when_to_come_back(simulator: Simulator) -> None:
    simulator.faults.add(
        faults.error(429).on(times=1),
        faults.error(429, retry_after=7).on(f"{RUNS}*"),
        faults.error(503, retry_after=7, retry_after_as_date=True).on(f"{ORGANIZATIONS}*"),
    )

    # Two faults strike the first request: the later one has the last word.
    assert ask(simulator, RUNS).headers["retry-after"] == "7"
    date = ask(simulator, ORGANIZATIONS).headers["retry-after"]
    assert parsedate_to_datetime(date).timestamp() == CREATED + 1007
    simulator.faults.clear()
    simulator.faults.add(faults.error(429))
    assert "retry-after" not in ask(simulator, ORGANIZATIONS).headers


def test_a_refused_request_is_not_acted_on(simulator: Simulator) -> None:
    simulator.faults.add(faults.error(503).on("*/start-testrun"))

    ask(simulator, f"/loadtests/v2/tests/{TEST}/start-testrun", method="POST")

    assert len(simulator.world.runs) == 5


def test_faults_can_be_cleared(simulator: Simulator) -> None:
    simulator.faults.add(faults.error(500), faults.empty_body())
    simulator.faults.clear()

    assert len(simulator.faults) == 0
    assert ask(simulator, ORGANIZATIONS).status_code == 200


def test_a_client_can_be_sent_elsewhere(simulator: Simulator) -> None:
    simulator.faults.add(faults.redirect("https://elsewhere.example.com/v3/organizations"))

    answer = ask(simulator, ORGANIZATIONS)

    assert (answer.status_code, answer.headers["location"]) == (
        302,
        "https://elsewhere.example.com/v3/organizations",
    )


@pytest.mark.parametrize(
    ("fault", "content_type", "first_bytes"),
    [
        (faults.not_json(), "application/json", b"<!DOC"),
        (faults.content_type("text/plain"), "text/plain", b'{"org'),
        (faults.cut_json(), "application/json", b'{"org'),
    ],
)
def test_a_body_can_be_wrong_in_many_ways(
    simulator: Simulator, fault: Fault, content_type: str, first_bytes: bytes
) -> None:
    simulator.faults.add(fault)

    answer = ask(simulator, ORGANIZATIONS)

    assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)
    assert answer.content[:5] == first_bytes


def test_json_can_be_cut_off_and_a_body_be_empty(simulator: Simulator) -> None:
    whole = ask(simulator, ORGANIZATIONS).content
    simulator.faults.add(faults.cut_json().on(times=1))
    assert ask(simulator, ORGANIZATIONS).content == whole[: len(whole) // 2]
    simulator.faults.add(faults.empty_body())
    assert ask(simulator, ORGANIZATIONS).content == b""


@pytest.mark.parametrize("value", [42, None, "RUNNING", "3"])
def test_a_field_can_have_any_value(simulator: Simulator, value: object) -> None:
    simulator.faults.add(faults.field("run_status", value))

    listed = told(simulator, RUNS, {"test_id": TEST})["k6-runs"]
    read = told(simulator, f"{RUNS}/5000001")["k6-run"]

    assert [run["run_status"] for run in [*listed, read]] == [value] * 6


def test_a_field_can_be_absent(simulator: Simulator) -> None:
    simulator.faults.add(faults.missing_field("run_status"))

    assert "run_status" not in told(simulator, f"{RUNS}/5000001")["k6-run"]
    assert all("run_status" not in run for run in told(simulator, RUNS, {"test_id": TEST})["k6-runs"])


def test_numbers_can_be_strings(simulator: Simulator) -> None:
    simulator.faults.add(faults.numbers_as_strings())

    assert told(simulator, f"{RUNS}/5000001")["k6-run"]["run_status"] == "3"


def test_one_run_of_a_page_can_be_unreadable(simulator: Simulator) -> None:
    simulator.faults.add(faults.invalid_item())

    page = told(simulator, RUNS, {"test_id": TEST})["k6-runs"]

    assert page[0] == "invalid"
    assert [run["id"] for run in page[1:]] == [5_000_002, 5_000_003, 5_000_004, 5_000_005]


def test_runs_of_another_test_can_slip_in(simulator: Simulator) -> None:
    simulator.faults.add(faults.unexpected_run())

    page = told(simulator, RUNS, {"test_id": TEST})["k6-runs"]

    assert [run["test_id"] for run in page] == [TEST] * 5 + [TEST + 77]
    assert len({run["id"] for run in page}) == 6


def test_a_run_can_come_twice(simulator: Simulator) -> None:
    simulator.faults.add(faults.duplicate())

    assert run_ids(simulator, {"test_id": TEST, "page_size": 2}) == [5_000_001, 5_000_002, 5_000_001]


def test_a_page_can_be_empty_whatever_the_count(simulator: Simulator) -> None:
    simulator.faults.add(faults.empty_page())

    assert told(simulator, RUNS, {"test_id": TEST}) == {"k6-runs": [], "meta": {"count": 5}}


def test_pages_can_go_on_for_ever(simulator: Simulator) -> None:
    simulator.faults.add(faults.repeated_page())

    for page in (1, 2, 99):
        params = {"test_id": TEST, "page_size": 2, "page": page}
        assert run_ids(simulator, params) == [5_000_001, 5_000_002]


def test_what_goes_wrong_with_runs_does_not_change_an_error(simulator: Simulator) -> None:
    simulator.faults.add(faults.numbers_as_strings(), faults.empty_page())

    assert ask(simulator, f"{RUNS}/1").json()["error"]["code"] == 3


def test_a_slow_answer_waits_before_its_headers_and_before_its_body() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    simulator = Simulator(World(), tokens={TOKEN}, clock=Clock(), sleep=sleep)
    simulator.faults.add(faults.slow(before=30.0, between=12.5))

    assert ask(simulator, ORGANIZATIONS).status_code == 200
    assert waits == [30.0, 12.5]


def test_a_hanging_request_is_never_answered(simulator: Simulator) -> None:
    simulator.faults.add(faults.hang())

    async def impatient() -> None:
        transport = httpx.ASGITransport(simulator)
        async with httpx.AsyncClient(transport=transport, base_url="https://api.k6.io") as client:
            async with asyncio.timeout(0.05):
                await client.get(ORGANIZATIONS)

    with pytest.raises(TimeoutError):
        asyncio.run(impatient())


@pytest.mark.parametrize("fault", [faults.reset(), faults.truncated()])
def test_a_broken_connection_is_what_the_simulator_was_told_to_raise(
    simulator: Simulator, fault: Fault
) -> None:
    simulator.faults.add(fault)

    with pytest.raises(httpx.ReadError):
        ask(simulator, ORGANIZATIONS)


def test_without_being_told_it_raises_what_a_socket_would() -> None:
    simulator = Simulator(World(), tokens={TOKEN}, clock=Clock())
    simulator.faults.add(faults.reset())

    with pytest.raises(ConnectionResetError):
        ask(simulator, ORGANIZATIONS)


def test_every_request_is_noted_even_one_that_goes_wrong(simulator: Simulator) -> None:
    simulator.faults.add(faults.error(500).on("/v3/*"))
    ask(simulator, RUNS, {"test_id": TEST, "ids[]": [1, 2]})
    ask(simulator, ORGANIZATIONS)

    first, second = simulator.requests
    assert (first.method, first.path) == ("GET", RUNS)
    assert first.query == (("test_id", str(TEST)), ("ids[]", "1"), ("ids[]", "2"))
    assert first.headers["authorization"] == f"Token {TOKEN}"
    assert first.at == CREATED + 1000
    assert second.path == ORGANIZATIONS
