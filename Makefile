# make demo               run the exporter on the built-in simulator; no account needed
# make test               lint, types and all tests, end to end with a real Prometheus
# make test PYTHON=python3.12   the same with another interpreter, in a virtual environment of its own
# make lint               style, types and replaced words
# make golden             rewrite golden files and the generated parts of documents
# make dashboards         rewrite grafana/dashboards from grafana/builder
# make chart-files        copy alerts, dashboards and default values into the folder of the chart that its templates read
# make image              build the container image; CONTAINER=podman for another program than docker
# make packages           build what a release publishes into dist: wheel, sdist, chart and bill of materials
# make pictures           retake the pictures of the documents; needs Chromium, Prometheus and Node.js
# make test-preview       draw the dashboards with Grafana's components and test what is shown; 480 MB of packages
# make test-lowest        the unit tests with the lowest allowed version of each dependency, on Python 3.11
# make test-newest        the unit tests with the newest version of each dependency, pre-releases included
# make test-prometheus-3  alerts and end-to-end tests with Prometheus 3, which is built first; needs Go
# make test-engines       alerts on all rule engines: promtool 2 and 3, and vmalert-tool; needs Go
# make test-cluster       the chart on a Kubernetes API server, which is built first, with Helm 3 and 4; needs Go
# make alert-campaign     real programs and alerts through outages, 30 times as fast; 12 minutes for each Prometheus
# make sizing             measure series, requests and memory by number of tests, and write the table of docs/install-and-upgrade.md; five minutes
# make bench              measure speed and memory, and write bench/RESULTS.md; ten minutes on an idle machine
# make faults             inject faults at length, and write tests/faults/RESULTS.md; ten minutes
# make soak               200 scrapers for ten minutes on each API version, on an idle machine
# make lock               rewrite the lock files from pyproject.toml; locked versions stay
# make upgrade            the same with the newest versions that are at least seven days old

PYTHON ?= python3
# python3 uses .venv. Any other interpreter uses a virtual environment of its own, such as .venv-3.12.1.
VENV   := $(if $(filter python3,$(PYTHON)),.venv,.venv-$(shell $(PYTHON) -c 'import platform; print(platform.python_version())'))
BIN    := $(VENV)/bin

CONTAINER ?= docker

.PHONY: demo test test-lowest test-newest test-prometheus-3 test-engines test-preview test-cluster lint tools tools-prometheus-3 \
	dashboards chart-files golden image packages bench sizing faults soak alert-campaign pictures lock upgrade clean

demo: $(VENV)/runtime
	@echo "Command:            $(BIN)/python -m exporter (k6-cloud-exporter once it is installed)"
	@$(BIN)/python -m exporter demo

test: lint tools
	$(BIN)/python -m pytest --cov --numprocesses=3 --dist=loadgroup

# Without the tests that mainly run other programs. The few others are skipped where a program is missing.
UNIT := --ignore=tests/alerts --ignore=tests/grafana --ignore=tests/system --ignore=tests/helm \
	--ignore=tests/image --ignore=tests/automation --ignore=tests/test_set_up.py

test-lowest: $(VENV)/dev
	@rm -rf .venv-lowest
	@$(MAKE) --no-print-directory .venv-lowest/dev VENV=.venv-lowest PYTHON=$(OLDEST)
	$(BIN)/uv pip compile --quiet --resolution lowest-direct --python .venv-lowest/bin/python pyproject.toml --output-file .venv-lowest/lowest.txt
	$(BIN)/uv pip install --python .venv-lowest/bin/python --requirements .venv-lowest/lowest.txt
	.venv-lowest/bin/python -m pytest $(UNIT)
OLDEST ?= python3.11

test-newest: $(VENV)/dev
	@rm -rf .venv-newest
	@$(MAKE) --no-print-directory .venv-newest/dev VENV=.venv-newest
	$(BIN)/uv pip install --python .venv-newest/bin/python --upgrade --prerelease allow --requirements pyproject.toml pip
	.venv-newest/bin/python -m pytest $(UNIT) -W default

lint: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m tests.support.wording

tools: $(VENV)/dev
	@PYTHON=$(BIN)/python sh tests/install-tools

# Not part of `tools`, and so of `make test`: the first build takes more than nine minutes of CPU time.
# The tests of the alerts run with promtool 3 as well once it is there.
tools-prometheus-3: .tools/promtool-3 .tools/prometheus-3
.tools/promtool-3 .tools/prometheus-3: .tools/%-3: tests/system/prometheus_3/go.sum
	@mkdir -p .tools
	cd $(<D) && go build -o ../../../$@ github.com/prometheus/prometheus/cmd/$*

test-prometheus-3: tools tools-prometheus-3
	TEST_PROMETHEUS=3 $(BIN)/python -m pytest tests/alerts tests/helm/test_alerts.py tests/system tests/grafana

# Not part of `tools`, and so of `make test`, because of the size of the packages.
PREVIEW := tests/grafana/preview/page
.tools/preview/installed: $(PREVIEW)/package-lock.json
	@mkdir -p $(@D)
	cp $(PREVIEW)/package.json $(PREVIEW)/package-lock.json $(@D)
	cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

