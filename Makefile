# One word per task; `make` alone lists them. A bare machine needs make, git and Python 3.11 or newer.
# What a task passes on is given in ARGS: make test ARGS="-k reply", make serve ARGS="--help".
#
# Everything is installed into .venv from files that pin each package by hash; a stamp beside the packages
# remembers which pins they came from, so nothing is installed twice.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
JAVASCRIPT := tests/clients/javascript
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --no-deps --no-compile
PINS := $(BIN)/uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url

# The node and npm of the development packages come before the system's. They trust what the system trusts.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export NODE_USE_SYSTEM_CA := 1

# What Python compiled once is kept: the tests start a hundred servers and commands, each twice as slow without it.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help serve test check fix conform fuzz bench faults pins clean

help: ## list these words
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile

serve: $(VENV)/.runtime ## run the server
	@$(BIN)/folkmoot serve $(ARGS)

test: $(VENV)/.dev $(JAVASCRIPT)/node_modules/.package-lock.json ## run every test
	$(BIN)/pytest -n auto --dist worksteal $(ARGS)

check: $(VENV)/.dev ## lint, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

fix: $(VENV)/.dev ## repair lint and format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

conform: $(VENV)/.dev ## look for answers that are not as published
	$(BIN)/pytest -n auto tests/conformance $(ARGS)

fuzz: $(VENV)/.fuzz ## look for inputs that break a parser or the server
	$(BIN)/python -m tests.fuzz $(or $(ARGS),all)

bench: $(VENV)/.dev ## run the benchmarks
	$(BIN)/python -m benchmarks $(ARGS)

faults: $(VENV)/.dev ## run rounds of kills and crashes under load
	$(BIN)/python -m tests.faults $(ARGS)

clean: ## remove what these words made
	rm -rf $(VENV) $(JAVASCRIPT)/node_modules build src/*.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .fuzz
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- what is installed

$(BIN)/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Folkmoot needs Python 3.11 or newer, and '$(PYTHON)' is not. Say which: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; }
	@echo "Making $(VENV) with $(PYTHON)"
	@"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.runtime: requirements.txt pyproject.toml | $(BIN)/python
	@echo "Installing what the server needs"
	@$(PIP) --only-binary :all: --require-hashes -r requirements.txt
	@$(PIP) --no-build-isolation -e .
	@touch $@

# requirements-dev.txt repeats the runtime's pins, so it is enough alone.
$(VENV)/.dev: requirements-dev.txt requirements.txt pyproject.toml | $(BIN)/python
	@echo "Installing what the tests need"
	@$(PIP) --only-binary :all: --require-hashes -r requirements-dev.txt
	@$(PIP) --no-build-isolation -e .
	@touch $(VENV)/.runtime $@

$(VENV)/.fuzz: requirements-fuzz.txt $(VENV)/.dev
	@echo "Installing what fuzzing needs"
	@$(PIP) --only-binary :all: --require-hashes -r requirements-fuzz.txt
	@touch $@

$(JAVASCRIPT)/node_modules/.package-lock.json: $(JAVASCRIPT)/package.json $(JAVASCRIPT)/package-lock.json $(JAVASCRIPT)/.npmrc | $(VENV)/.dev
	@echo "Installing the JavaScript clients"
	@cd $(JAVASCRIPT) && npm ci --loglevel=error --ignore-scripts --no-audit --no-fund
	@touch $@

# --- what is pinned

# npm writes the addresses at which packages ask for money into the lock; a lock needs names and hashes only.
define WITHOUT_ADDRESSES
const fs = require("fs"), lock = JSON.parse(fs.readFileSync("package-lock.json"));
for (const entry of Object.values(lock.packages)) { delete entry.funding; delete entry.resolved; }
fs.writeFileSync("package-lock.json", JSON.stringify(lock, null, 2) + "\n");
endef
export WITHOUT_ADDRESSES

pins: $(VENV)/.dev ## renew every pin
	$(PINS) --group build -o requirements.txt
	$(PINS) --group build --extra opentelemetry -c requirements.txt -o requirements-opentelemetry.txt
	$(PINS) --group build --group dev -c requirements.txt -o requirements-dev.txt
	$(subst pyproject.toml,,$(PINS)) --group fuzz -o requirements-fuzz.txt
	cd $(JAVASCRIPT) && rm -rf package-lock.json node_modules && npm install --loglevel=error --package-lock-only
	cd $(JAVASCRIPT) && node -e "$$WITHOUT_ADDRESSES"
	@! grep -n '://' requirements*.txt $(JAVASCRIPT)/package-lock.json
