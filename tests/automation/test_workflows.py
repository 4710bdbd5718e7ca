"""The workflows, the pre-commit hooks and the dependency updates are valid and agree with the project."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter import PROJECT_URL

ROOT = Path(__file__).parent.parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
RELEASE = ROOT / ".github" / "workflows" / "release.yml"
ACTIONLINT = ROOT / ".tools" / "actionlint"
DEPENDABOT = ROOT / ".github" / "dependabot.yml"

# By ecosystem of Dependabot, the files that it updates.
MANIFESTS = {
    "docker": "Dockerfile",
    "docker-compose": "compose.yaml",
    "gomod": "go.mod",
    "npm": "package.json",
}


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def read_project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project


def run_program(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a program in the root of the project, without what an outer `make` hands to an inner one."""
    outer = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def list_jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    """The jobs of all workflows, each with a name for messages."""
    for path in WORKFLOWS:
        for name, job in read_yaml(path)["jobs"].items():
            yield f"{path.name}: {name}", job


def list_promised_pythons() -> list[str]:
    """The minor versions of Python that the classifiers name."""
    prefix = r"Programming Language :: Python :: (3\.\d+)"
    return [found[1] for line in read_project()["classifiers"] if (found := re.fullmatch(prefix, line))]


def find_folders(manifest: str) -> Iterator[str]:
    """The folders of the project that hold such a file, as Dependabot names them: "/" is the root."""
    for folder, subfolders, files in os.walk(ROOT):
        # Neither virtual environments nor what `make tools` gets.
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        if manifest in files:
            yield Path("/", Path(folder).relative_to(ROOT)).as_posix()


def list_make_targets(job: dict[str, Any]) -> set[str]:
    """The targets that the steps of a job make; "$TARGET" is each target of the matrix."""
    targets = set()
    for step in job["steps"]:
        for word in re.findall(r"^\s*make (\S+)", step.get("run", ""), re.MULTILINE):
            targets |= set(job["strategy"]["matrix"]["target"]) if word == '"$TARGET"' else {word}
    return targets


def test_zizmor_finds_nothing() -> None:
    zizmor = Path(sys.executable).parent / "zizmor"
    options = ("--offline", "--no-progress", "--strict-collection", "--collect=all", "--persona=pedantic")

    result = run_program(zizmor, *options, ROOT / ".github", ROOT / ".pre-commit-config.yaml")

    assert result.returncode == 0, result.stdout + result.stderr
    for path in [*WORKFLOWS, DEPENDABOT, ROOT / ".pre-commit-config.yaml"]:
        assert f"completed {path}" in result.stderr


def test_actionlint_finds_nothing() -> None:
    if not ACTIONLINT.exists():
        if os.environ.get("CI") == "true" and shutil.which("go"):
            pytest.fail("actionlint is missing although there is Go to build it; make tools")
        pytest.skip("actionlint is not built here: make tools does so where there is Go")

    # Without shellcheck and pyflakes: it would use whichever version this machine happens to have.
    result = run_program(ACTIONLINT, "-no-color", "-shellcheck=", "-pyflakes=", *WORKFLOWS)

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_actions_are_pinned_by_commit() -> None:
    for path in WORKFLOWS:
        for line in re.findall(r"uses: (.*)", path.read_text(encoding="utf-8")):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), f"{path.name}: {line}"


def test_an_action_has_one_version() -> None:
    uses = {
        line for path in WORKFLOWS for line in re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
    }

    actions = [line.split("@")[0] for line in uses]
    assert sorted(actions) == sorted(set(actions))


def test_checkout_keeps_no_credentials() -> None:
    steps = [step for _, job in list_jobs() for step in job["steps"] if "checkout@" in step.get("uses", "")]

    assert len(steps) >= len(WORKFLOWS)
    assert all(step["with"]["persist-credentials"] is False for step in steps)


def test_scripts_of_workflows_have_valid_syntax() -> None:
    scripts = [step["run"] for _, job in list_jobs() for step in job["steps"] if "run" in step]

    assert len(scripts) > 20
    for script in scripts:
        result = run_program("bash", "-n", "-c", script)
        assert (result.returncode, result.stderr) == (0, ""), script


def list_jobs_before(jobs: dict[str, Any], name: str) -> set[str]:
    """The jobs that must have succeeded before a job starts."""
    needed = jobs[name].get("needs", [])
    direct = [needed] if isinstance(needed, str) else needed
    return set(direct).union(*(list_jobs_before(jobs, one) for one in direct))


