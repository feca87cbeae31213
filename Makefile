# Everything happens in .venv; nothing else on the machine is touched.
.DEFAULT_GOAL := help
.SUFFIXES:
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: help up test test-unit lint format faults fuzz bench docs lock peers clean

help: ## Show this help
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 12

.venv/runtime.stamp: requirements/runtime.txt pyproject.toml
	@echo 'Installing Roundhouse into .venv (once; about a minute) …'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) --require-hashes -r requirements/runtime.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/test.stamp: requirements/test.txt .venv/runtime.stamp
	@echo 'Installing what the tests need into .venv …'
	@$(PIP) --require-hashes -r requirements/test.txt
	@touch $@

.venv-%/stamp: requirements/peer-%.txt
	@echo 'Installing $* into .venv-$* (a real peer that the tests talk to) …'
	@test -x .venv-$*/bin/python || $(PYTHON) -m venv .venv-$*
	@.venv-$*/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements/peer-$*.txt
	@touch $@

up: .venv/runtime.stamp ## Install and start Roundhouse on http://127.0.0.1:8484
	@exec $(BIN)/roundhouse up $(ARGS)

peers: .venv-litellm/stamp .venv-mlx/stamp ## Install the real peers that tests and benchmarks use

test: .venv/test.stamp peers ## Install what tests need and run the whole suite
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

test-unit: .venv/test.stamp ## The quick tier: unit and property tests
	@$(BIN)/python -m pytest tests/unit tests/properties $(ARGS)

lint: .venv/test.stamp ## Format check, lint, types, layers, sizes
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports
	@$(BIN)/python scripts/check_sizes.py

format: .venv/test.stamp ## Rewrite the code in the house's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

faults: .venv/test.stamp peers ## The fault tests at their full counts
	@ROUNDHOUSE_FAULTS=full $(BIN)/python -m pytest -s $(FAULTS) $(ARGS)

FAULTS := tests/faults tests/e2e/test_pull.py tests/e2e/test_fallback.py tests/e2e/test_clients_leave.py \
	tests/properties/test_steering.py tests/properties/test_breaker.py tests/properties/test_every_split.py \
	tests/unit/health/test_breaker_table.py tests/unit/serving/test_half_open.py

fuzz: .venv/test.stamp ## Mutated model files, 200,000 of each format
	@ROUNDHOUSE_FUZZ=$(or $(COUNT),200000) $(BIN)/python -m pytest -s tests/properties/test_mutated_headers.py $(ARGS)

bench: .venv/test.stamp .venv-litellm/stamp ## Measure the gateway, routing and downloads against their peers
	@$(BIN)/python -m benchmarks.gateway $(ARGS)
	@$(BIN)/python -m benchmarks.routing
	@$(BIN)/python -m benchmarks.backends
	@$(BIN)/python -m benchmarks.transfers

docs: .venv/test.stamp ## Regenerate the reference pages
	@$(BIN)/python -m scripts.make_reference

lock: ## Resolve the dependencies anew (needs uv)
	uv pip compile $(LOCK) pyproject.toml --group build -o requirements/runtime.txt
	uv pip compile $(LOCK) pyproject.toml --group build --group test -o requirements/test.txt
	uv pip compile $(LOCK) requirements/peer-litellm.in -o requirements/peer-litellm.txt
	uv pip compile $(LOCK) requirements/peer-mlx.in -o requirements/peer-mlx.txt

LOCK := --quiet --upgrade --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-header --no-annotate

clean: ## Remove what make installed
	rm -rf .venv .venv-litellm .venv-mlx
