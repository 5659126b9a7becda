# `make help` lists what there is. Everything that is built lands in out/; what can be run in out/bin.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := build

ROOT   := $(CURDIR)
OUT    := $(ROOT)/out
BIN    := $(OUT)/bin
LIB    := $(OUT)/lib
OBJ    := $(OUT)/obj
DOTNET := dotnet
export DOTNET_CLI_TELEMETRY_OPTOUT := 1
export DOTNET_NOLOGO := 1

CC     ?= gcc
CFLAGS := -std=gnu17 -O2 -g -Wall -Wextra -Wshadow -Wmissing-prototypes -Wno-unused-parameter -Werror

NATIVE := src/OmCheckpoint/native

# Each part of the native code says in its own file how it is built and adds to NATIVE_TARGETS (and to NATIVE_TESTS).
NATIVE_TARGETS :=
NATIVE_TESTS :=
include $(wildcard src/*/module.mk) $(wildcard $(NATIVE)/*/module.mk) $(wildcard src/OmTools/*/module.mk) $(wildcard tests/*/module.mk)

APPS := openmosixd:OmDaemon omwarden:OmWarden omctl:OmCtl omlab:OmLab omcompat:OmCompat


.PHONY: build native managed links test-programs test compat stress bench lint format demo clean help setup
build: native managed links ## build everything into out/bin

setup: ## install what is missing (compiler, iproute2, libraries), or name it
	@deploy/setup

native: setup $(NATIVE_TARGETS) ## build the native parts

managed: native
	@$(DOTNET) build OpenMosix.sln -c Release -v quiet --nologo

links: managed
	@mkdir -p $(BIN)
	@for app in $(APPS); do ln -sfn ../dotnet/bin/$${app#*:}/release/$${app%%:*} $(BIN)/$${app%%:*}; done

test-programs: build $(NATIVE_TESTS) ## build what tests need, and run none

test: test-programs ## run every test; the last line is `N passed, N failed`
	@tests/run

compat: build ## real applications, natively and moved without end: writes tests/Compat/RESULTS.md (CASES="redis xz": these rows only)
	@$(BIN)/omcompat apps $(CASES)

stress: build ## stress-ng, natively and moved without end: writes tests/Compat/STRESS.md (STRESSORS="pipe fork": these rows only)
	@$(BIN)/omcompat stress $(STRESSORS)

bench: build $(OUT)/tests/compute ## what computing costs at home and away: writes tests/OmBench/RESULTS.md
	@$(OUT)/dotnet/bin/OmBench/release/ombench compute tests/OmBench/RESULTS.md

demo: build ## three PCs, one short of memory: a program leaves home, works, and comes back
	@tests/Lab/demo

lint: ## formatting and analysis, nothing changed
	@$(DOTNET) format OpenMosix.sln --verify-no-changes --severity warn
	@git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror

format: ## format C# and C
	@$(DOTNET) format OpenMosix.sln --severity warn
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean: ## remove out/
	rm -rf $(OUT)

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12
