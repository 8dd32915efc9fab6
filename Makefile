# make run    the hub with its embedded database, web chat and sample orders; nothing else is needed
# make emulate  stand-ins of Slack, Telegram, WhatsApp and mail to develop against, without accounts
# make test   everything: style, types, boundaries, unit, corpus, integration, browser and crash tests
# make quick  the tests that need no server, in seconds
# make faults the fault campaign: crash matrix, outages, mutants, every row of the fault plan
# make nlu-bench  how well texts are understood, on public sets
# make faults-long  the same with 100 seeds, three minutes of outage, a thousand webhooks a hundred times, an hour's soak
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
FIGURES := $(CURDIR)/tests/.figures.jsonl
MARKED := -p no:cacheprovider --timeout 300

.PHONY: run emulate setup setup-test servers test quick style unit marked faults faults-long bench nlu-bench lock image clean

run: setup
	@exec $(BIN)/frontdesk serve

emulate: setup
	@exec $(BIN)/frontdesk emulate

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
	FRONTDESK_FAULT_SEEDS=1 $(BIN)/python -m pytest -q $(MARKED) -m "integration or e2e or (faults and not campaign)" tests

faults: servers
	@rm -f $(FIGURES)
	FRONTDESK_FAULT_FIGURES=$(FIGURES) $(BIN)/python -m pytest -q -n 3 --dist worksteal -p no:cacheprovider --timeout 900 -m "faults or campaign" tests/faults
	$(BIN)/python -m tests.faults.report $(FIGURES)

faults-long: export FRONTDESK_FAULT_SEEDS = 100
faults-long: export FRONTDESK_FAULT_OUTAGE_S = 180
faults-long: export FRONTDESK_FAULT_COPIES_OF = 1000
faults-long: export FRONTDESK_FAULT_BOUNCES = 10000
faults-long: export FRONTDESK_FAULT_SOAK_S = 3600
faults-long: faults

bench: servers
	$(BIN)/python -m tests.bench

# Understanding on the public sets of ../shared/data, beside its floors and aims; about ten minutes of one core.
nlu-bench: setup-test
	$(BIN)/python -m tests.bench.nlu
	$(BIN)/python -m tests.bench.nlu.dates
	$(BIN)/python -m tests.bench.nlu.slots

# One resolution for all; the smaller lists are cut from the largest, so that every list names the same versions.
lock: setup-test
	@tools/lock $(BIN)

image:
	docker build --tag frontdesk .

clean:
	rm -rf $(VENV) data tests/.servers
