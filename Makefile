# `make` lists what there is. Everything runs in .venv, which the locked packages fill.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
VALIDATOR := build/kubernetes
KUBERNETES_VERSION := 1.34
UV_VERSION := 0.13.9
COMPILE := $(RUN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# What must be covered by tests to the last branch: the rules, and what both sides share.
COVERED := stream_processors.billing producer_app.domain schemas connectors.plan
# Two processes: while a test of one waits for its stack, the other works.
SIDE_BY_SIDE := --numprocesses 2 --no-loadscope-reorder
COVERAGE := $(addprefix --cov=,$(COVERED)) --cov-branch --cov-fail-under=100 --cov-report=term-missing:skip-covered

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: install ## Start the whole stack, drive sessions through it, check every bill, stop it
	@$(RUN)/outbox demo

.PHONY: test
test: install jars ## All tests, on a real stack of their own
	@$(RUN)/python -m pytest $(SIDE_BY_SIDE) $(COVERAGE) --durations 40 \
		--ignore tests/system --ignore tests/servers --ignore tests/containers tests

.PHONY: test-servers
test-servers: install jars ## Several brokers, failover, TLS and rights, upgrades; needs Debian's postgresql
	@$(RUN)/python -m pytest $(SIDE_BY_SIDE) --durations 20 tests/servers

.PHONY: test-system
test-system: install jars ## The tests that need Debian's chromium, chromium-driver, prometheus and npm
	@$(RUN)/python -m pytest --durations 20 tests/system

.PHONY: test-containers
test-containers: install ## The tests of the images: need Docker, its Compose and OUTBOX_BASE_IMAGE, or `.ci/docker make test-containers`
	@$(RUN)/python -m pytest --durations 20 tests/containers

.PHONY: images
images: install ## Build the images, and write what is in them below build/
	@$(RUN)/python -m infra.images.build

.PHONY: unit
unit: install ## The tests that need no stack: quick
	@$(RUN)/python -m pytest tests/unit

.PHONY: integration
integration: install jars ## The tests of each part on the real stack
	@$(RUN)/python -m pytest tests/integration

.PHONY: faults
faults: install jars ## Faults while an application writes; FAULTS="--minutes 60 --rate 200 --report FILE"
	@$(RUN)/python -m tests.faults $(FAULTS)

.PHONY: bench
bench: install jars ## This pipeline and the publishers it replaces, side by side: an hour; BENCH="--only systems"
	@$(RUN)/python -m benchmarks.side_by_side $(BENCH)

.PHONY: up
up: install ## Start the local stack and keep it
	@$(RUN)/outbox up

.PHONY: down
down: install ## Stop the local stack; its data stays
	@$(RUN)/outbox down

.PHONY: status
status: install ## Show each process of the local stack
	@$(RUN)/outbox status

.PHONY: lint
lint: install ## Check style and types, and audit what is locked
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check .
	@$(RUN)/mypy
	@$(MAKE) --no-print-directory audit

.PHONY: audit
audit: install ## Look for known vulnerabilities; OUTBOX_AUDIT=where-reachable passes where none can be asked
	@$(RUN)/python -m infra.audit

.PHONY: manifests
manifests: $(VALIDATOR)/.installed ## Check the manifests for Kubernetes against the schemas of its API
	@$(VALIDATOR)/bin/kubernetes-validate --strict -k $(KUBERNETES_VERSION) \
		infra/kubernetes/base/[!k]*.yaml infra/kubernetes/connect/[!k]*.yaml

.PHONY: format
format: install ## Put the code into its format
	@$(RUN)/ruff format .
	@$(RUN)/ruff check --fix .

.PHONY: lock
lock: install ## Resolve all dependencies anew: Python packages and jars
	@$(RUN)/python -m pip install --quiet uv==$(UV_VERSION)
	@$(COMPILE) pyproject.toml --extra tracing --output-file requirements.lock
	@$(COMPILE) pyproject.toml --extra tracing --extra local --extra dev --output-file requirements-dev.lock
	@# What the images are built with, and Connect's is run by, in the versions that all else has.
	@for group in build-outbox build-connect run-connect; do \
		$(COMPILE) --group $$group --constraint requirements-dev.lock \
			--output-file infra/images/$$group.lock; \
	done
	@$(COMPILE) --group validate-kubernetes --output-file infra/kubernetes/validate.lock
	@$(RUN)/python -m infra.local.lock_jars

.PHONY: clean
clean: ## Stop the local stack and delete it, its data, and .venv
	@if [ -x $(RUN)/outbox ]; then \
		$(RUN)/outbox down --purge; \
		for home in .outbox-*/; do \
			[ ! -d "$$home" ] || OUTBOX_HOME="$(CURDIR)/$${home%/}" $(RUN)/outbox down --purge; \
		done; \
	fi
	@rm -rf $(VENV) build *.egg-info .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache

.PHONY: jars
jars: install
	@$(RUN)/python -m infra.local.training

.PHONY: install
install: $(INSTALLED)

# Apart: all versions' schemas are many files, which nothing else needs.
$(VALIDATOR)/.installed: infra/kubernetes/validate.lock
	@$(PYTHON) -m venv $(VALIDATOR)
	@$(VALIDATOR)/bin/pip install --quiet --require-hashes --no-deps --requirement $<
	@touch $@

$(INSTALLED): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed, and $(PYTHON) is not: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo "$(PYTHON) has no venv module: install it (Debian: python3-venv)." >&2; exit 1; }
	@echo "Installing the packages of requirements-dev.lock into $(VENV)"
	@# The lock names every package: pip is to resolve nothing. Where it may, it takes the newest
	@# release for a requirement with an extra (coverage[toml]) and refuses it for want of a hash.
	@$(RUN)/python -m pip install --require-hashes --no-deps --requirement requirements-dev.lock \
		| awk -v total="$$(grep -c '^[a-z].*==' requirements-dev.lock)" \
			'/^Collecting/ { if (++count % 20 == 0) print "  " count " of about " total }'
	@# Of folders with our packages' names it warns in ten lines: they are the packages.
	@PYTHONWARNINGS='ignore:Editable installation' $(RUN)/python -m pip install --quiet --no-index \
		--no-deps --no-build-isolation --editable .
	@$(RUN)/python -m pip check
	@touch $@
