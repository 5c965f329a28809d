# Two commands do everything on a fresh machine with Python 3.11+ and make: `make relay` and `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell tools/python.sh)
VENV := .venv
PY := $(VENV)/bin/python
CORES := $(shell nproc 2>/dev/null || echo 2)
ARGS ?=
T ?=
PACKAGES := $(if $(filter test long,$(MAKECMDGOALS)),packages-test,packages-run)

include tools/c.mk
include tools/fuzz.mk

CORE_INPUTS := setup.py $(wildcard src/rtcengine/*.pyx src/rtcengine/bind/*.pxi csrc/include/*.h) \
  $(C_SOURCES) $(wildcard $(C_LAYERS:%=csrc/%/*.h))

.PHONY: help relay test check long lint fmt asan tsan fuzz mutants lib bench sdist wheel build clean packages-lib packages-run packages-test

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

relay: $(VENV)/.relay $(VENV)/.built ## set everything up, start the relay with its page (ARGS="--port 9000")
	@exec $(VENV)/bin/rtcengine relay $(ARGS)

test: $(VENV)/.test $(VENV)/.built ## set everything up, run all that CI runs, real browsers included (Debian)
	@$(call timed,lint,$(MAKE) lint)
	@tools/tests.sh $(PY) $(CORES) $(T)

check: $(VENV)/.test $(VENV)/.built ## the inner loop: no browser, nothing that takes seconds
	@$(call timed,lint,$(MAKE) lint)
	$(PY) -m pytest -q -n $(CORES) --dist worksteal \
	  -m 'not slow and not long and not sim and not interop and not attack and not browser' $(T)

long: $(VENV)/.test $(VENV)/.built ## what is too long for CI
	$(PY) -m pytest -m long --timeout 7200 $(T)

lint: $(VENV)/.test ## ruff, mypy, clang-format
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	@if [ "$(CLANG_FORMAT)" = 14 ]; then \
	  echo clang-format --dry-run -Werror; clang-format --dry-run -Werror $(C_FORMATTED); \
	else echo "C formatting not checked: versions of clang-format differ, and 14 is not here"; fi

fmt: $(VENV)/.test ## sort imports, mend what ruff can, format C
	$(VENV)/bin/ruff check --fix .
	clang-format -i $(C_FORMATTED)

asan: $(VENV)/.test ## the C tests under address and undefined-behaviour sanitizers
	RTC_C_VARIANT=asan $(PY) -m pytest -q tests/unit/test_c.py $(T)

tsan: $(VENV)/.test ## the C tests under the thread sanitizer
	RTC_C_VARIANT=tsan $(PY) -m pytest -q tests/unit/test_c.py $(T)

fuzz: $(VENV)/.test $(VENV)/.built ## fuzz for SECONDS (60) what T names (T=stun; all without), keeping what is found in build/fuzz
	$(PY) -m tests.fuzz.runner --seconds $(or $(SECONDS),60) $(T)

mutants: $(VENV)/.test $(VENV)/.built ## take each defence out of a copy: its attack test must fail (T="B1 C9" for some rows)
	$(PY) -m tests.attack.mutants $(T)

lib: packages-lib ## librtcengine.so, .a, .pc and its header into build/lib, without Python
	@$(MAKE) -j$(CORES) $(LIB_FILES)
	@echo "build/lib: $$(ls build/lib | tr '\n' ' ')"

bench: $(VENV)/.test $(VENV)/.built ## measure what the documentation claims (T=bench/NAME.py for one)
	@shopt -s nullglob; for script in $(or $(T),bench/*.py); do echo "== $$script"; $(PY) $$script || exit 1; done

sdist: $(VENV)/.test ## the source package into dist/
	$(PY) -m build --no-isolation --sdist

wheel: $(VENV)/.test ## the binary package for this Python into dist/
	$(PY) -m build --no-isolation --wheel

build: $(VENV)/.built ## the environment and the extension, nothing else

clean: ## remove all that was built (the sources stay)
	rm -rf build dist $(VENV) .mypy_cache .ruff_cache .pytest_cache src/*.egg-info src/rtcengine/_core*.so
	find . -name __pycache__ -prune -exec rm -rf {} +

CLANG_FORMAT = $(shell clang-format --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p')
C_FORMATTED = $(wildcard $(C_LAYERS:%=csrc/%/*.[ch]) csrc/include/*.h tests/c/*.[ch] tests/attack/*.[ch] tests/sim/*.[ch] tests/fuzz/*.[ch] examples/*.[ch])

# timed(name, command): runs it, says how long it took.
timed = start=$$SECONDS; $(2) && echo "$(1): $$((SECONDS - start)) s"

packages-lib packages-run packages-test: packages-%:
	@tools/setup.sh $*

# Stamps: a step is done again only when what it depends on is newer.
$(VENV)/.made: | $(PACKAGES)
	@test -n "$(PYTHON)"
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q --upgrade pip 'setuptools>=77' 'cython>=3.1,<4'
	@touch $@

# Before pip installs the package: here its messages are seen, and pip then finds all objects made.
$(VENV)/.built: $(CORE_INPUTS) $(VENV)/.made
	$(PY) setup.py -q build_ext --inplace
	@touch $@

$(VENV)/.relay: pyproject.toml $(VENV)/.made | $(VENV)/.built
	$(VENV)/bin/pip install -q --no-build-isolation -e .
	@touch $@

$(VENV)/.test: pyproject.toml $(VENV)/.made | $(VENV)/.built
	$(VENV)/bin/pip install -q --no-build-isolation -e '.[test]'
	@touch $@ $(VENV)/.relay
