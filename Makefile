# Every door of the project; a machine needs python3, a C compiler and make, the rest is set up from here.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# Only PYTHON may come from the environment: NAME is a variable of some systems.
PYTHON ?= python3
APP := examples.live:app
ARGS :=
NAME := all
SECONDS := 60
SCENARIO := all
PEERS := all
ROUNDS := 0
UPDATE :=

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
# Of the environment, which PYTHON does not change once it is made.
TAG = $(shell $(PY) -c 'import sys; print("py%d.%d" % sys.version_info[:2])')
PIP_INSTALL = $(PY) -m pip install --quiet --disable-pip-version-check
# meson and ninja are those of the environment, not the machine's.
WITH_TOOLS = PATH="$(CURDIR)/$(BIN):$$PATH"
MESON = $(WITH_TOOLS) meson
# Not python -m pytest: that would import the sources in this folder, which have no extension.
PYTEST = $(BIN)/pytest

# A whole run takes two cores, file by file: half of what tests do is to wait.
TWO := -q -n 2 --dist loadfile

SOURCES := $(shell find src velocem -type f \( -name '*.[ch]' -o -name '*.def' -o -name '*.py' -o -name '*.pyi' \
             -o -name '*.html' -o -name py.typed -o -name meson.build \)) meson.build meson.options pyproject.toml

SAN_OPTIONS := -Dbuildtype=debugoptimized -Db_lto=false -Db_lundef=false -Db_sanitize=address,undefined \
               -Dc_args=-fno-sanitize-recover=all\ -fno-omit-frame-pointer
ASAN := abort_on_error=1:strict_string_checks=1:detect_stack_use_after_return=1
UBSAN := print_stacktrace=1:halt_on_error=1

.PHONY: help build run test test-packages test-c test-py test-pythons test-dev test-debug test-asyncio test-frameworks autobahn faults check format \
        san san-c san-py fuzz bench bench-report bench-count dist clean

help:
	@echo 'make build    the server in $(BIN)/velocem'
	@echo 'make run      serve the demonstration on 127.0.0.1:8000; APP=pkg.mod:app serves another, ARGS= adds options'
	@echo 'make test     C tests, Python tests, and the latter again under every other CPython >= 3.11 of the machine'
	@echo 'make test-dev the Python tests in development mode (-X dev), every warning an error'
	@echo 'make test-debug  totals of references on a debug build of CPython; ARGS=tests/py/... runs tests there'
	@echo 'make test-asyncio  the tests of asyncio that each CPython brings, on the event loop'
	@echo 'make test-frameworks  the routing tests of six frameworks, their routers accelerated; ARGS=--short, or names'
	@echo 'make autobahn the Autobahn test suite for WebSocket, if there is a Python 2.7; docs/autobahn.json'
	@echo 'make faults   processes, connections and machines that fail under load; the table of docs/reliability.md'
	@echo 'make check    format, lint, types, layers, warnings of gcc and clang'
	@echo 'make format   put C and Python into the form that check wants'
	@echo 'make san      C and Python tests under AddressSanitizer and UndefinedBehaviorSanitizer'
	@echo 'make fuzz     NAME=head SECONDS=60; without NAME every target'
	@echo 'make bench    everyone beside Velocem; SCENARIO=hello PEERS=fastwsgi,granian ROUNDS=7 narrow, ARGS=--list tells'
	@echo 'make bench-report  the newest result as Markdown and charts; ARGS=bench/results/NAME.json another'
	@echo 'make bench-count  instructions beside the committed ones; UPDATE=1 writes them, ARGS=scan narrows'
	@echo 'make dist     source and wheel packages, both installed and tried'
	@echo 'make clean    remove everything that was made'
	@echo 'PYTHON=python3.12 chooses the interpreter of a new $(VENV)'

# Set-up. Each stamp stands for what its recipe installs.

$(VENV)/.made: tools/setup_debian.sh
	PYTHON="$(PYTHON)" tools/setup_debian.sh build
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.tools-%: requirements/%.txt $(VENV)/.made
	$(PIP_INSTALL) -r $<
	touch $@

$(VENV)/.built: $(VENV)/.tools-build $(VENV)/.tools-run $(SOURCES)
	mkdir -p build
	$(WITH_TOOLS) $(PIP_INSTALL) --no-deps --no-build-isolation --force-reinstall -Cbuild-dir=build/$(TAG) .
	touch $@

build: $(VENV)/.built

run: build $(VENV)/.tools-demo
	exec $(BIN)/velocem $(APP) $(ARGS)

# Tests.

test: test-packages test-c test-py test-pythons

# First and all at once: whoever is not root shall not learn of them one by one, after minutes.
test-packages:
	PYTHON="$(PYTHON)" tools/setup_debian.sh build test

test-c: $(VENV)/.tools-build
	test -f build/c/build.ninja || $(MESON) setup build/c -Dbuildtype=debugoptimized -Dpython=false -Dtests=true
	$(MESON) test -C build/c --print-errorlogs $(ARGS)

test-py: build $(VENV)/.tools-test
	PYTHON="$(PYTHON)" tools/setup_debian.sh test
	$(PYTEST) $(or $(ARGS),$(TWO))

test-pythons: $(VENV)/.tools-build
	$(PY) tools/test_pythons.py

# Servers inherit it; what they complain of when they end fails the test.
test-dev: build $(VENV)/.tools-test
	PYTHON="$(PYTHON)" tools/setup_debian.sh test
	PYTHONDEVMODE=1 PYTHONWARNINGS=error $(PYTEST) $(or $(ARGS),$(TWO))

