# make demo   run the exporter on the built-in simulator; no account needed
# make test   everything that must hold: lint, types, tests, end to end with a real Prometheus
# make dashboards   write grafana/dashboards anew from grafana/builder
# make image   build the container image, with docker or whatever CONTAINER names
# make bench  measure how fast it is and write bench/RESULTS.md; some ten minutes, on a machine with nothing to do
# make faults let everything go wrong, at length, and write tests/faults/RESULTS.md; some ten minutes
# make soak   200 scrapers for ten minutes and both generations, on a machine with nothing to do
# make pictures   take the README's pictures of a terminal and of the landing page anew, the latter with Chromium
# make lock   write the three lock files anew from pyproject.toml

PYTHON ?= python3
BIN    := .venv/bin

CONTAINER ?= docker

.PHONY: demo test lint tools dashboards image bench faults soak pictures lock clean

demo: .venv/runtime
	@$(BIN)/python -m exporter demo

test: lint tools
	$(BIN)/python -m pytest --cov --numprocesses=3 --dist=loadgroup

lint: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

tools: .venv/dev
	@sh tests/install-tools

dashboards: .venv/dev
	$(BIN)/python -m grafana.builder

# The format is for podman and buildah, which leave out the health check otherwise.
image:
	BUILDAH_FORMAT=docker $(CONTAINER) build --tag k6-cloud-exporter:latest --build-arg REVISION=$$(git rev-parse --short HEAD) .

bench: .venv/dev
	@(cd bench/go && go build -o ../../.tools/client_golang .) || echo "Without Go, client_golang is not measured."
	$(BIN)/python -m bench

faults: .venv/dev
	$(BIN)/python -m tests.faults campaign fuzz

soak: .venv/dev
	$(BIN)/python -m tests.faults soak --reload

pictures: .venv/dev
	@$(BIN)/python -m tests.runs.pictures
	@echo "docs/runs-list.svg docs/runs-watch.svg"
	@$(BIN)/python -m tests.web.pictures

lock: .venv/dev
	$(BIN)/uv pip compile --quiet $(LOCK) pyproject.toml --output-file requirements.txt
	$(BIN)/uv pip compile --quiet $(LOCK) --group build --output-file requirements-build.txt
	$(BIN)/uv pip compile --quiet $(LOCK) pyproject.toml --group dev --output-file requirements-dev.txt
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock"

# --require-hashes: what was locked is what runs.
.venv/runtime: requirements.txt | .venv/bin/python
	@echo "Setting up .venv (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/dev: requirements-dev.txt pyproject.toml | .venv/bin/python
	@echo "Setting up .venv for development (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@ .venv/runtime

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; point PYTHON at one, e.g. make demo PYTHON=python3.12")'
	@$(PYTHON) -m venv .venv

clean:
	rm -rf .venv .tools .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache dist
