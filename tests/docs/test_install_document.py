"""docs/install-and-upgrade.md agrees with the systemd unit and the measurements."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench import report, sizing
from exporter import PROJECT_URL
from exporter.config.load import variable
from tests.support.documents import DOCS, ROOT, read_document
from tests.support.exporter_process import TOKEN, Process
from tests.support.golden import assert_section
from tests.support.public_names import load_commands

PAGE = DOCS / "install-and-upgrade.md"
UNIT = DOCS / "k6-cloud-exporter.service"
MIB = 2**20
PROGRAM = "/opt/k6-cloud-exporter/bin/k6-cloud-exporter"


def unit_values(key: str) -> list[str]:
    """The values of a key in the unit."""
    return re.findall(f"^{key}=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)


def unit_flags() -> list[str]:
    [command] = unit_values("ExecStart")
    return command.split()[1:]


def unit_environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in unit_values("Environment"))


def systemd_analyze(verb: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    return subprocess.run([program, verb, *arguments], capture_output=True, text=True, check=False)


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    installed = Path(sys.executable).parent / "k6-cloud-exporter"
    unit.write_text(UNIT.read_text(encoding="utf-8").replace(PROGRAM, str(installed)), encoding="utf-8")

    result = systemd_analyze("verify", unit)

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_unit_exposure_is_the_documented_one() -> None:
    result = systemd_analyze("security", "--offline=true", "--no-pager", UNIT)
    if "unrecognized option" in result.stderr:
        pytest.skip("this systemd-analyze cannot rate a unit that is not installed")

    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", result.stdout)
    assert found
    assert f"reports exposure {found[1]}." in PAGE.read_text(encoding="utf-8")
    assert float(found[1]) < 2


def test_unit_uses_existing_flags_and_settings() -> None:
    known = {option for parameter in load_commands()["serve"].params for option in parameter.opts}
    variables = {name for name in unit_environment() if name.startswith("K6_")}

    assert {flag.split("=")[0] for flag in unit_flags()} <= known
    assert variables == {variable("api.token_file")}
    assert unit_values("LoadCredential") == ["token:/etc/k6-cloud-exporter/token"]


def test_unit_starts_after_network_and_time() -> None:
    ordered = {target for line in unit_values("After") for target in line.split()}

    assert ordered == {"network-online.target", "time-sync.target"}
    assert unit_values("Wants") == ["network-online.target"]


def test_unit_links_to_documents_of_this_project() -> None:
    links = unit_values("Documentation")

    assert links
    assert all(link.startswith(f"{PROJECT_URL}/blob/main/docs/") for link in links)


def test_unit_leaves_process_metrics_readable() -> None:
    assert unit_values("ProcSubset") == []
    assert unit_values("ProtectProc") == ["invisible"]


def test_unit_and_page_name_the_same_systemd_version() -> None:
    [version] = re.findall(r"systemd (\d+) or later", UNIT.read_text(encoding="utf-8"))

    assert f"It needs systemd {version} or later" in PAGE.read_text(encoding="utf-8")


def test_unit_command_polls_with_the_credential(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("web: {listen_address: '127.0.0.1:0'}\n", encoding="utf-8")
    (tmp_path / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
    flags = [flag.replace("/etc/k6-cloud-exporter", str(tmp_path)) for flag in unit_flags()]
    environment = {name: value.replace("%d", str(tmp_path)) for name, value in unit_environment().items()}

    with (
        Process("simulator", "--web.listen-address=127.0.0.1:0") as cloud,
        Process(*flags, **environment, K6_CLOUD_EXPORTER_API__URL=cloud.url()) as process,
    ):
        process.ready()

        assert process.value("k6_cloud_up") == 1


def test_document_has_the_measured_sizes() -> None:
    assert_section(PAGE, "size", sizing.size_table(sizing.read()))


@pytest.mark.parametrize("api", ["v6", "legacy"])
def test_series_per_test_are_the_measured_ones(api: str) -> None:
    assert sizing.count_series(api) == sizing.read()["series"][api]


@pytest.mark.parametrize("tests", [100, 1_000])
def test_requests_at_start_are_the_measured_ones(tests: int) -> None:
    row = report.find(sizing.read()["requests"], tests=tests)

    assert sizing.count_requests_at_start(tests).items() <= row.items()


def test_memory_is_measured_as_the_exporter_is_deployed() -> None:
    name, value = sizing.MALLOC.split("=")

    assert unit_environment()[name] == value
    assert f"{name}={value} " in read_document(ROOT / "Dockerfile")


def test_half_of_the_limit_is_enough_without_check() -> None:
    memory = [row for row in sizing.read()["memory"] if row["tests"]]

    assert [row["tests"] for row in memory if row["max_bytes"] > sizing.memory_limit(row) / 2] == []


@pytest.mark.parametrize(
    ("file", "pattern"),
    [
        ("docs/install-and-upgrade.md", r"--memory (\d+)m"),
        ("compose.yaml", r"mem_limit: (\d+)m # for 1,000 tests"),
        ("helm/k6-cloud-exporter/values.yaml", r"^#  limits: {memory: (\d+)Mi}"),
        ("helm/k6-cloud-exporter/ci/full-values.yaml", r"^  limits: {memory: (\d+)Mi}"),
        ("helm/k6-cloud-exporter/ci/restricted-values.yaml", r"^  limits: {.*memory: (\d+)Mi}"),
    ],
)
def test_memory_limit_is_that_of_1000_tests(file: str, pattern: str) -> None:
    [limit] = re.findall(pattern, read_document(ROOT / file), re.MULTILINE)

    assert int(limit) * MIB == sizing.memory_limit(report.find(sizing.read()["memory"], tests=1_000))


def test_memory_request_is_enough_for_1000_tests() -> None:
    values = read_document(ROOT / "helm" / "k6-cloud-exporter" / "values.yaml")
    [request] = re.findall(r"requests: {cpu: 50m, memory: (\d+)Mi}", values)

    assert int(request) * MIB >= report.find(sizing.read()["memory"], tests=1_000)["max_bytes"]
