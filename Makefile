# Everything a newcomer needs: `make run` and `make test`. `make help` lists the rest.
# Every tool has an environment of its own in .venvs/, made on the first use; nothing else is installed on the machine.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.NOTPARALLEL:

# The interpreter that the environments are made from: Python 3.11 or newer.
PYTHON ?= python3
PY := .venvs/project/bin/python
BIN := .venvs/project/bin

# Where the local cloud keeps its state; another folder is another cloud.
INCENTIVES_LOCAL_DIR ?= .local
export INCENTIVES_LOCAL_DIR

# Typed and linted by the strictest rules.
CODE := $(wildcard layers/incentives functions sandbox local console)

.PHONY: help
help: ## show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 } /^## / { print "\n" substr($$0, 4) }' $(firstword $(MAKEFILE_LIST))

## The local cloud

.PHONY: run
run: env ## start everything, issue one gift card, stay until Ctrl-C
	@exec $(PY) -m local run

.PHONY: up
up: env ## the same in the background (INCENTIVES_ENDPOINT=URL: against another Incentives API)
	@$(PY) -m local run --background

.PHONY: down
down: env-project ## stop what `make up` started
	@$(PY) -m local down

.PHONY: call
call: env-project ## sign and send one request: METHOD=POST ROUTE=/gift-cards KEY=order-1 BODY='{"amount": "25.00", ...}'
	@$(PY) -m local call

.PHONY: put-keys
put-keys: env-project ## store an account's keys: ACCOUNT= PARTNER_ID= MARKETPLACE= ACCESS_KEY_ID= [STACK=] [PENDING=1] [PARK_WHEN_UNFUNDED=1], the secret is asked for
	@$(PY) -m local put-keys

.PHONY: rotate-keys
rotate-keys: env-project ## prove and promote a pending key, watch it, tell when the old one may go: ACCOUNT= [STACK=]
	@$(PY) -m local rotate-keys

.PHONY: order
order: env-project ## place a bulk order and watch it: FILE=cards.csv [ARGS="--dry-run --account emea --budget summer"]; ARGS="--order ID [--save result.xlsx]" watches one
	@$(PY) -m local order $(if $(FILE),"$(FILE)") $(ARGS)

.PHONY: reconcile
reconcile: env-project ## the books by day: [ARGS="--day 2026-11-22 --watch"]; STATEMENT=download.csv uploads one from the portal (docs/month-end.md) [STACK=]
	@$(PY) -m local reconcile $(ARGS)

.PHONY: watch
watch: env-project ## the dashboard's figures live in the terminal, until Ctrl-C ([STACK=name], ARGS=--once)
	@$(PY) -m local watch $(ARGS)

.PHONY: console
console: env-project ## pages for operators and finance, served on this machine until Ctrl-C ([STACK=name] [PORT=])
	@exec $(PY) -m local console

.PHONY: smoke
smoke: env-project ## try a deployment: its parameters, one card, repeated and cancelled, an alarm, mail: STACK= [ACCOUNT=] [AMOUNT=] [CURRENCY=] [BUDGET=]
	@$(PY) -m local smoke

.PHONY: resume
resume: env-project ## take up an open request by hand: REQUEST_ID=
	@$(PY) -m local resume "$(REQUEST_ID)"

## Budgets, approval, freeze

.PHONY: budgets
budgets: env-project ## list budgets, show or set one: [BUDGET=summer [LIMIT=5000.00 CURRENCY=USD PERIOD=month|total ACTIVE=yes|no]] [ARGS="--of 2026-10"] [STACK=]
	@$(PY) -m local budgets $(ARGS)

.PHONY: count-again
count-again: env-project ## count requests that count_spend gave up, from the bucket of failed events [STACK=] [ARGS=--look]
	@$(PY) -m local count-again $(ARGS)

.PHONY: orders
orders: env-project ## the bulk orders that wait for a person [STATUS=ISSUING | ARGS=--all] [ACCOUNT=] [STACK=]
	@$(PY) -m local orders $(ARGS)