# ARGS=tests/py runs those instead; PYTHON_DEBUG names an interpreter.
test-debug: $(VENV)/.tools-build
	tools/setup_debian.sh debug
	$(PY) tools/test_debug.py $(ARGS)

# LOOP=package:factory tries another loop, which has to be in $(VENV). ARGS=--short, or names of modules.
test-asyncio: build $(VENV)/.tools-test
	PYTHON="$(PYTHON)" tools/setup_debian.sh asyncio test
	$(PY) tools/test_asyncio.py $(ARGS)
	$(if $(ARGS),,CONNECTIONS=100000 $(PYTEST) -q --timeout=600 tests/leaks/test_loop_connections.py)

# In an environment of its own: they need more than our tests do.
test-frameworks: build
	test -d build/frameworks/venv || $(PY) -m venv build/frameworks/venv
	build/frameworks/venv/bin/pip install --quiet --disable-pip-version-check -r requirements/test.txt \
	  -r requirements/frameworks.txt -r requirements/build.txt
	$(WITH_TOOLS) build/frameworks/venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  --force-reinstall -Cbuild-dir=build/$(TAG) .
	build/frameworks/venv/bin/python tools/test_frameworks.py $(ARGS)

# Half an hour, and the report into docs/autobahn.json; ARGS=--short a minute, ARGS='7.* 12.1.1' these cases.
autobahn: build $(VENV)/.tools-test
	$(PY) tools/autobahn.py $(ARGS)

# In full form, with the figures into docs/reliability.md; ARGS='--minutes 60' for an hour of the soak.
faults: build $(VENV)/.tools-test
	$(PY) tools/faults.py $(ARGS)

# Checks.

C_FILES = $(shell find src tests/c fuzz bench -name '*.[ch]' -size +0)
PY_FILES = velocem tests tools bench examples fuzz

check: build $(VENV)/.tools-check $(VENV)/.tools-test
	PYTHON="$(PYTHON)" tools/setup_debian.sh clang
	@echo 'clang-format --dry-run -Werror (all C files)'
	@$(BIN)/clang-format --dry-run -Werror $(C_FILES)
	$(BIN)/ruff format --check $(PY_FILES)
	$(BIN)/ruff check $(PY_FILES)
	$(PY) tools/check_layers.py .
	$(BIN)/mypy
	$(BIN)/pyright
	cd build && ../$(PY) -m mypy.stubtest --ignore-disjoint-bases velocem._core
	for cc in gcc clang; do \
	  test -f build/check-$$cc/build.ninja || CC=$$cc $(MESON) setup build/check-$$cc -Dwerror=true -Dtests=true; \
	  $(MESON) compile -C build/check-$$cc; \
	done

format: $(VENV)/.tools-check
	@echo 'clang-format -i (all C files)'
	@$(BIN)/clang-format -i $(C_FILES)
	$(BIN)/ruff format $(PY_FILES)
	$(BIN)/ruff check --fix $(PY_FILES)

# Sanitizers.

san: san-c san-py

san-c: $(VENV)/.tools-build
	test -f build/san/build.ninja || $(MESON) setup build/san $(SAN_OPTIONS) -Dpython=false -Dtests=true
	ASAN_OPTIONS=$(ASAN):detect_leaks=1 UBSAN_OPTIONS=$(UBSAN) $(MESON) test -C build/san --print-errorlogs

# Leaks are looked for in the C tests and by counting in tests/leaks: the interpreter itself never frees everything.
san-py: $(VENV)/.tools-build
	$(PY) tools/test_sanitized.py $(SAN_OPTIONS)

# Fuzzing, benchmarks, packages.

fuzz: build $(VENV)/.tools-test
	PYTHON="$(PYTHON)" tools/setup_debian.sh clang fuzz
	-$(PIP_INSTALL) --only-binary :all: -r requirements/fuzz.txt
	test -f build/fuzz/build.ninja || CC=clang $(MESON) setup build/fuzz $(SAN_OPTIONS) -Dpython=false -Dfuzz=true
	$(MESON) compile -C build/fuzz
	$(PY) tools/fuzz.py $(NAME) $(SECONDS)

# What an entrant lacks on this machine is reported by it, and stops nobody else.
bench: $(VENV)/.tools-build
	-PYTHON="$(PYTHON)" tools/setup_debian.sh bench
	test -f build/bench/build.ninja || $(MESON) setup build/bench -Dpython=false -Dbench=true
	$(MESON) compile -C build/bench limit load
	$(PY) bench/run.py --scenario '$(SCENARIO)' --peers '$(PEERS)' --rounds $(ROUNDS) $(ARGS)

bench-report: $(VENV)/.made
	$(PY) bench/report.py $(ARGS)

# Line numbers do not change the code; the package is installed nowhere, so that what is in the environment stays.
bench-count: $(VENV)/.tools-build
	PYTHON="$(PYTHON)" tools/setup_debian.sh count
	test -f build/bench/build.ninja || $(MESON) setup build/bench -Dpython=false -Dbench=true
	$(MESON) compile -C build/bench micro
	$(WITH_TOOLS) $(PIP_INSTALL) --no-deps --no-build-isolation --upgrade --target build/count/$(TAG) \
	  -Cbuild-dir=build/count-$(TAG) -Csetup-args=-Ddebug=true .
	$(PY) bench/count.py --build build/bench $(if $(UPDATE),--update) $(ARGS)

dist: $(VENV)/.tools-dist
	rm -rf dist
	$(PY) -m build --outdir dist .
	$(PY) tools/check_dist.py dist

clean:
	rm -rf build dist .venv .venvs .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find velocem tests tools bench examples -name __pycache__ -type d -prune -exec rm -rf {} +
