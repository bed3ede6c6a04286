# `make run` and `make test` need Python 3.11 or newer with venv and pip, and make; they install the rest into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo
MARK := --disable-pip-version-check --quiet

.PHONY: help run night ui test lint bench docs lock clean

help: ## What can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: $(VENV)/.run-ready ## Run the night on the demo company, whose systems are served meanwhile
	@$(BIN)/python -m sandbox write $(DEMO)
	@$(BIN)/python -m sandbox serve $(DEMO) -- $(BIN)/millpond --company $(DEMO) run || [ $$? -eq 3 ]

night: $(VENV)/.run-ready ## Let a day pass in the demo company, and run the night again
	@$(BIN)/python -m sandbox write $(DEMO)
	@$(BIN)/python -m sandbox night $(DEMO)
	@$(BIN)/python -m sandbox serve $(DEMO) -- $(BIN)/millpond --company $(DEMO) run || [ $$? -eq 3 ]

ui: $(VENV)/.run-ready ## Open the Dagster UI on the demo company
	@$(BIN)/python -m sandbox serve $(DEMO) -- $(BIN)/millpond --company $(DEMO) ui

test: lint ## Check style, types, imports and behaviour
	$(BIN)/pytest -q -n 2 --dist loadfile

lint: $(VENV)/.test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: $(VENV)/.test-ready ## Measure; takes a while
	$(BIN)/python -m bench

docs: $(VENV)/.run-ready ## Write the generated pages of docs/ anew
	$(BIN)/python -m docs.generate

lock: $(VENV)/.test-ready ## Pin dependencies anew
	$(BIN)/pip-compile $(LOCK) -o requirements.txt pyproject.toml
	$(BIN)/pip-compile $(LOCK) -c requirements.txt --extra dev -o requirements-dev.txt pyproject.toml

LOCK := --quiet --upgrade --generate-hashes --allow-unsafe --no-strip-extras --no-header --no-emit-options

clean: ## Remove the environment and the demo
	rm -rf $(VENV) $(DEMO)

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Millpond needs Python 3.11 or newer." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run-ready: requirements.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing Millpond into $(VENV) …"
	@$(BIN)/pip install $(MARK) --require-hashes -r requirements.txt
	@$(BIN)/pip install $(MARK) --no-deps -e .
	@touch $@

$(VENV)/.test-ready: requirements-dev.txt tests/services.sh $(VENV)/.run-ready
	@bash tests/services.sh
	@$(BIN)/pip install $(MARK) --require-hashes -r requirements-dev.txt
	@touch $@
