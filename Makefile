# The commands of the project. They install what is missing, configure once, and leave the rest to CMake and Ninja.
# Settings: PRESET (release, debug, asan, gcc), BUILD (the build tree), JOBS, PREFIX and DESTDIR, SECONDS (of each fuzz target).
SHELL := /bin/bash
PRESET ?= release
BUILD ?= build/$(PRESET)
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
SECONDS ?= 60
export CTEST_PARALLEL_LEVEL ?= $(JOBS)

configure = test -f "$(1)/build.ninja" || cmake --preset $(2) -B "$(1)" --log-level=WARNING $(CMAKE_FLAGS)
sources = git ls-files -z -- '*.cpp' '*.h'

.PHONY: help quickstart check build bench format lint docs install fuzz clean packages
.NOTPARALLEL:

help:  ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## */  make \1 \t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22

quickstart: build  ## from nothing to a distilled digit classifier and its report
	"$(BUILD)/retort" distill recipes/quickstart.toml

check: build  ## build and run every test
	ctest --test-dir "$(BUILD)" --output-on-failure --no-tests=error --timeout 900

build: packages  ## the library, the program retort and the tests
	@$(call configure,$(BUILD),$(PRESET))
	cmake --build "$(BUILD)" --parallel $(JOBS)

packages:
	@tools/install-packages.sh

bench: packages  ## speed and memory against PyTorch in Python; writes docs/performance.md
	@tools/install-packages.sh tools/packages-bench.txt
	@$(call configure,$(BUILD),$(PRESET))
	cmake -B "$(BUILD)" -DRETORT_BUILD_BENCH=ON --log-level=WARNING
	cmake --build "$(BUILD)" --parallel $(JOBS)
	bench/run.py --build "$(BUILD)" --write docs/performance.md

format:  ## clang-format over all sources
	@tools/install-packages.sh tools/packages-lint.txt
	$(sources) | xargs -0 clang-format -i

lint: build  ## clang-format and clang-tidy, as errors
	@tools/install-packages.sh tools/packages-lint.txt
	$(sources) | xargs -0 clang-format --dry-run --Werror
	run-clang-tidy -quiet -j $(JOBS) -p "$(BUILD)" '/(src|tests|bench)/.*\.cpp$$'

docs: build  ## the pages that are written from the catalogue
	"$(BUILD)/retort" docs docs

install: build  ## under PREFIX (/usr/local); DESTDIR is honoured
	cmake --install "$(BUILD)" --prefix "$(PREFIX)"

fuzz: packages  ## every fuzz target for SECONDS (60) each
	@$(call configure,build/fuzz,fuzz)
	cmake --build build/fuzz --parallel $(JOBS)
	tools/fuzz.sh build/fuzz $(SECONDS)

clean:  ## remove the build trees
	rm -rf build
