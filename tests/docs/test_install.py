"""What the documents say of installing: the unit is one that systemd takes, the numbers are those measured.

`make golden` writes the numbers anew.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from bench import report
from exporter.cli import main
from exporter.config.load import variable
from tests.support.exporter_process import TOKEN, Process
from tests.support.golden import assert_section

ROOT = Path(__file__).parents[2]
INSTALL = ROOT / "docs" / "install.md"
UNIT = ROOT / "docs" / "k6-cloud-exporter.service"
PROGRAM = "/opt/k6-cloud-exporter/bin/k6-cloud-exporter"


def values(key: str) -> list[str]:
    """What the unit says of a key, each time that it is there."""
    return re.findall(f"^{key}=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)


def flags() -> list[str]:
    [command] = values("ExecStart")
    return command.split()[1:]


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in values("Environment"))


def systemd_analyze(verb: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed here (Debian: systemd)")
    return subprocess.run([program, verb, *arguments], capture_output=True, text=True, check=False)


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    there = tmp_path / UNIT.name
    ours = Path(sys.executable).parent / "k6-cloud-exporter"
    there.write_text(UNIT.read_text(encoding="utf-8").replace(PROGRAM, str(ours)), encoding="utf-8")

    said = systemd_analyze("verify", there)

    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_the_unit_is_as_exposed_as_the_documents_say() -> None:
    said = systemd_analyze("security", "--offline=true", "--no-pager", UNIT)
    if "unrecognized option" in said.stderr:
        pytest.skip("this systemd-analyze judges no file that is not installed")

    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said.stdout)
    assert found
    assert f"calls its exposure {found[1]}." in INSTALL.read_text(encoding="utf-8")
    assert float(found[1]) < 2


def test_the_unit_names_flags_and_settings_that_there_are() -> None:
    assert isinstance(main, click.Group)
    known = {option for parameter in main.commands["serve"].params for option in parameter.opts}
    ours = {name for name in environment() if name.startswith("K6_")}

    assert {flag.split("=")[0] for flag in flags()} <= known
    assert ours == {variable("api.token_file")}
    assert values("LoadCredential") == ["token:/etc/k6-cloud-exporter/token"]


def test_the_unit_leaves_the_exporter_what_its_process_metrics_are_read_from() -> None:
    assert values("ProcSubset") == []
    assert values("ProtectProc") == ["invisible"]


def test_the_unit_says_which_systemd_it_needs_as_the_documents_do() -> None:
    [said] = re.findall(r"systemd (\d+) or later", UNIT.read_text(encoding="utf-8"))

    assert f"It needs systemd {said} or later" in INSTALL.read_text(encoding="utf-8")


def test_what_the_unit_starts_polls_with_the_token_that_systemd_hands_it(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("web: {listen_address: '127.0.0.1:0'}\n", encoding="utf-8")
    (tmp_path / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
    here = [flag.replace("/etc/k6-cloud-exporter", str(tmp_path)) for flag in flags()]
    given = {name: value.replace("%d", str(tmp_path)) for name, value in environment().items()}

    with (
        Process("simulator", "--web.listen-address=127.0.0.1:0") as cloud,
        Process(*here, **given, K6_CLOUD_EXPORTER_API__URL=cloud.url()) as process,
    ):
        process.ready()

        assert process.value("k6_cloud_up") == 1


def size() -> str:
    """What 1,000 tests take, out of what was measured."""
    results = report.read()
    [held] = [row for row in results["memory"] if row["tests"] == 1_000]
    more = max(results["memory"], key=lambda row: row["tests"])
    step = report.find(results["step"], tests=2_000, share=0.01)
    asked = {
        api: report.find(results["requests"], api=api, tests=1_000)["a_minute"] for api in ("v6", "legacy")
    }
    first = {api: report.find(results["cycle"], api=api, projects=1) for api in ("v6", "legacy")}
    rows = [
        ("series", f"{step['series'] / step['tests'] * 1_000:,.0f}, on the v6 API"),
        (
            "resident memory",
            f"{report.mib(held['resident_bytes'])}, of which {report.mib(held['base_bytes'])} are the "
            f"process itself; {more['tests']:,} tests take {report.mib(more['resident_bytes'])}",
        ),
        ("requests a minute, all idle", f"v6 {asked['v6']:.1f}, legacy {asked['legacy']:.1f}"),
        *(
            (
                f"the first poll, {api}",
                f"{row['requests']:,} requests, {report.seconds(row['seconds']['median'])} with answers "
                f"after {report.seconds(row['latency'])}",
            )
            for api, row in first.items()
        ),
    ]
    return report.table(("for 1,000 tests", ""), rows)


def test_the_sizes_in_the_documents_are_those_measured() -> None:
    assert_section(INSTALL, "size", size())


@pytest.mark.parametrize("document", ["README.md", "docs/install.md", "docs/runbooks.md"])
def test_links_between_the_documents_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]*)", text):
        assert (ROOT / document).parent.joinpath(target).exists(), target
