# The two commands are `make run` and `make test`. What they need, they set up themselves.
.PHONY: run test check bench lock format setup setup-test
.DEFAULT_GOAL := help

PYTHON = .venv/bin/python
BIN = .venv/bin

help:
	@echo "make run    everything, on http://127.0.0.1:8000 (PORT, PORTAL_DATA_DIR)"
	@echo "make test   everything: lint, types, contracts, all tests"
	@echo "make check  the same without servers and browser, in two minutes"
	@echo "make bench  what is fast, as ratios against a floor"

setup:
	@sh .ci/setup run

setup-test:
	@sh .ci/setup test

run: setup
	@exec $(PYTHON) -m portal.running

lint: setup-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint --lint --quiet templates

check: lint
	$(BIN)/pytest -m "not server" -n 2

test: lint
	$(BIN)/pytest -n 2

bench: setup-test
	$(PYTHON) -m tests.bench

format:
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header requirements.in -o requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header requirements-dev.in -o requirements-dev.txt
