.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
export DAGSTER_DISABLE_TELEMETRY := yes
export GX_ANALYTICS_ENABLED := false

.PHONY: help run test test-slow ui plan samples templates reminders releases rollback diff check prune backup superset docs lint bench fuzz clean

help: ## List what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

.venv/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q assets expectations pipelines warehouse
	@touch $@

run: .venv/.ready ## Run the nightly job (land, refresh, release) and print what the warehouse says
	@$(BIN)/wallchart run

test: .venv/.ready ## Run the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

test-slow: .venv/.ready ## Run the slow tests
	$(BIN)/python -m pytest -n 2 --dist loadfile -m slow

ui: .venv/.ready ## Start the Dagster UI on 127.0.0.1:3000
	@$(BIN)/wallchart ui

plan: .venv/.ready ## Compile the plan, print what it holds
	@$(BIN)/wallchart plan

samples: .venv/.ready ## Write synthetic sample submissions into data/dropbox
	@$(BIN)/wallchart samples

templates: .venv/.ready ## Write the departments' fill-in workbooks for PERIOD=2022-06 into data/templates
	@$(BIN)/wallchart templates $(PERIOD)

reminders: .venv/.ready ## Print who owes what and remind them (docs/reminders.md)
	@$(BIN)/wallchart reminders

releases: .venv/.ready ## List the releases: which is current, which was rolled back
	@$(BIN)/wallchart releases

rollback: .venv/.ready ## Make the release before the current one, or RELEASE=..., current again
	@$(BIN)/wallchart rollback $(RELEASE)

diff: .venv/.ready ## What changed, and why, from release BEFORE=... (the one before) to AFTER=... (the current)
	@$(BIN)/wallchart diff $(BEFORE) $(AFTER)

check: .venv/.ready ## Verify everything in the store; what can be made again is made by the next run (docs/faults.md)
	@$(BIN)/wallchart check

prune: .venv/.ready ## List what has outlived its use, and how much it frees; DELETE=yes deletes it
	@$(BIN)/wallchart prune $(if $(filter yes,$(DELETE)),--delete)

backup: .venv/.ready ## Copy what cannot be made again to the folder TO=..., also while a run is under way
	@$(BIN)/wallchart backup $(TO)

.venv-superset/.ready: docs/bi/superset/requirements.txt
	$(PYTHON) -m venv .venv-superset
	.venv-superset/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

superset: .venv-superset/.ready ## Serve the warehouse and the ready dashboard in Superset on 127.0.0.1:8088 (docs/bi.md)
	@.venv-superset/bin/python docs/bi/superset/serve.py

docs: .venv/.ready ## Write the generated pages of docs/ and the plan's JSON Schemas
	@$(BIN)/wallchart docs
	@$(BIN)/wallchart plan --schemas

lint: .venv/.ready ## Format and lint check, types, import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.ready ## Measure a night against a DuckDB script, dbt, Dagster's I/O managers, pandas (SIZES="10000 1000000")
	$(BIN)/python -m bench $(SIZES)

fuzz: .venv/.ready ## Fuzz the readers, the clause reader, values, units and periods for SECONDS=600 in all (docs/readers.md)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r fuzz/requirements.txt
	$(BIN)/python -m fuzz $(or $(SECONDS),600)

clean: ## Remove what running made: data/ (sample submissions and warehouse included)
	chmod -R u+w data 2>/dev/null || true
	rm -rf data