.PHONY: approve
approve: env-project ## show a bulk order that waits for approval, and approve it: ORDER= [STACK=]
	@$(PY) -m local approve $(ARGS)

.PHONY: reject
reject: env-project ## reject a bulk order that waits for approval: ORDER= REASON="..." [STACK=]
	@$(PY) -m local reject $(ARGS)

.PHONY: accounts
accounts: env-project ## the accounts at Amazon: frozen or not, balance, key's age [STACK=]
	@$(PY) -m local accounts $(ARGS)

.PHONY: freeze
freeze: env-project ## freeze an account, so that nothing new is sent for it: ACCOUNT= REASON="..." [STACK=]
	@$(PY) -m local freeze $(ARGS)

.PHONY: unfreeze
unfreeze: env-project ## unfreeze an account; shows who froze it and why, and asks: ACCOUNT= [STACK=]
	@$(PY) -m local unfreeze $(ARGS)

## The books

.PHONY: close
close: env-project ## close a month, or show what blocks it: MONTH=2026-11 [ACCOUNT=] [STACK=] [OPENING= SOURCE=] [ARGS=--sign-off | --show]
	@$(PY) -m local close $(ARGS)

.PHONY: verify-books
verify-books: env-project ## is each file of the closed months still what it was? [MONTH=] [ACCOUNT=] [HEAD=hash of the manifest] [STACK= | FOLDER=]
	@$(PY) -m local verify-books $(ARGS)

## Checks

.PHONY: test
test: env ## lint and run every test (PYTEST_ARGS="-n 0 tests/unit": some, in one process)
	@said=$$(mktemp); nice $(MAKE) --no-print-directory lint > $$said 2>&1 & lint=$$!; \
	  PYTHONDONTWRITEBYTECODE= $(PY) -m pytest -n 3 $(PYTEST_ARGS); tested=$$?; \
	  wait $$lint; linted=$$?; cat $$said; rm $$said; exit $$((tested | linted))

.PHONY: coverage
coverage: env-project ## do tests in one process go through 95 % of the branches of each layer of rules? (minutes)
	@mkdir -p .local-coverage
	@COVERAGE_FILE=.local-coverage/data $(PY) -m pytest -n 2 -q --cov=incentives.domain --cov=incentives.usecases \
	  --cov=incentives.agcod --cov-branch --cov-fail-under=95 --cov-report=term --cov-report=json:.local-coverage/branches.json \
	  tests/unit tests/agcod tests/aws tests/contract tests/openapi tests/pacing tests/workflow
	@$(PY) -m tests.coverage_by_layer .local-coverage/branches.json

.PHONY: recovery
recovery: env ## every operation, fault and intent through recovery on the local cloud (minutes)
	@RECOVERY_CASES=all $(PY) -m pytest tests/stack/test_recovery.py

.PHONY: reliability
reliability: env-project ## thousands of simulated histories, each from one seed: is any promise broken? then the mutants (SEEDS=, FIRST=)
	@PYTHONPATH=layers/incentives $(PY) -m tests.simulation --seeds $${SEEDS:-2000} --first $${FIRST:-1} --write docs/reliability.md
	@PYTHONPATH=layers/incentives $(PY) -m tests.simulation.mutants

.PHONY: books
books: env-project ## fifty planted differences among 5,000 requests in processes that die: are they found, and does the month close? (BOOKS_ARGS=)
	@PYTHONPATH=.:layers/incentives $(PY) -m tests.books --write docs/books.md $(BOOKS_ARGS)

.PHONY: mutants
mutants: env-project ## every rule and guard taken out in turn: does the simulation notice? (MUTANT_ARGS="--only reissue")
	@PYTHONPATH=layers/incentives $(PY) -m tests.simulation.mutants $(MUTANT_ARGS)

.PHONY: chaos
chaos: env ## five minutes of mixed load on the local cloud, with kills and faults; then ledger and Amazon side by side
	@PYTHONPATH=layers/incentives $(PY) -m tests.chaos $(CHAOS_ARGS)

