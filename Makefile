# The first two targets are all that a fresh machine needs: Python 3.11 or newer, and make.
#   make compare [SYSTEM=name] [ARGS="..."]    set up, run every system's quick preset, write results/index.html
#   make test                                  set up, run the tests
# PYTHON=python3.12 make test                  another interpreter, in an environment of its own

PYTHON ?= python3
VENV ?= $(if $(filter python3,$(PYTHON)),.venv,.venv-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
SYSTEM ?=
PRESET ?= quick
ARGS ?=

.PHONY: compare test test-slow lint format docs figures benchmarks wheel clean

compare: $(VENV)/.installed
	@$(BIN)/python -m theorylab.compare $(SYSTEM) $(ARGS) || { code=$$?; [ $$code -eq 1 ] || [ $$code -eq 3 ] || exit $$code; }

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m "not slow" $(ARGS)

test-slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m slow $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# the API reference from the docstrings, and every link and citation; make docs ARGS=--check writes nothing
docs: $(VENV)/.installed-dev
	$(BIN)/python docs/build.py $(ARGS)

# every figure script, then figures/README.md; make figures PRESET=paper for full size
figures: $(VENV)/.installed
	$(BIN)/python figures/build.py --preset $(PRESET) $(ARGS)

# theory, simulation, peers: JSON to benchmarks/out/, then docs/benchmarks.md; a part by ARGS="-k rnn", its page beside
# the JSON. With PyTorch too: $(BIN)/python -m pip install '.[peers]'
benchmarks: $(VENV)/.installed-bench
	@mkdir -p benchmarks/out
	@$(BIN)/python -m pytest benchmarks --benchmark-json=benchmarks/out/benchmarks.json $(ARGS); code=$$?; \
	$(BIN)/python benchmarks/page.py benchmarks/out/benchmarks.json && exit $$code

wheel: $(VENV)/.installed-dev
	$(BIN)/python -m pip wheel --no-deps --wheel-dir dist .

clean:
	rm -rf .venv .venv-* build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "theorylab needs Python 3.11 or newer; $(PYTHON) is `$(PYTHON) --version 2>&1`. Name another: PYTHON=python3.12 make ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@ $(VENV)/.installed
