# Two commands do everything: `make demo` and `make test`. Both make their own environment first.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=

.PHONY: help demo test check lint types imports format bench install clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	@echo "Making $(VENV) (once; a minute or two)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

install: $(STAMP) ## Make the environment

demo: $(STAMP) ## A distribution network on a local stack, two workers, one killed; ends with the proof (ARGS="--events 50000")
	@$(BIN)/stockstream demo $(ARGS)

test: $(STAMP) ## All tests, on real parts
	@$(BIN)/python -m pytest $(ARGS)

check: lint types imports ## Lint, types and import contracts

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP)
	@$(BIN)/mypy

imports: $(STAMP)
	@$(BIN)/lint-imports

format: $(STAMP) ## Format the code
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

bench: $(STAMP) ## The figures of benchmarks/RESULTS.md (minutes)
	@$(BIN)/stockstream bench $(ARGS)

clean: ## Remove the environment and run data
	@rm -rf $(VENV) .stockstream .mypy_cache .ruff_cache .pytest_cache