.PHONY: audit
audit: env-project env-audit ## known vulnerabilities in every pinned package, and a scan of the template
	@$(PY) -m local audit

.PHONY: bulk
bulk: env ## a bulk order of a thousand cards on the local cloud, with faults; prints the pace that it reached
	@BULK_ROWS=$${BULK_ROWS:-1000} $(PY) -m pytest -s tests/stack/test_bulk.py

.PHONY: bench
bench: env ## measure starts, calls, pace, growth and dollars, each beside its baseline (BENCH=name: only this one)
	@PYTHONPATH=layers/incentives $(PY) -m tests.bench $(if $(BENCH),$(BENCH),--write docs/performance.md)

.PHONY: lint
lint: env-project env-sam ## ruff, mypy, who may import whom, and the template's linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(CODE)
	@PYTHONPATH=.:layers/incentives $(BIN)/lint-imports --no-logo --no-cache
	@SAM_CLI_TELEMETRY=0 .venvs/sam/bin/sam validate --lint --region us-east-1

.PHONY: format
format: env-project ## let ruff put the code in order
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

## Documentation

.PHONY: openapi
openapi: env-project ## write docs/openapi.json, docs/errors.md and docs/marketplaces.md from the code
	@PYTHONPATH=layers/incentives $(PY) -m incentives.api.openapi > docs/openapi.json.new && mv docs/openapi.json.new docs/openapi.json
	@PYTHONPATH=layers/incentives $(PY) -m docs.tables

.PHONY: pictures
pictures: env-project ## write docs/pictures from the console's pages, on a made-up day (needs Chromium; PICTURES="now books": only these)
	@PYTHONPATH=.:layers/incentives $(PY) -m tests.console.pictures docs/pictures $(PICTURES)

## Environments

# One for each tool, because their pins of boto3 exclude each other. A stamp is made anew for newer pins; its name tells the
# interpreter and the folder, neither of which an environment survives.
MADE_BY := $(shell $(PYTHON) -c 'import os, sys, zlib; print(zlib.crc32(repr((sys.version, sys.base_prefix, os.getcwd())).encode()))')
UV := .venvs/uv/bin/uv

.PHONY: env
env: env-project env-sam env-ministack ## make or update all environments
	@:

.PHONY: env-project env-sam env-ministack env-audit
env-project env-sam env-ministack env-audit: env-%: .venvs/%.$(MADE_BY)
	@:

# Bytecode, as each of many processes imports boto3 from them. uv does not read pip's configuration: where only pip knows
# the way to the packages, pip does the work.
.venvs/%.$(MADE_BY): requirements/%.txt | .venvs/uv.$(MADE_BY)
	@echo "environment $* ..."
	@$(UV) venv --quiet --clear --python .venvs/uv/bin/python .venvs/$*
	@$(UV) pip sync --quiet --python .venvs/$* --compile-bytecode $< 2> .venvs/$*.said || \
	  .venvs/uv/bin/python -m pip --python .venvs/$* install --quiet --disable-pip-version-check -r $< || { cat .venvs/$*.said; exit 1; }
	@rm -f .venvs/$*.* && touch $@

.venvs/uv.$(MADE_BY): requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit(f"Python 3.11 or newer is needed; {sys.executable} is {sys.version.split()[0]}.")'
	@$(PYTHON) -m venv --clear .venvs/uv
	@.venvs/uv/bin/pip install --quiet --disable-pip-version-check -r $<
	@rm -f .venvs/uv.* && touch $@

.PHONY: requirements
requirements: env-project ## pin the newest versions that fit (rewrites requirements/*.txt)
	@for part in layers/dependencies/requirements requirements/project requirements/sam requirements/ministack requirements/audit; do \
	  .venvs/uv/bin/uv pip compile -q --upgrade --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
	    --custom-compile-command 'make requirements' $$part.in -o $$part.txt || exit 1; done

.PHONY: clean
clean: ## stop the local cloud and remove all that was made here
	@if [ -x $(PY) ]; then $(PY) -m local down; fi
	@rm -rf .venvs .local .local-* .aws-sam .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