.tools/preview/app.js: .tools/preview/installed $(wildcard $(PREVIEW)/*)
	node $(PREVIEW)/build.mjs

test-preview: tools .tools/preview/app.js
	TEST_PREVIEW=1 $(BIN)/python -m pytest tests/grafana/preview

# TEST_ENGINES=all: the tests with vmalert-tool take minutes, so `make test` leaves them out.
test-engines: export TEST_ENGINES = all
test-engines: tools tools-prometheus-3
	$(BIN)/python -m pytest tests/alerts --numprocesses=2 --dist=loadgroup

# Not part of `tools`: the build takes ten minutes on two idle cores.
.tools/cluster/built: $(addprefix tests/cluster/,build crds.txt kubernetes/go.sum kwok/go.sum)
	sh tests/cluster/build
	@touch $@

test-cluster: tools .tools/cluster/built
	TEST_CLUSTER=1 $(BIN)/python -m pytest tests/cluster

# Expected output as literal text, and the parts of documents that are made of the code.
golden: $(VENV)/dev chart-files
	UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q -k "golden or readme or document" $(UNIT)
	UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q tests/helm/test_readme.py tests/helm/test_messages.py tests/alerts/test_messages.py

dashboards: $(VENV)/dev
	$(BIN)/python -m grafana.builder
	@$(MAKE) --no-print-directory chart-files

# Copies and not links: a chart is often taken without the rest of the repository, or by tools that drop links.
CHART_FILES := helm/k6-cloud-exporter/files
chart-files:
	rm -rf $(CHART_FILES)/dashboards
	mkdir $(CHART_FILES)/dashboards
	cp grafana/dashboards/*.json $(CHART_FILES)/dashboards
	cp grafana/alerts.yaml $(CHART_FILES)
	cp helm/k6-cloud-exporter/values.yaml $(CHART_FILES)/defaults.yaml

# podman and buildah drop the health check unless the format is docker. The time is that of the commit, so that a second
# build has the same metadata; BuildKit also sets the times of files to SOURCE_DATE_EPOCH.
image: export BUILDAH_FORMAT = docker
image: export SOURCE_DATE_EPOCH = $(COMMIT_TIME)
image:
	$(CONTAINER) build --tag $(IMAGE) --build-arg VERSION=$(VERSION) \
		--build-arg REVISION=$$(git rev-parse --short HEAD) \
		--build-arg CREATED=$$(TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd) $(IMAGE_FLAGS) .
IMAGE ?= k6-cloud-exporter:latest
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' exporter/__init__.py)
COMMIT_TIME = $(shell git log -1 --format=%ct)

# sed: cyclonedx-py does not know dynamic versions.
packages: export SOURCE_DATE_EPOCH = $(COMMIT_TIME)
packages: .tools/helm-4 $(VENV)/dev
	rm -rf $(DIST)
	$(BIN)/python -m build --quiet --no-isolation --outdir $(DIST)/python
	$(BIN)/twine check --strict $(DIST)/python/*
	.tools/helm-4 package helm/k6-cloud-exporter --destination $(DIST)
	sed 's/^dynamic = .*/version = "$(VERSION)"/' pyproject.toml >$(DIST)/pyproject.toml
	$(BIN)/python -W ignore -m cyclonedx_py requirements --pyproject $(DIST)/pyproject.toml --output-reproducible \
		--output-file $(DIST)/sbom.cdx.json requirements.txt
	rm $(DIST)/pyproject.toml
DIST ?= dist

.tools/helm-4: | $(VENV)/dev
	@mkdir -p $(@D)
	$(BIN)/python tests/helm/get_helm.py $(@D)

bench: $(VENV)/dev
	@(cd bench/go && go build -o ../../.tools/client_golang .) || echo "Without Go, client_golang is not measured."
	$(BIN)/python -m bench

# An hour with `make sizing HOUR=--hour`.
sizing: $(VENV)/dev
	$(BIN)/python -m bench sizing $(HOUR)

faults: $(VENV)/dev
	$(BIN)/python -m tests.faults campaign fuzz

soak: $(VENV)/dev
	$(BIN)/python -m tests.faults soak --reload

# With Prometheus 3 as well, where Go can build it.
alert-campaign: tools $(if $(shell command -v go),tools-prometheus-3)
	$(BIN)/python -m tests.alerts.live
	test ! -x .tools/prometheus-3 || TEST_PROMETHEUS=3 $(BIN)/python -m tests.alerts.live

pictures: $(VENV)/dev .tools/preview/app.js
	@$(BIN)/python -m tests.commands.runs.pictures
	@echo "docs/runs-list.svg docs/runs-watch.svg"
	@$(BIN)/python -m tests.web.pictures
	@$(BIN)/python -m tests.grafana.preview.pictures

lock: $(VENV)/dev
	$(BIN)/uv pip compile --quiet $(LOCK) pyproject.toml --output-file requirements.txt
	$(BIN)/uv pip compile --quiet $(LOCK) --group build --output-file requirements-build.txt
	$(BIN)/uv pip compile --quiet $(LOCK) pyproject.toml --group dev --output-file requirements-dev.txt
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock"

# Seven days: a bad release is usually removed by then. A locked version that is younger is replaced by an older one.
upgrade: LOCK += --upgrade --exclude-newer "7 days"
upgrade: lock

# Exactly the lock. --no-deps: pip before 23.3 resolves a requirement with an extra again, and then fails
# because of a newer release. pip check: nothing else tests whether the locked versions fit each other.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
define install
@$(INSTALL) --require-hashes -r $(1)
@$(BIN)/python -m pip --disable-pip-version-check check
endef

$(VENV)/runtime: requirements.txt | $(VENV)/bin/python
	@echo "Setting up $(VENV) (once) ..."
	$(call install,requirements.txt)
	@touch $@

$(VENV)/dev: requirements-dev.txt pyproject.toml | $(VENV)/bin/python
	@echo "Setting up $(VENV) for development (once) ..."
	$(call install,requirements-dev.txt)
	@$(INSTALL) --no-build-isolation --editable .
	@touch $@ $(VENV)/runtime

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; point PYTHON at one, e.g. make demo PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV)

clean:
	rm -rf .venv .venv-* .tools .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache dist
