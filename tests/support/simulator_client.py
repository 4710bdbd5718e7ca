"""Requests to a simulator in this process, without the project's own client."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from exporter.simulator import Options, Simulator, World

TOKEN = "a-token"
CREATED = 1_597_757_621.0  # 2020-08-18T13:33:41Z, as in the vendor's samples
Params = Mapping[str, str | int | Sequence[int]]


class Clock:
    """A clock that the test sets."""

    def __init__(self, now: float = CREATED) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def simulate(
    world: World,
    now: float = CREATED,
    options: Options = Options(),  # noqa: B008  frozen, so sharing it is harmless
) -> Simulator:
    """A simulator whose clock stands still at `now`."""
    return Simulator(
        world, tokens={TOKEN}, clock=Clock(now), options=options, connection_error=httpx.ReadError
    )


def send(
    simulator: Simulator,
    path: str,
    params: Params | None = None,
    *,
    method: str = "GET",
    authorization: str | None = f"Token {TOKEN}",
    json: object = None,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
) -> httpx.Response:
    sent = dict(headers or {}) | ({} if authorization is None else {"Authorization": authorization})

    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(simulator)
        async with httpx.AsyncClient(transport=transport, base_url="https://api.k6.io") as client:
            return await client.request(method, path, params=params, headers=sent, json=json, content=content)

    return asyncio.run(request())


def fetch(simulator: Simulator, path: str, params: Params | None = None) -> dict[str, Any]:
    """The JSON of a response that must be a success."""
    response = send(simulator, path, params)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def fetch_run_ids(simulator: Simulator, params: Params) -> list[int]:
    return [run["id"] for run in fetch(simulator, "/loadtests/v2/runs", params)["k6-runs"]]


def fetch_test_names(simulator: Simulator, params: Params) -> list[str]:
    return [test["name"] for test in fetch(simulator, "/loadtests/v2/tests", params)["k6-tests"]]


def send_v6(
    simulator: Simulator,
    path: str,
    params: Params | None = None,
    *,
    method: str = "GET",
    json: object = None,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
) -> httpx.Response:
    """A request to `/cloud/v6` and this path, with a valid token and stack."""
    return send(
        simulator,
        f"/cloud/v6{path}",
        params,
        method=method,
        authorization=f"Bearer {TOKEN}",
        json=json,
        headers={"X-Stack-Id": "1"} | dict(headers or {}),
        content=content,
    )


def fetch_v6(simulator: Simulator, path: str, params: Params | None = None) -> dict[str, Any]:
    """The JSON of a response that must be a success."""
    response = send_v6(simulator, path, params)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def fetch_ids_v6(simulator: Simulator, path: str, params: Params | None = None) -> list[int]:
    return [thing["id"] for thing in fetch_v6(simulator, path, params)["value"]]
