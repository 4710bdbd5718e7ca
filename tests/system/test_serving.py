"""From the first flag to the last signal."""

import json
import signal
import socket
from pathlib import Path

import httpx
import pytest

from exporter.web.server import bind
from tests.support.exporter_process import Cloud, Process, finished
from tests.support.processes import eventually, free_port

HERE = ("--web.listen-address", "127.0.0.1:0")
OFTEN = {"K6_CLOUD_EXPORTER_POLL__INTERVAL": "100ms", "K6_CLOUD_EXPORTER_POLL__IDLE_INTERVAL": "100ms"}
UNBOUNDED = {"K6_CLOUD_EXPORTER_API__REQUESTS_PER_MINUTE": "100000"}


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


def test_a_token_and_a_test_id_are_enough_to_serve(cloud: Cloud) -> None:
    test_id = cloud.test_ids()[0]

    with Process("--test", str(test_id), *HERE, **cloud.environment()) as process:
        process.ready()

        assert process.value("k6_cloud_up") == 1
        assert process.value("k6_cloud_exporter_tests") == 1
        assert f'test_id="{test_id}"' in process.get()
        assert f'test_id="{cloud.test_ids()[1]}"' not in process.get()


def test_serve_may_be_named(cloud: Cloud) -> None:
    with Process("serve", *HERE, **cloud.environment()) as process:
        process.ready()

        assert process.value("k6_cloud_exporter_tests") == len(cloud.test_ids())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_with_0_within_a_second(cloud: Cloud, number: signal.Signals) -> None:
    with Process(*HERE, **cloud.environment()) as process:
        process.ready()

        code, took = process.end(number)

        assert (code, took < 1) == (0, True)
        assert [logfmt(line)["msg"] for line in process.log.splitlines()] == ["listening"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_a_hanging_poll_ends_the_process_with_0_within_a_second(
    cloud: Cloud, number: signal.Signals
) -> None:
    cloud.fail(kind="hang")
    with Process(*HERE, **cloud.environment()) as process:
        eventually(lambda: httpx.get(process.url() + "/-/healthy", trust_env=False).is_success)

        code, took = process.end(number)

        assert (code, took < 1) == (0, True)
        assert [logfmt(line)["msg"] for line in process.log.splitlines()] == ["listening"]


def test_a_signal_while_a_client_is_slow_to_read_ends_the_process_with_0_within_a_second(
    cloud: Cloud,
) -> None:
    with Process(*HERE, **cloud.environment()) as process:
        url = httpx.URL(process.ready())
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect((url.host, url.port))
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")  # and next to nothing is read
            eventually(lambda: client.recv(1, socket.MSG_PEEK))

            code, took = process.end()

        assert (code, took < 1) == (0, True)
        assert [logfmt(line)["msg"] for line in process.log.splitlines()] == ["listening"]


def test_a_signal_while_a_client_is_slow_to_ask_ends_the_process_with_0_within_a_second(cloud: Cloud) -> None:
    with Process(*HERE, **cloud.environment()) as process:
        url = httpx.URL(process.ready())
        with socket.create_connection((url.host, url.port or 0)) as client:
            client.sendall(b"GET /metr")

            code, took = process.end()

        assert (code, took < 1) == (0, True)
        assert "Traceback" not in process.log


def test_a_simulator_whose_client_hangs_ends_with_0_within_a_second() -> None:
    with Process("simulator", *HERE) as process:
        url = process.url()
        httpx.put(url + "/simulator/faults", json=[{"kind": "hang"}], trust_env=False).raise_for_status()
        with socket.create_connection((httpx.URL(url).host, httpx.URL(url).port or 0)) as client:
            client.sendall(b"GET /v3/organizations HTTP/1.1\r\nHost: x\r\n\r\n")
            eventually(lambda: httpx.get(url + "/simulator/state", trust_env=False).is_success)

            code, took = process.end()

        assert (code, took < 1) == (0, True)
        assert process.log == ""


def test_two_signals_are_no_more_than_one(cloud: Cloud) -> None:
    cloud.fail(kind="hang")
    with Process(*HERE, **cloud.environment()) as process:
        process.url()
        process.send(signal.SIGINT)

        code, _ = process.end(signal.SIGTERM)

        assert code == 0
        assert [logfmt(line)["msg"] for line in process.log.splitlines()] == ["listening"]


def test_a_wrong_token_at_run_time_is_one_log_line_and_k6_cloud_up_0(cloud: Cloud) -> None:
    with Process(*HERE, **cloud.environment(**OFTEN, **UNBOUNDED)) as process:
        process.ready()
        assert process.value("k6_cloud_up") == 1

        cloud.admit("another")
        eventually(lambda: polls(process, "failure") >= 3)

        assert process.value("k6_cloud_up") == 0
        assert process.get("/-/healthy") == "Healthy.\n"
        assert "put a valid one into K6_CLOUD_TOKEN" in process.get("/")
        lines = [logfmt(line) for line in process.log.splitlines()]
        assert [(line["level"], line.get("reason")) for line in lines] == [
            ("info", None),
            ("warning", "unauthorized"),
        ]

        cloud.admit("demo")
        eventually(lambda: process.value("k6_cloud_up") == 1)
        lines = [logfmt(line) for line in process.log.splitlines()]
        assert [line["msg"] for line in lines[2:]] == ["polls succeed again"]


def test_polls_that_change_nothing_are_not_logged(cloud: Cloud) -> None:
    with Process(*HERE, **cloud.environment(**OFTEN, **UNBOUNDED)) as process:
        process.ready()
        eventually(lambda: polls(process, "success") >= 5)
        process.get("/")

        assert [logfmt(line)["msg"] for line in process.log.splitlines()] == ["listening"]


def test_a_log_in_logfmt_names_the_moment_the_level_the_message_and_what_belongs_to_it(cloud: Cloud) -> None:
    cloud.fail(kind="error", status=400, message='say "hello" = größe\n\\')
    with Process(*HERE, **cloud.environment()) as process:
        eventually(lambda: process.log.count("\n") >= 2)

        listening, warning = (logfmt(line) for line in process.log.splitlines())
        assert list(listening) == ["ts", "level", "msg", "url", "version"]
        assert listening["url"] == process.url()
        assert list(warning) == ["ts", "level", "msg", "reason"]
        assert 'say "hello" = größe' in warning["msg"]


def test_a_log_in_json_is_an_object_a_line(cloud: Cloud) -> None:
    cloud.fail(kind="error", status=400, message='say "hello" = größe\n\\')
    with Process("--log.format", "json", *HERE, **cloud.environment()) as process:
        eventually(lambda: process.log.count("\n") >= 2)

        listening, warning = (json.loads(line) for line in process.log.splitlines())
        assert list(listening) == ["ts", "level", "msg", "url", "version"]
        assert list(warning) == ["ts", "level", "msg", "reason"]
        assert 'say "hello" = größe' in warning["msg"]


def test_at_level_error_a_good_process_says_nothing(cloud: Cloud) -> None:
    answer = finished("once", "--log.level", "error", **cloud.environment())
    assert answer.stderr == ""


def test_a_process_that_cannot_reach_k6_cloud_serves_and_says_so_once() -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    settings = {"K6_CLOUD_TOKEN": "demo", "K6_CLOUD_EXPORTER_API__URL": nowhere} | OFTEN | UNBOUNDED
    with Process(*HERE, **settings) as process:
        eventually(lambda: polls(process, "failure") >= 1)

        assert process.value("k6_cloud_up") == 0
        assert "Traceback" not in process.log
        assert process.log.count("reason=network") == 1
        assert httpx.get(process.url() + "/-/ready", trust_env=False).status_code == 503


def test_a_rotated_token_file_is_used_without_a_restart(cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("demo\n")
    settings = {"K6_CLOUD_EXPORTER_API__URL": cloud.url, "K6_CLOUD_EXPORTER_API__TOKEN_FILE": str(file)}
    with Process(*HERE, **settings, **OFTEN, **UNBOUNDED) as process:
        process.ready()

        cloud.admit("rotated")
        eventually(lambda: process.value("k6_cloud_up") == 0)
        file.write_text("rotated\n")

        eventually(lambda: process.value("k6_cloud_up") == 1)
        assert "rotated" not in process.log


def test_a_port_in_use_is_one_sentence_and_exit_code_2(cloud: Cloud) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        for command in ("serve", "demo", "simulator"):
            given = cloud.environment() if command == "serve" else {}
            answer = finished(command, "--web.listen-address", address, **given)

            assert answer.returncode == 2
            assert answer.stdout == ""
            assert answer.stderr == (
                f"error: web.listen_address: cannot listen on {address}: Address already in use; "
                "choose another with --web.listen-address\n"
            )


@pytest.mark.parametrize("command", ["demo", "serve"])
def test_an_address_that_is_none_is_one_sentence_and_exit_code_2(command: str, cloud: Cloud) -> None:
    given = cloud.environment() if command == "serve" else {}
    answer = finished(command, "--web.listen-address", "localhost", **given)

    assert answer.returncode == 2
    assert answer.stderr == (
        'error: web.listen_address: "localhost" is not a listen address; write "host:port" or ":port"\n'
    )


def test_a_host_that_is_not_there_is_one_sentence_and_exit_code_2(cloud: Cloud) -> None:
    answer = finished("--web.listen-address", "192.0.2.1:10565", **cloud.environment())

    assert answer.returncode == 2
    assert answer.stderr == (
        "error: web.listen_address: cannot listen on 192.0.2.1:10565: Cannot assign requested address; "
        "choose another with --web.listen-address\n"
    )


@pytest.mark.parametrize("command", [(), ("check",)])
def test_without_a_token_it_is_said_what_to_do_and_the_exit_code_is_2(command: tuple[str, ...]) -> None:
    answer = finished(*command)

    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr == (
        "error: no API token: set K6_CLOUD_TOKEN, or api.token_file to a file that holds one; "
        "the k6 app in Grafana Cloud makes them under Settings, API tokens\n"
    )


def test_all_interfaces_can_be_listened_on(cloud: Cloud) -> None:
    with Process("--web.listen-address", ":0", **cloud.environment()) as process:
        assert process.url().startswith("http://localhost:")
        process.ready()
        port = process.url().rpartition(":")[2]
        assert httpx.get(f"http://127.0.0.1:{port}/-/ready", trust_env=False).text == "Ready.\n"


def test_another_path_for_the_metrics_is_served(cloud: Cloud) -> None:
    with Process("--web.telemetry-path", "/k6/metrics", *HERE, **cloud.environment()) as process:
        url = process.ready()

        assert "k6_cloud_up 1" in process.get("/k6/metrics")
        assert httpx.get(url + "/metrics", trust_env=False).status_code == 404


def test_an_answer_is_not_held_back_until_the_one_before_is_acknowledged() -> None:
    for address in ("127.0.0.1:0", ":0"):
        with bind(address) as listening:
            assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            port = listening.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)):
                accepted, _ = listening.accept()
                with accepted:
                    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