def test_release_checks_the_tag_before_anything_else() -> None:
    workflow = read_yaml(RELEASE)
    jobs = workflow["jobs"]

    assert workflow[True] == {"push": {"tags": ["v*"]}}  # YAML 1.1 reads "on" as true
    assert [name for name in jobs if "needs" not in jobs[name]] == ["check"]
    assert list_jobs_before(jobs, "pypi") == {"check", "build", "registry"}
    assert list_jobs_before(jobs, "release") == {"check", "build", "registry", "pypi"}


def test_release_gives_each_job_its_permissions_only() -> None:
    workflow = read_yaml(RELEASE)
    written = {
        name: {scope for scope, access in job["permissions"].items() if access == "write"}
        for name, job in workflow["jobs"].items()
    }

    assert workflow["permissions"] == {}
    assert written == {
        "check": set(),
        "build": set(),
        "registry": {"attestations", "id-token", "packages"},
        "pypi": {"id-token"},
        "release": {"contents"},
    }
    assert workflow["jobs"]["pypi"]["environment"]["name"] == "pypi"


def test_release_pushes_where_the_chart_pulls_from() -> None:
    values = read_yaml(ROOT / "helm" / "k6-cloud-exporter" / "values.yaml")["image"]
    repository = PROJECT_URL.removeprefix("https://github.com/")
    environment = read_yaml(RELEASE)["env"]

    pushed = environment["IMAGE"].replace("${{ github.repository }}", repository)
    assert pushed == f"{values['registry']}/{values['repository']}"


def test_release_finds_the_base_image() -> None:
    """The script reads it from the Dockerfile, whose stages all use it."""
    steps = read_yaml(RELEASE)["jobs"]["registry"]["steps"]
    (script,) = [step["run"] for step in steps if step.get("id") == "image"]
    first_line = script.splitlines()[0]

    base = run_program("bash", "-c", f'{first_line}; echo "$base"').stdout.strip()

    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)) == {base}


def test_each_job_has_a_timeout() -> None:
    assert [name for name, job in list_jobs() if "timeout-minutes" not in job] == []


def test_workflows_run_make_targets_that_exist() -> None:
    used = {target for _, job in list_jobs() for target in list_make_targets(job)}

    long = {"test-prometheus-3", "test-engines", "test-preview", "faults", "soak", "alert-campaign", "bench"}
    assert {"test", "test-lowest", "test-newest", "image", "packages", "upgrade"} | long <= used
    for target in sorted(used):
        result = run_program("make", "--dry-run", target)
        assert result.returncode == 0, result.stderr


def test_ci_tests_the_pythons_of_the_classifiers() -> None:
    matrix = read_yaml(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["test"]["strategy"]["matrix"]
    promised = list_promised_pythons()

    assert matrix["python"] == promised
    assert matrix["experimental"] == [False]
    assert all(row["experimental"] and row["python"] not in promised for row in matrix["include"])
    assert read_project()["requires-python"] == f">={promised[0]}"


def test_image_runs_a_python_that_ci_tests() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    versions = set(re.findall(r"^FROM python:([\d.]+)-", dockerfile, re.MULTILINE))

    assert len(versions) == 1
    assert versions <= set(list_promised_pythons())


def test_pre_commit_runs_what_make_lint_runs() -> None:
    # --old-file: as if the virtual environment were set up, so that only the recipe of lint is printed.
    lint = run_program(
        "make", "--dry-run", "--no-print-directory", "--old-file=.venv/dev", "lint", "VENV=.venv"
    )
    [repository] = read_yaml(ROOT / ".pre-commit-config.yaml")["repos"]

    assert repository["repo"] == "local"
    assert [hook["entry"] for hook in repository["hooks"]] == lint.stdout.splitlines()
    assert all(hook["always_run"] and not hook["pass_filenames"] for hook in repository["hooks"])


@pytest.mark.parametrize("ecosystem", MANIFESTS)
def test_dependabot_updates_every_manifest(ecosystem: str) -> None:
    entries = [e for e in read_yaml(DEPENDABOT)["updates"] if e["package-ecosystem"] == ecosystem]
    folders = [folder for entry in entries for folder in entry.get("directories", [entry.get("directory")])]

    assert sorted(folders) == sorted(find_folders(MANIFESTS[ecosystem]))
