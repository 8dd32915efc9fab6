# make run    the hub with its embedded database, web chat and sample orders; nothing else is needed
# make test   everything: style, types, boundaries, unit, corpus, integration, browser and crash tests
# make quick  the tests that need no server, in seconds
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
MARKED := -p no:cacheprovider --timeout 300

.PHONY: run setup setup-test servers test quick style unit marked bench lock image clean

run: setup
	@exec $(BIN)/frontdesk serve

setup: $(VENV)/.trial
setup-test: $(VENV)/.development

$(BIN)/python:
	@tools/find-python $(VENV)

$(VENV)/.trial: requirements/trial.txt pyproject.toml | $(BIN)/python
	@test -e $(VENV)/.development || { echo "Installing (once, about a minute) ..."; $(PIP) -r requirements/trial.txt; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $@

$(VENV)/.development: requirements/development.txt pyproject.toml | $(BIN)/python
	@echo "Installing what the tests need (once) ..."
	@$(PIP) -r requirements/development.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $@

servers: setup-test
	@tests/servers/install

test: servers style unit marked

style: setup-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: setup-test
	$(BIN)/python -m pytest -q -n 2

quick: setup-test
	$(BIN)/python -m pytest -q

marked: servers
	$(BIN)/python -m pytest -q $(MARKED) -m corpus tests/corpus
	$(BIN)/python -m pytest -q $(MARKED) -m "integration or e2e or faults" tests

bench: servers
	$(BIN)/python -m tests.bench

# One resolution for all; the smaller lists are cut from the largest, so that every list names the same versions.
lock: setup-test
	@tools/lock $(BIN)

image:
	docker build --tag frontdesk .

clean:
	rm -rf $(VENV) data tests/.servers
