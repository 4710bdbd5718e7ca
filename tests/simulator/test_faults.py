"""The faults of the simulator, seen by a client in the same process."""

import asyncio
from email.utils import parsedate_to_datetime

import httpx
import pytest

from exporter.simulator import Fault, Simulator, World, faults
from tests.support.simulator_client import CREATED, TOKEN, Clock, fetch, fetch_run_ids, send, simulate

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


def test_error_applies_to_the_given_number_of_requests(simulator: Simulator) -> None:
    simulator.faults.add(faults.error(503).on(times=2))

    assert [send(simulator, ORGANIZATIONS).status_code for _ in range(4)] == [503, 503, 200, 200]


def test_fault_applies_to_matching_requests_only(simulator: Simulator) -> None:
    simulator.faults.add(
        faults.error(500).on("/loadtests/v2/runs/*"),
        faults.error(403).on(f"*test_id={TEST}*", method="GET"),
    )

    assert send(simulator, ORGANIZATIONS).status_code == 200
    assert send(simulator, f"{RUNS}/5000001").status_code == 500
    assert send(simulator, RUNS, {"test_id": TEST}).status_code == 403
    assert send(simulator, RUNS, {"test_id": TEST}, method="POST").status_code == 405


def test_error_has_the_code_of_its_status(simulator: Simulator) -> None:
    simulator.faults.add(faults.error(403, message="Not allowed").on(times=1))

    response = send(simulator, ORGANIZATIONS)

    assert response.json() == {"error": {"message": "Not allowed", "code": 4, "errors": ["Not allowed"]}}


def test_error_can_have_an_html_body(simulator: Simulator) -> None:
    simulator.faults.add(faults.error(503, html=True))

    response = send(simulator, ORGANIZATIONS)

    assert (response.status_code, response.headers["content-type"]) == (503, "text/html")
    assert response.text.startswith("<!DOCTYPE html>")


def test_error_can_have_retry_after(simulator: Simulator) -> None:
    simulator.faults.add(
        faults.error(429).on(times=1),
        faults.error(429, retry_after=7).on(f"{RUNS}*"),
        faults.error(503, retry_after=7, retry_after_as_date=True).on(f"{ORGANIZATIONS}*"),
    )

    # Two faults apply to the first request: the later one wins.
    assert send(simulator, RUNS).headers["retry-after"] == "7"
    date = send(simulator, ORGANIZATIONS).headers["retry-after"]
    assert parsedate_to_datetime(date).timestamp() == CREATED + 1007
    simulator.faults.clear()
    simulator.faults.add(faults.error(429))
    assert "retry-after" not in send(simulator, ORGANIZATIONS).headers


def test_request_with_an_error_is_not_acted_on(simulator: Simulator) -> None:
    simulator.faults.add(faults.error(503).on("*/start-testrun"))

    send(simulator, f"/loadtests/v2/tests/{TEST}/start-testrun", method="POST")

    assert len(simulator.world.runs) == 5


def test_faults_can_be_cleared(simulator: Simulator) -> None:
    simulator.faults.add(faults.error(500), faults.empty_body())
    simulator.faults.clear()

    assert len(simulator.faults) == 0
    assert send(simulator, ORGANIZATIONS).status_code == 200


