# Storehouse: every task has a target here, and CI runs the same ones. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Of a new demo shop; without it the shop that exists stays, and a new one is small
SIZE ?=
DAYS ?= 1
SELECT ?=
PORT ?= 8080
# Where to build: dev (DuckDB), postgres or spark
TARGET ?= $(or $(STOREHOUSE_TARGET),dev)
export REFERENCE ?= ../shared/reference

# Every runtime file lives in one folder. dbt reads the same values from .env when it is run by hand.
export STOREHOUSE_DATA_DIR ?= data
export DBT_PROFILES_DIR ?= profiles
export DBT_TARGET_PATH ?= $(STOREHOUSE_DATA_DIR)/target
export DBT_LOG_PATH ?= $(STOREHOUSE_DATA_DIR)/logs
# One id from the load to the publish: the history of runs is kept under it.
export STOREHOUSE_RUN_ID := $(or $(STOREHOUSE_RUN_ID),$(shell date -u +%Y%m%dT%H%M%SZ)-$(shell echo $$$$))

# Beside dbt's own target folder, whose run_results.json is then that of the last build
DOCS := $(STOREHOUSE_DATA_DIR)/docs
# What the models were at the last whole and green build, for `make try` to compare with
STATE := $(STOREHOUSE_DATA_DIR)/state
BIN := .venv/bin
PY := $(BIN)/python
READY := .venv/.storehouse-setup
# Of the demo shop that exists
SHOP_SIZE = $(shell sed -n 's/.*"size": "\([a-z]*\)".*/\1/p' $(STOREHOUSE_DATA_DIR)/demo_shop/state.json 2>/dev/null)
# Commands that use the warehouse of TARGET
IN := $(if $(filter-out dev ci,$(TARGET)),$(PY) -m warehouses with $(TARGET) --)
step = @printf '\n\033[1m▸ %s\033[0m\n' "$(1)"

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  \033[36m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ The main things

.PHONY: run
run: demo warehouse ingest build publish docs $(if $(filter spark,$(TARGET)),,dashboard) summary ## Set up, start the demo shop, load, build, test, publish, show

.PHONY: test
test: setup lint ## Set up and run every test: lint, Python end to end, dbt unit and data tests, a tiny shop on Spark
	$(call step,Spark)
	@{ $(PY) -m warehouses jars && $(MAKE) spark-setup; } || echo "! Spark's tests are left out, for the reason above."
	$(call step,Browser for the docs test)
	@scripts/browser.sh
	$(call step,Tests)
	@$(PY) -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder -m "not faults"

.PHONY: spark-test
spark-test: spark-setup ## Compare a tiny shop on Spark with DuckDB, mart by mart, and hurt the cluster
	@$(PY) -m pytest tests/python/test_spark.py

.PHONY: setup
setup: $(READY) ## Install everything the project needs, inside the repository

$(READY): requirements.txt packages.yml package-lock.yml scripts/setup.sh scripts/dbt_packages.sh $(shell find offline_packages -type f 2>/dev/null)
	@scripts/setup.sh

.PHONY: spark-setup
spark-setup: .venv/.storehouse-spark ## Install Spark too, for TARGET=spark
	@$(PY) -m warehouses jars

.venv/.storehouse-spark: requirements-spark.txt $(READY)
	@scripts/setup.sh spark

##@ The demo shop

.PHONY: demo
demo: setup ## Start the demo shop: SIZE=tiny|small|large for a new one
	$(call step,Demo shop)
	@$(PY) -m demo_shop start $(if $(SIZE),--size $(SIZE)) --write-secrets

.PHONY: demo-advance
demo-advance: setup ## Let DAYS=1 or more pass in the shop
	@$(PY) -m demo_shop advance --days $(DAYS)

.PHONY: demo-status
demo-status: setup ## What the shop holds, its ports and its day
	@$(PY) -m demo_shop status

.PHONY: demo-stop
demo-stop: setup ## Stop the demo shop and keep its data
	@$(PY) -m demo_shop stop

.PHONY: demo-reset
demo-reset: setup ## Stop the demo shop and delete its data
	@$(PY) -m demo_shop reset

.PHONY: demo-incident
demo-incident: setup ## Watch a provider rename a field on Friday night, in a shop of its own: three minutes
	@OPERATIONS__ALERTS__URLS= STOREHOUSE_DATA_DIR=$(STOREHOUSE_DATA_DIR)/incident $(PY) -m demo_shop.incident
	@STOREHOUSE_DATA_DIR=$(STOREHOUSE_DATA_DIR)/incident $(PY) -m demo_shop stop

##@ The pipeline, step by step

.PHONY: warehouse
warehouse: setup $(if $(filter spark,$(TARGET)),spark-setup) ## Start the warehouse of TARGET=postgres|spark; DuckDB needs no start
ifneq ($(IN),)
	$(call step,Warehouse)
	@$(PY) -m warehouses start $(TARGET) $(if $(filter large,$(SIZE) $(SHOP_SIZE)),,--small)
endif

.PHONY: ingest
ingest: setup ## Load what is new from every source into the warehouse: FROM=2025-02-21 asks them again from then
	$(call step,Ingest)
	@$(IN) $(PY) -m operations run-locked --for ingest -- $(PY) -m ingestion $(if $(FROM),--from $(FROM))

.PHONY: build
build: setup ## Build seeds, snapshots and models, and test them: SELECT=model+ for a part
	$(call step,Build)
	@$(IN) $(PY) scripts/preflight.py
	@$(IN) $(PY) -m operations build -- $(if $(SELECT),--select $(SELECT))
	@$(if $(SELECT)$(IN),,mkdir -p $(STATE) && cp $(DBT_TARGET_PATH)/manifest.json $(STATE)/)

.PHONY: replay
replay: ingest ## Judge rejected rows anew after a mend, and rebuild all: FROM=2025-02-21 asks the sources again from then
	$(call step,Replay)
	@$(IN) $(PY) -m operations build -- --full-refresh

.PHONY: publish
publish: setup ## Show the marts to readers, all at once, after a green build
	$(call step,Publish)
	@$(if $(filter spark,$(TARGET)),echo "  Not on Spark: readers there read the marts and each changes in one commit.",$(IN) $(PY) -m operations publish)

.PHONY: rollback
rollback: setup ## Show readers the state before the one they see
	@$(IN) $(PY) -m operations rollback

.PHONY: docs
docs: setup ## Write the docs site into one file
	$(call step,Docs)
	@$(IN) $(BIN)/dbt --quiet docs generate --static --exclude resource_type:test --target-path $(DOCS)
	@echo "✓ $(DOCS)/static_index.html"

.PHONY: docs-serve
docs-serve: docs ## Write and serve the docs site: PORT=8080
	@$(BIN)/dbt docs serve --target-path $(DOCS) --host 127.0.0.1 --port $(PORT) --no-browser

.PHONY: summary
summary: setup ## What the last run loaded, built and found
	@$(IN) $(PY) scripts/summary.py

.PHONY: dashboard
dashboard: setup ## Draw the published marts into one HTML file
	$(call step,Dashboard)
	@$(IN) $(PY) -m dashboards

.PHONY: chart
chart: setup ## Draw the README's chart from the published marts
	@$(IN) $(PY) -m dashboards --image

##@ Operating it

.PHONY: export
export: setup ## Write the published marts as Parquet and CSV: TO=folder or URL, BY=day|month|year
	@$(IN) $(PY) -m operations export $(if $(TO),--to $(TO)) $(if $(BY),--by $(BY))

.PHONY: backup
backup: setup ## Copy the warehouse together with the state of its loads
	@$(IN) $(PY) -m operations backup

.PHONY: restore
restore: setup ## Go back to the newest backup, or to BACKUP=name
	@$(IN) $(PY) -m operations restore $(BACKUP)

.PHONY: prune
prune: setup ## Delete what is older than [operations] in .dlt/config.toml wants to keep
	@$(IN) $(PY) -m operations prune

.PHONY: forget
forget: setup ## Erase one person for good and publish: CUSTOMER=number or e-mail address
	@$(IN) $(PY) -m operations forget "$(CUSTOMER)"

.PHONY: alert
alert: setup ## Tell what is wrong and was not told yet; failed steps and publishes do it by themselves
	@$(IN) $(PY) -m operations alert

##@ Working on the project

.PHONY: bench-build
bench-build: setup ## Measure a day's build as history grows 16 times: SIZE=tiny|small|large HISTORY=1|4|16 for one step
	@$(PY) benchmarks/build.py --size $(or $(SIZE),small) $(if $(HISTORY),--history $(HISTORY))

.PHONY: bench-ingest
bench-ingest: setup ## Measure ingestion beside the fastest ways there are: ROWS=1000000 (5000000 takes eight minutes)
	@$(PY) benchmarks/ingest.py --rows $(or $(ROWS),1000000)

.PHONY: chaos
chaos: setup ## Hurt loads on purpose and see them heal: ROUNDS=30 kills at random, and every fault we know
	$(call step,Chaos)
	@STOREHOUSE_CHAOS_ROUNDS=$(or $(ROUNDS),30) $(PY) -m pytest --verbose $(addprefix tests/python/test_,$(addsuffix .py, \
		ingestion_chaos ingestion_api ingestion_drift cdc kafka))

.PHONY: try
try: setup ## Build and test what you edited in a sandbox, and say what it changes: SELECT=model+ for something else
	@$(PY) -m scripts.sandbox $(SELECT)

.PHONY: failures
failures: setup ## Show the rows that the failed tests of the last build found, and keep them
	@$(PY) -m scripts.failures

.PHONY: verify-reference
verify-reference: setup ## Compare the models with published numbers: REFERENCE=folder of the data sets
	$(call step,Published numbers)
	@$(PY) scripts/verify_reference.py

.PHONY: lint
lint: setup ## Check SQL, Python and YAML, and that dbt parses without a warning
	$(call step,Lint)
	@$(BIN)/pre-commit run --all-files --show-diff-on-failure

.PHONY: fix
fix: setup ## Mend what the linters can mend by themselves
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format . ; $(BIN)/sqlfluff fix --quiet .

.PHONY: lock
lock: setup ## Renew requirements.txt after a change of pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header --upgrade --quiet --output-file requirements.txt
	@sed -i.bak '1i # Locked by `make lock` from pyproject.toml: exact versions with hashes, for every platform.' requirements.txt
	@$(BIN)/uv pip compile pyproject.toml --group spark --universal --python-version 3.11 --constraint requirements.txt \
		--generate-hashes --no-annotate --no-header --quiet --output-file requirements-spark.txt
	@sed -i.bak '1i # Locked by `make lock`: what building on Spark needs.' requirements-spark.txt
	@rm requirements.txt.bak requirements-spark.txt.bak

.PHONY: clean
clean: ## Stop the demo shop and delete every runtime file: data/, .venv/, dbt_packages/
	@if [ -e $(STOREHOUSE_DATA_DIR)/warehouse.duckdb ] && [ ! -e $(STOREHOUSE_DATA_DIR)/demo_shop ] && [ "$(SURE)" != yes ]; then \
		echo "✗ $(STOREHOUSE_DATA_DIR)/ holds a warehouse of your own shop; its snapshots cannot be rebuilt. To delete it: make clean SURE=yes" >&2; exit 1; fi
	@[ ! -x $(PY) ] || $(PY) -m demo_shop reset
	@rm -rf $(STOREHOUSE_DATA_DIR) .venv dbt_packages .env
	@echo "✓ Clean. Next: make run"
