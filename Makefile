# Entente. `make` alone lists the targets. Needs bash, GNU make, Python from 3.11 to 3.14, and PyPI.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# The targets use all cores, and some tests want the machine for themselves.
.NOTPARALLEL:

# An interpreter that is named, PYTHON=python3.13, has an environment of its own.
VENV := $(if $(filter command environment,$(firstword $(origin PYTHON))),.venv-$(notdir $(PYTHON)),.venv)
BIN := $(VENV)/bin
# Passed on to the program behind demo, bench and soak, for example: make demo ARGS="--baskets 500".
ARGS ?=
# Workers that run tests at the same time; each has its own ports and folders.
TEST_WORKERS ?= 2
# The first interpreter of a supported version; shims that cannot run are passed over.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { echo "$$p"; break; }; done)

# A stamp says that the environment holds what pyproject.toml named when it was made.
RUN_STAMP := $(VENV)/.installed-run
DEMO_STAMP := $(VENV)/.installed-demo
DEV_STAMP := $(VENV)/.installed-dev

.PHONY: help
help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-14s %s\n", $$1, $$2 }'

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer is needed; name one with PYTHON=…" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(DEMO_STAMP): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]'
	@touch $(RUN_STAMP) $@

$(DEV_STAMP): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo,dev]'
	@touch $(RUN_STAMP) $(DEMO_STAMP) $@

.PHONY: venv
venv: $(BIN)/python ## Make an empty virtual environment in .venv.

.PHONY: install
install: $(RUN_STAMP) ## Install entente into .venv; then run .venv/bin/entente.

.PHONY: dev
dev: $(DEV_STAMP) ## Install entente with everything that development needs, and the commit hooks.
	$(BIN)/pre-commit install

.PHONY: demo
demo: $(DEMO_STAMP) ## Run the demo: four brands on real shopping data (ARGS="--help" lists its options).
	$(BIN)/entente demo $(ARGS)

.PHONY: test
test: lint unit simulation integration processes ## Run all checks and tests (ten minutes on two cores). PYTHON=python3.13 names the interpreter, ENTENTE_ENGINE=rocksdb what keeps all data.

# Tracing makes the tests half as slow again, so that it has a target of its own.
.PHONY: coverage
coverage: $(DEV_STAMP) ## Run the tests but for the simulator, and print the coverage of branches.
	$(BIN)/pytest $(FAST_TESTS) -n $(TEST_WORKERS) --cov --cov-report=
	$(BIN)/pytest tests/integration -n $(TEST_WORKERS) --cov --cov-append --cov-report=
	$(BIN)/pytest tests/processes --cov --cov-append --cov-report=term:skip-covered

.PHONY: lint
lint: $(DEV_STAMP) ## Check style, types and who imports whom.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Named one by one: pytest does not ignore what its own testpaths name.
FAST_TESTS := tests/unit tests/properties tests/scenarios tests/vectors tests/mutants tests/model

.PHONY: unit
unit: $(DEV_STAMP) ## Run the tests that need no process of their own, in parallel.
	$(BIN)/pytest $(FAST_TESTS) -n $(TEST_WORKERS)

.PHONY: simulation
simulation: $(DEV_STAMP) ## Run the simulator's seeds that belong to the tests.
	$(BIN)/pytest tests/simulation tests/whole_node -n $(TEST_WORKERS)

.PHONY: integration
integration: $(DEV_STAMP) ## Run the tests with real sockets within one process, in parallel.
	$(BIN)/pytest tests/integration -n $(TEST_WORKERS)

# A file is one worker's, because its tests share a network. Then those that judge time, with nothing beside them.
.PHONY: processes
processes: $(DEV_STAMP) ## Run the tests with real nodes as processes of their own.
	$(BIN)/pytest tests/processes -m "not alone" -n $(TEST_WORKERS) --dist loadfile
	$(BIN)/pytest tests/processes -m alone

.PHONY: format
format: $(DEV_STAMP) ## Format the sources.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(DEV_STAMP) ## Measure four validators under each load of the goals table, and where their CPU goes (3 minutes; ARGS="--only transfer").
	$(BIN)/python -m tests.bench.bench_loads $(ARGS)

.PHONY: bench-latency
bench-latency: $(DEV_STAMP) ## Measure light load beside each of the heaviest reads (5 minutes; ARGS="--only state_proof,metrics --seconds 3").
	$(BIN)/python -m tests.bench.bench_latency $(ARGS)

.PHONY: bench-outage
bench-outage: $(DEV_STAMP) ## Stop two of four validators for a minute under load, and measure how soon the backlog is gone (ARGS="--seconds 10 --rate 300").
	$(BIN)/python -m tests.bench.bench_outage $(ARGS)

.PHONY: bench-validators
bench-validators: $(DEV_STAMP) ## Measure a block's messages, bytes and CPU with 4, 7, 13 and 31 validators (1 minute; ARGS="--trickle"); real processes: tests.bench.validator_processes.
	$(BIN)/python -m tests.bench.bench_validators $(ARGS)

# The rivals' client libraries need an interpreter of their own; the environment is made in .venv-peers.
PEER_PYTHON ?=

.PHONY: bench-peers
bench-peers: $(DEV_STAMP) ## Run neo-go and anvil beside four validators, in turn, and print the ratios (10 minutes; PEER_PYTHON=python3.13, ARGS="--rounds 1").
	$(BIN)/python -m tests.bench.bench_peers $(if $(PEER_PYTHON),--python $(PEER_PYTHON)) $(ARGS)