def test_redirect_has_a_location(simulator: Simulator) -> None:
    simulator.faults.add(faults.redirect("https://elsewhere.example.com/v3/organizations"))

    response = send(simulator, ORGANIZATIONS)

    assert (response.status_code, response.headers["location"]) == (
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
def test_body_or_content_type_can_be_wrong(
    simulator: Simulator, fault: Fault, content_type: str, first_bytes: bytes
) -> None:
    simulator.faults.add(fault)

    response = send(simulator, ORGANIZATIONS)

    assert (response.status_code, response.headers["content-type"]) == (200, content_type)
    assert response.content[:5] == first_bytes


def test_body_can_be_cut_or_empty(simulator: Simulator) -> None:
    whole = send(simulator, ORGANIZATIONS).content
    simulator.faults.add(faults.cut_json().on(times=1))
    assert send(simulator, ORGANIZATIONS).content == whole[: len(whole) // 2]
    simulator.faults.add(faults.empty_body())
    assert send(simulator, ORGANIZATIONS).content == b""


@pytest.mark.parametrize("value", [42, None, "RUNNING", "3"])
def test_field_can_have_any_value(simulator: Simulator, value: object) -> None:
    simulator.faults.add(faults.field("run_status", value))

    listed = fetch(simulator, RUNS, {"test_id": TEST})["k6-runs"]
    read = fetch(simulator, f"{RUNS}/5000001")["k6-run"]

    assert [run["run_status"] for run in [*listed, read]] == [value] * 6


def test_field_can_be_missing(simulator: Simulator) -> None:
    simulator.faults.add(faults.missing_field("run_status"))

    assert "run_status" not in fetch(simulator, f"{RUNS}/5000001")["k6-run"]
    assert all("run_status" not in run for run in fetch(simulator, RUNS, {"test_id": TEST})["k6-runs"])


def test_numbers_can_be_strings(simulator: Simulator) -> None:
    simulator.faults.add(faults.numbers_as_strings())

    assert fetch(simulator, f"{RUNS}/5000001")["k6-run"]["run_status"] == "3"


def test_first_item_of_a_page_can_be_invalid(simulator: Simulator) -> None:
    simulator.faults.add(faults.invalid_item())

    page = fetch(simulator, RUNS, {"test_id": TEST})["k6-runs"]

    assert page[0] == "invalid"
    assert [run["id"] for run in page[1:]] == [5_000_002, 5_000_003, 5_000_004, 5_000_005]


def test_list_can_contain_an_unexpected_run(simulator: Simulator) -> None:
    simulator.faults.add(faults.unexpected_run())

    page = fetch(simulator, RUNS, {"test_id": TEST})["k6-runs"]

    assert [run["test_id"] for run in page] == [TEST] * 5 + [TEST + 77]
    assert len({run["id"] for run in page}) == 6


def test_run_can_be_duplicated(simulator: Simulator) -> None:
    simulator.faults.add(faults.duplicate())

    assert fetch_run_ids(simulator, {"test_id": TEST, "page_size": 2}) == [5_000_001, 5_000_002, 5_000_001]


def test_page_can_be_empty_despite_its_count(simulator: Simulator) -> None:
    simulator.faults.add(faults.empty_page())

    assert fetch(simulator, RUNS, {"test_id": TEST}) == {"k6-runs": [], "meta": {"count": 5}}


def test_every_page_can_be_the_first(simulator: Simulator) -> None:
    simulator.faults.add(faults.repeated_page())

    for page in (1, 2, 99):
        params = {"test_id": TEST, "page_size": 2, "page": page}
        assert fetch_run_ids(simulator, params) == [5_000_001, 5_000_002]


def test_body_faults_do_not_change_an_error(simulator: Simulator) -> None:
    simulator.faults.add(faults.numbers_as_strings(), faults.empty_page())

    assert send(simulator, f"{RUNS}/1").json()["error"]["code"] == 3


def test_slow_response_waits_before_headers_and_body() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    simulator = Simulator(World(), tokens={TOKEN}, clock=Clock(), sleep=sleep)
    simulator.faults.add(faults.slow(before=30.0, between=12.5))

    assert send(simulator, ORGANIZATIONS).status_code == 200
    assert waits == [30.0, 12.5]


def test_hanging_request_is_never_answered(simulator: Simulator) -> None:
    simulator.faults.add(faults.hang())

    async def get_with_timeout() -> None:
        transport = httpx.ASGITransport(simulator)
        async with httpx.AsyncClient(transport=transport, base_url="https://api.k6.io") as client:
            async with asyncio.timeout(0.05):
                await client.get(ORGANIZATIONS)

    with pytest.raises(TimeoutError):
        asyncio.run(get_with_timeout())


@pytest.mark.parametrize("fault", [faults.reset(), faults.truncated()])
def test_broken_connection_raises_the_given_exception(simulator: Simulator, fault: Fault) -> None:
    simulator.faults.add(fault)

    with pytest.raises(httpx.ReadError):
        send(simulator, ORGANIZATIONS)


def test_broken_connection_raises_connection_reset_by_default() -> None:
    simulator = Simulator(World(), tokens={TOKEN}, clock=Clock())
    simulator.faults.add(faults.reset())

    with pytest.raises(ConnectionResetError):
        send(simulator, ORGANIZATIONS)


def test_every_request_is_recorded(simulator: Simulator) -> None:
    simulator.faults.add(faults.error(500).on("/v3/*"))
    send(simulator, RUNS, {"test_id": TEST, "ids[]": [1, 2]})
    send(simulator, ORGANIZATIONS)

    first, second = simulator.requests
    assert (first.method, first.path) == ("GET", RUNS)
    assert first.query == (("test_id", str(TEST)), ("ids[]", "1"), ("ids[]", "2"))
    assert first.headers["authorization"] == f"Token {TOKEN}"
    assert first.at == CREATED + 1000
    assert second.path == ORGANIZATIONS
