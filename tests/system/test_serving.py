"""The command `serve` from its flags to the signal that ends it."""

import json
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

import httpx
import pytest

from exporter.web.server import bind
from tests.support.exporter_process import Cloud, Process, run_exporter
from tests.support.processes import eventually, free_port

ANY_PORT = ("--web.listen-address", "127.0.0.1:0")
FAST_POLLING = {"K6_CLOUD_EXPORTER_POLL__INTERVAL": "100ms", "K6_CLOUD_EXPORTER_POLL__IDLE_INTERVAL": "100ms"}
NO_RATE_LIMIT = {"K6_CLOUD_EXPORTER_API__REQUESTS_PER_MINUTE": "100000"}


def polls(process: Process, outcome: str) -> float:
    return process.value(f'k6_cloud_exporter_polls_total{{outcome="{outcome}"}}') or 0


def logfmt(line: str) -> dict[str, str]:
    """A line of key=value pairs, where a value may be a JSON string."""
    pairs, decoder = {}, json.JSONDecoder()
    while line:
        name, _, line = line.partition("=")
        assert name.isidentifier(), line
        if line.startswith('"'):
            value, end = decoder.raw_decode(line)
        else:
            end = line.index(" ") if " " in line else len(line)
            value = line[:end]
        pairs[name] = value
        assert line[end : end + 1] in ("", " "), line
        line = line[end + 1 :]
    return pairs


def log_lines(process: Process) -> list[dict[str, str]]:
    """The log without the runs that happen to finish in the simulator meanwhile."""
    lines = map(logfmt, process.log.splitlines())
    return [line for line in lines if line["msg"] != "run finished"]


def messages(process: Process) -> list[str]:
    return [line["msg"] for line in log_lines(process)]


def test_token_and_test_id_suffice_to_serve(cloud: Cloud) -> None:
    test_id = cloud.test_ids()[0]

    with Process("--test", str(test_id), *ANY_PORT, **cloud.environment()) as process:
        process.ready()

        assert process.value("k6_cloud_up") == 1
        assert process.value("k6_cloud_exporter_tests") == 1
        assert f'test_id="{test_id}"' in process.get()
        assert f'test_id="{cloud.test_ids()[1]}"' not in process.get()


def test_serve_can_be_named(cloud: Cloud) -> None:
    with Process("serve", *ANY_PORT, **cloud.environment()) as process:
        process.ready()

        assert process.value("k6_cloud_exporter_tests") == len(cloud.test_ids())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_process(cloud: Cloud, number: signal.Signals) -> None:
    with Process(*ANY_PORT, **cloud.environment()) as process:
        process.ready()

        code = process.end(number)

        assert code == 0
        assert messages(process) == ["starting", "listening", "tests discovered", "shutting down"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_process_during_a_poll(cloud: Cloud, number: signal.Signals) -> None:
    cloud.fail(kind="hang")
    with Process(*ANY_PORT, **cloud.environment()) as process:
        eventually(lambda: httpx.get(process.url() + "/-/healthy", trust_env=False).is_success)

        code = process.end(number)

        assert code == 0
        assert messages(process) == ["starting", "listening", "shutting down"]


def test_signal_ends_process_with_slow_reader(
    cloud: Cloud,
) -> None:
    with Process(*ANY_PORT, **cloud.environment()) as process:
        url = httpx.URL(process.ready())
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect((url.host, url.port))
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")  # and almost nothing is read
            eventually(lambda: client.recv(1, socket.MSG_PEEK))

            code = process.end()

        assert code == 0
        assert messages(process) == ["starting", "listening", "tests discovered", "shutting down"]


def test_signal_ends_process_with_slow_sender(cloud: Cloud) -> None:
    with Process(*ANY_PORT, **cloud.environment()) as process:
        url = httpx.URL(process.ready())
        with socket.create_connection((url.host, url.port or 0)) as client:
            client.sendall(b"GET /metr")

            code = process.end()

        assert code == 0
        assert "Traceback" not in process.log


def test_simulator_ends_while_a_client_waits() -> None:
    with Process("simulator", *ANY_PORT) as process:
        url = process.url()
        httpx.put(url + "/simulator/faults", json=[{"kind": "hang"}], trust_env=False).raise_for_status()
        with socket.create_connection((httpx.URL(url).host, httpx.URL(url).port or 0)) as client:
            client.sendall(b"GET /v3/organizations HTTP/1.1\r\nHost: x\r\n\r\n")
            eventually(lambda: httpx.get(url + "/simulator/state", trust_env=False).is_success)

            code = process.end()

        assert code == 0
        assert process.log == ""


def test_second_signal_has_no_effect(cloud: Cloud) -> None:
    cloud.fail(kind="hang")
    with Process(*ANY_PORT, **cloud.environment()) as process:
        process.url()
        process.send(signal.SIGINT)

        code = process.end(signal.SIGTERM)

        assert code == 0
        assert messages(process) == ["starting", "listening", "shutting down"]


def test_revoked_token_is_logged_once(cloud: Cloud) -> None:
    with Process(*ANY_PORT, **cloud.environment(**FAST_POLLING, **NO_RATE_LIMIT)) as process:
        process.ready()
        assert process.value("k6_cloud_up") == 1

        cloud.admit("another")
        eventually(lambda: polls(process, "failure") >= 3)

        assert process.value("k6_cloud_up") == 0
        assert process.get("/-/healthy") == "Healthy.\n"
        assert "set it in K6_CLOUD_TOKEN" in process.get("/")
        lines = log_lines(process)
        assert [(line["level"], line.get("reason")) for line in lines[3:]] == [("warning", "unauthorized")]

        cloud.admit("demo")
        eventually(lambda: process.value("k6_cloud_up") == 1)
        assert messages(process)[4:] == ["poll succeeded again"]


def test_polls_without_changes_are_not_logged(cloud: Cloud) -> None:
    with Process(*ANY_PORT, **cloud.environment(**FAST_POLLING, **NO_RATE_LIMIT)) as process:
        process.ready()
        eventually(lambda: polls(process, "success") >= 5)
        process.get("/")

        assert messages(process) == ["starting", "listening", "tests discovered"]


def test_logfmt_lines_have_all_fields(cloud: Cloud) -> None:
    cloud.fail(kind="error", status=400, message='say "hello" = größe\n\\')
    with Process(*ANY_PORT, **cloud.environment()) as process:
        eventually(lambda: process.log.count("\n") >= 3)

        starting, listening, warning = (logfmt(line) for line in process.log.splitlines())
        assert list(starting) == ["ts", "level", "msg", "version", "revision", "python", "api"]
        assert list(listening) == ["ts", "level", "msg", "url", "address", "version"]
        assert listening["url"] == process.url()
        assert list(warning) == ["ts", "level", "msg", "reason", "error"]
        assert 'say "hello" = größe' in warning["error"]


def test_json_log_is_one_object_per_line(cloud: Cloud) -> None:
    cloud.fail(kind="error", status=400, message='say "hello" = größe\n\\')
    with Process("--log.format", "json", *ANY_PORT, **cloud.environment()) as process:
        eventually(lambda: process.log.count("\n") >= 3)

        starting, listening, warning = (json.loads(line) for line in process.log.splitlines())
        assert list(starting) == ["ts", "level", "msg", "version", "revision", "python", "api"]
        assert list(listening) == ["ts", "level", "msg", "url", "address", "version"]
        assert list(warning) == ["ts", "level", "msg", "reason", "error"]
        assert 'say "hello" = größe' in warning["error"]


def test_level_error_hides_other_lines(cloud: Cloud) -> None:
    result = run_exporter("once", "--log.level", "error", **cloud.environment())
    assert result.stderr == ""


def test_unreachable_k6_cloud_is_logged_once() -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    settings = (
        {"K6_CLOUD_TOKEN": "demo", "K6_CLOUD_EXPORTER_API__URL": nowhere} | FAST_POLLING | NO_RATE_LIMIT
    )
    with Process(*ANY_PORT, **settings) as process:
        eventually(lambda: polls(process, "failure") >= 1)

        assert process.value("k6_cloud_up") == 0
        assert "Traceback" not in process.log
        assert process.log.count("reason=network") == 1
        assert httpx.get(process.url() + "/-/ready", trust_env=False).status_code == 503


def test_rotated_token_file_is_used(cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("demo\n")
    settings = {"K6_CLOUD_EXPORTER_API__URL": cloud.url, "K6_CLOUD_EXPORTER_API__TOKEN_FILE": str(file)}
    with Process(*ANY_PORT, **settings, **FAST_POLLING, **NO_RATE_LIMIT) as process:
        process.ready()

        cloud.admit("rotated")
        eventually(lambda: process.value("k6_cloud_up") == 0)
        file.write_text("rotated\n")

        eventually(lambda: process.value("k6_cloud_up") == 1)
        assert "rotated" not in process.log


def test_port_in_use_exits_with_2(cloud: Cloud) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        for command in ("serve", "demo", "simulator"):
            settings = cloud.environment() if command == "serve" else {}
            result = run_exporter(command, "--web.listen-address", address, **settings)

            assert result.returncode == 2
            assert result.stdout == ""
            assert result.stderr.count("\n") == 1
            for part in ("--web.listen-address", address, "Address already in use"):
                assert part in result.stderr


@pytest.mark.parametrize("command", ["demo", "serve"])
def test_invalid_address_exits_with_2(command: str, cloud: Cloud) -> None:
    settings = cloud.environment() if command == "serve" else {}
    result = run_exporter(command, "--web.listen-address", "localhost", **settings)

    assert result.returncode == 2
    assert result.stderr.startswith('error: --web.listen-address: "localhost" ')
    assert result.stderr.count("\n") == 1


def test_foreign_address_exits_with_2(cloud: Cloud) -> None:
    result = run_exporter("--web.listen-address", "192.0.2.1:10565", **cloud.environment())

    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    for part in ("--web.listen-address", "192.0.2.1:10565", "Cannot assign requested address"):
        assert part in result.stderr


@pytest.mark.parametrize("command", [(), ("check",)])
def test_missing_token_exits_with_2(command: tuple[str, ...]) -> None:
    result = run_exporter(*command)

    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: no API token: ")
    assert result.stderr.count("\n") == 1
    assert "K6_CLOUD_TOKEN" in result.stderr


def listen_addresses(process: Process) -> list[str]:
    """The addresses in the log."""
    lines = [logfmt(line) for line in process.log.splitlines()]
    return [line["address"] for line in lines if line["msg"] == "listening"]


@pytest.mark.parametrize("address", [":0", "[::]:0", "[0:0::0]:0"])
def test_wildcard_address_serves_both_families(address: str, cloud: Cloud) -> None:
    with Process("--web.listen-address", address, **cloud.environment()) as process:
        assert process.url().startswith("http://localhost:")
        process.ready()
        port = process.url().rpartition(":")[2]
        assert listen_addresses(process) == [f"[::]:{port}"]
        for host in ("127.0.0.1", "[::1]"):
            assert httpx.get(f"http://{host}:{port}/-/ready", trust_env=False).text == "Ready.\n"


@pytest.mark.parametrize("command", ["serve", "demo", "simulator"])
def test_each_listen_address_is_served(command: str, cloud: Cloud) -> None:
    ports = [free_port(), free_port()]
    flags = [f"--web.listen-address=127.0.0.1:{port}" for port in ports]
    settings = cloud.environment() if command == "serve" else {}
    path = "/simulator/state" if command == "simulator" else "/-/healthy"
    with Process(command, *flags, **settings) as process:
        for port in ports:
            url = f"http://127.0.0.1:{port}{path}"
            assert eventually(lambda url=url: httpx.get(url, trust_env=False).is_success)  # type: ignore[misc]
        if command == "serve":
            assert listen_addresses(process) == [f"127.0.0.1:{port}" for port in ports]

        assert process.end() == 0


@contextmanager
def limit_file_descriptors(number: int) -> Iterator[None]:
    """The limit for processes that are started in the block."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("is_limited_at_start", [True, False], ids=["at the start", "later"])
def test_idle_connections_give_way_at_the_limit(is_limited_at_start: bool, cloud: Cloud) -> None:
    with ExitStack() as stack:
        with limit_file_descriptors(256) if is_limited_at_start else nullcontext():
            process = stack.enter_context(
                Process(*ANY_PORT, **cloud.environment(**FAST_POLLING, **NO_RATE_LIMIT))
            )
        url = process.ready()
        if not is_limited_at_start:
            # The exporter still allows as many connections as before: accept() fails instead.
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (64, 64))

        for _ in range(300):
            stack.enter_context(connect_idle(url))
        assert process.get("/-/ready") == "Ready.\n"
        if is_limited_at_start:  # polls have file descriptors left
            polled = polls(process, "success")
            assert eventually(lambda: polls(process, "success") > polled + 3)
            assert polls(process, "failure") == 0


def connect_idle(url: str) -> socket.socket:
    """A connection that has received a response and waits for its next request."""
    address = httpx.URL(url)
    connection = socket.create_connection((address.host, address.port or 0), timeout=10)
    connection.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
    assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
    return connection


def test_telemetry_path_can_be_changed(cloud: Cloud) -> None:
    with Process("--web.telemetry-path", "/k6/metrics", *ANY_PORT, **cloud.environment()) as process:
        url = process.ready()

        assert "k6_cloud_up 1" in process.get("/k6/metrics")
        assert httpx.get(url + "/metrics", trust_env=False).status_code == 404


def test_accepted_sockets_have_tcp_nodelay() -> None:
    for address in ("127.0.0.1:0", ":0"):
        with bind(address) as listening:
            assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            port = listening.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)):
                accepted, _ = listening.accept()
                with accepted:
                    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