.PHONY: bench-scale
bench-scale: $(DEV_STAMP) ## Measure chains of 1 thousand, 1 and 10 million members and of 50 million purchases; an hour, 20 GB (ARGS="--members 1000,100000 --purchases 0 --cache FOLDER").
	$(BIN)/python -m tests.bench.bench_scale $(ARGS)

.PHONY: bench-ledger
bench-ledger: $(DEV_STAMP) ## Measure each call and view of the contracts into docs/costs.md, and how their costs grow (5 minutes).
	$(BIN)/python -m tests.bench.bench_calls --markdown docs/costs.md
	$(BIN)/python -m tests.bench.bench_ledger $(ARGS)

# A number of fresh seeds, or a range A-B. `make test` runs its own 500, or those that SEEDS names.
SEEDS ?=
# Seeds of the naive ledger, a range A-B; 10,000 calls each. `make test` runs 1-20.
LEDGER_SEEDS ?=

.PHONY: soak
soak: $(DEV_STAMP) ## Simulate faulty clusters on all cores: SEEDS=10000 fresh seeds, SEEDS=A-B, ARGS="--seed N", ARGS=--whole-node for whole nodes; then soak-ledger and soak-rules.
	$(BIN)/python -m tests.simulation $(or $(ARGS),--soak $(or $(SEEDS),1000))
	$(if $(ARGS),,$(MAKE) soak-ledger soak-rules)

.PHONY: soak-ledger
soak-ledger: $(DEV_STAMP) ## Hold the ledger against a naive one on all cores: 200 seeds, or LEDGER_SEEDS=A-B.
	LEDGER_SEEDS=$(or $(LEDGER_SEEDS),3001-3200) $(BIN)/pytest tests/properties/test_ledger_model.py -n auto -k naive

# Seeds of the rule language's random expressions; `make test` runs 20,000 expressions.
RULES_EXPRESSIONS ?= 1000000

.PHONY: soak-rules
soak-rules: $(DEV_STAMP) ## Hold the rule language against Google's CEL and its interpreter on all cores: a million expressions each.
	RULES_EXPRESSIONS=$(RULES_EXPRESSIONS) $(BIN)/pytest tests/properties/test_rules_oracle.py tests/properties/test_rules_twin.py -n auto

.PHONY: bench-rules
bench-rules: $(DEV_STAMP) ## Measure the rule language: evaluations a second, checking, what a unit takes (some 30 seconds).
	$(BIN)/python -m tests.bench.bench_rules $(ARGS)

.PHONY: model
model: $(DEV_STAMP) ## Visit every state of the abstract protocol at small bounds (ARGS=--traces tells the attacks).
	$(BIN)/python -m tests.model $(ARGS)

.PHONY: mutants
mutants: $(DEV_STAMP) ## Break the core's rules one by one; the tests must notice each (ARGS="--only lock" for some).
	$(BIN)/python -m tests.mutants $(ARGS)

.PHONY: membership
membership: $(DEV_STAMP) ## Grow real validators from 4 to 7 and shrink them back, under load.
	ENTENTE_MEMBERSHIP=7 $(BIN)/pytest -s tests/processes/test_membership.py $(ARGS)

.PHONY: wide
wide: $(DEV_STAMP) ## Real validators behind delay, jitter, loss, partitions, wrong clocks; needs root (ARGS="--only clocks").
	$(BIN)/python -m tests.wide $(ARGS)

.PHONY: chaos
chaos: $(DEV_STAMP) ## Ten minutes of real validators under load and in trouble; needs root (ARGS="--minutes 3 --seed 2").
	$(BIN)/python -m tests.chaos $(ARGS)

.PHONY: byzantine
byzantine: $(DEV_STAMP) ## One real validator of four lies, each lie in turn (ARGS="--only flooding").
	$(BIN)/python -m tests.byzantine $(ARGS)

.PHONY: attack
attack: $(DEV_STAMP) ## Attack four real validators in every known way; some 15 minutes (ARGS="--only descriptors --seconds 20").
	$(BIN)/python -m tests.attack $(ARGS)

.PHONY: reaction
reaction: $(DEV_STAMP) ## Measure the time to a block after the proposer is killed, idle cost, growth (ARGS are passed on).
	$(BIN)/python -m tests.chaos.reaction $(ARGS)

.PHONY: sync-bench
sync-bench: $(DEV_STAMP) ## Measure catching up by 50,000 blocks from three nodes of which one lies (some 5 minutes).
	$(BIN)/python -m tests.bench.bench_sync $(or $(ARGS),--liar)

.PHONY: disk-full
disk-full: $(DEV_STAMP) ## Fill a validator's disk under load, again and again; needs root (some 2 minutes).
	$(BIN)/python -m tests.processes.disk_full $(ARGS)

.PHONY: snapshot-bench
snapshot-bench: $(DEV_STAMP) ## Measure joining a chain with a million keys by snapshot, from two nodes (some 2 minutes).
	$(BIN)/python -m tests.bench.bench_snapshot $(ARGS)

.PHONY: docker-test
docker-test: $(DEV_STAMP) ## Build the image and test four containers; needs docker.
	$(BIN)/python tests/docker/run.py

.PHONY: nightly
nightly: $(DEV_STAMP) ## Run the long checks one after the other and print one table; some hours (ARGS="--list", ARGS="--only chaos").
	$(BIN)/python -m tests.nightly $(ARGS)

.PHONY: clean
clean: ## Delete what tools have left behind; .venv and testnets stay.
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.* htmlcov build dist
	find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +
