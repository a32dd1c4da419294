# Everything a person or a machine does with this repository. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP_INPUTS := pyproject.toml constraints.txt

# A development environment holds everything the demo needs, so it is not installed twice.
READY := $(if $(wildcard $(VENV)/.dev),$(VENV)/.dev,$(VENV)/.demo)

ARGS ?=
TESTS ?= tests
# One more than there are cores: some tests wait for other processes.
WORKERS = $(shell $(BIN)/python -c 'import os; print((os.cpu_count() or 1) + 1)')
ONLY ?=
N ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check bench docs soak clean
.PHONY: check-style check-format check-mypy check-pyright check-imports check-names

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY)  ## run the main job on an embedded gateway (ARGS="--seed 7")
	@$(BIN)/horizon demo $(ARGS)

test: $(VENV)/.dev  ## run the tests (TESTS=tests/unit, ARGS="-k name")
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal $(ARGS) $(TESTS)

check: $(VENV)/.dev  ## style, format, types, import rules, forbidden names
	@$(MAKE) --no-print-directory -k check-style check-format check-mypy check-pyright check-imports check-names

bench: $(VENV)/.dev  ## measure, as ratios in one run (ARGS for the benchmark's own options)
	@$(BIN)/python tests/benchmarks/run.py $(ARGS)

docs: $(VENV)/.dev  ## build the documentation into site/
	$(call quietly,mkdocs,NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict)
	@echo "site/index.html"

soak: $(VENV)/.dev  ## long runs, one JSON line each (ONLY=name runs one, N=3 so many times)
	@$(BIN)/python tools/soak.py $(if $(ONLY),--only '$(ONLY)') $(if $(N),--times '$(N)')

clean:  ## remove the environment, caches and build results
	@rm -rf $(VENV) build dist site .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the parts of `make check` -------------------------------------------------------------------------------------

# $(1) is the name shown, $(2) the command, whose output is shown only when it fails.
define quietly
@printf '  %-14s' '$(1)'; \
if output=$$($(2) 2>&1); then echo ok; else echo FAILED; printf '%s\n' "$$output"; exit 1; fi
endef

check-style: $(VENV)/.dev
	$(call quietly,ruff,$(BIN)/ruff check --quiet .)

check-format: $(VENV)/.dev
	$(call quietly,ruff format,$(BIN)/ruff format --check .)

check-mypy: $(VENV)/.dev
	$(call quietly,mypy,$(BIN)/mypy)

check-pyright: $(VENV)/.dev
	$(call quietly,pyright,$(BIN)/pyright)

check-imports: $(VENV)/.dev
	$(call quietly,import rules,$(BIN)/lint-imports --no-logo)

check-names: $(VENV)/.dev
	$(call quietly,names,$(BIN)/python tools/forbidden_names.py)

# --- the environment ------------------------------------------------------------------------------------------------

$(BIN)/pip:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "Python 3.11 or newer is needed, and '$(PYTHON)' was not found. Install it, or name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, and '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Name a newer one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "'$(PYTHON)' came without its venv module. Install it (Debian, Ubuntu: apt install python3-venv), then run make again." >&2; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) -V 2>&1)" >&2
	@$(PYTHON) -m venv $(VENV)

# $(1) is the extra. The stamp is newer than what it was made from, so a second run installs nothing.
define install
@echo "installing horizon-trading[$(1)] into $(VENV) (a few minutes the first time)" >&2
@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(1)]'
@touch $@
endef

$(VENV)/.demo: $(STAMP_INPUTS) | $(BIN)/pip
	$(call install,demo)

$(VENV)/.dev: $(STAMP_INPUTS) | $(BIN)/pip
	$(call install,dev)
