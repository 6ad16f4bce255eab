# One command each; all of them call `setup`, which does nothing when the lock has not changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOME_FOLDER ?= .evercurrent
PORT ?= 3000
ARGS ?=
WORKERS ?= 2

.PHONY: help run test serve setup extras bench docs lint clean

help:             ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## */make \1\t/' | expand -t 14

run: setup        ## replay eight weeks of the embedded log through the loop
	$(BIN)/evercurrent replay --source movietweetings --home $(HOME_FOLDER) $(ARGS)

test: setup lint  ## linters, types, import contracts, then the tests
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(ARGS)

serve: setup      ## serve the champion on 127.0.0.1:3000
	$(BIN)/evercurrent serve --home $(HOME_FOLDER) --port $(PORT) $(ARGS)

bench: setup      ## the adaptation benchmark on the embedded data
	$(BIN)/python -m benchmarks.adaptation --source movietweetings --out benchmarks/results $(ARGS)

docs: setup      ## the documentation as a site in build/docs, readable without a server
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

lint: setup       ## ruff, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

setup: $(VENV)/.installed  ## .venv from requirements.lock

# torch goes first and alone: with it in place nothing else pulls a build of another kind.
$(VENV)/.installed: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $$(grep '^torch==' requirements.lock)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check
	touch $@

extras: setup      ## what the settings beyond one machine need, from requirements-extras.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-extras.lock
	$(BIN)/python -m pip check

clean:            ## remove the environment and all state
	rm -rf $(VENV) $(HOME_FOLDER)
