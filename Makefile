SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Debian packages the build and the tests need beside the Swift toolchain.
PACKAGES := ca-certificates curl git liblmdb-dev libsqlite3-dev openssl
# What the tests of the dashboard need beside them; pip only where there is none.
BROWSER_PACKAGES = chromium chromium-driver $(shell python3 -m pip --version > /dev/null 2>&1 || echo python3-pip)
AXE_PACKAGE := axe-core-python==0.1.0
AXE_SHA256 := f99f6bd674726c631c5e20b876983b44dff2b8f452a0ccf08f3c23ee45d0aac3
SOURCES := Package.swift Sources Tests Benchmarks Examples
# What the server does with records, users and sockets, to be tested on every storage.
STORAGE_TESTS := ServerTests\.(Brief|Bulk|Delta|Device|Durability|Expiry|FullDisk|Idempotency|LastWriteWins|List|MaxNumeric|Precondition|SocketResume|SocketScope|SocketStream|SocketWrite|Token|User|Value)Tests
# What clients meet on a connection, to be tested over TLS too.
TLS_TESTS := ServerTests\.(BadBody|EventStream|HealthAndRoutes|RequestForm|RequestOrder|Socket[A-Za-z]*|Value|Wire)Tests
# Further flags of the program, for example: make run ARGS='--port 9000'
ARGS ?=

.PHONY: help setup setup-tests build run test fuzz-api bench format lint clean

help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install the Debian packages that are missing
	@command -v swift > /dev/null || { echo "setup: no swift here; get a toolchain from https://swift.org/install" >&2; exit 1; }
	@if ! command -v dpkg-query > /dev/null; then \
	  [ -e /usr/include/sqlite3.h -a -e /usr/include/lmdb.h ] \
	    || echo "setup: not Debian; see to the headers of SQLite and LMDB yourself" >&2; exit 0; \
	fi; \
	missing=(); \
	for package in $(PACKAGES); do \
	  [ "$$(dpkg-query -W -f '$${db:Status-Status}' "$$package" 2> /dev/null || true)" = installed ] \
	    || missing+=("$$package"); \
	done; \
	[ "$${#missing[@]}" -gt 0 ] || exit 0; \
	root=(); \
	if [ "$$(id -u)" != 0 ]; then \
	  command -v sudo > /dev/null \
	    || { echo "setup: as root, run: apt-get install $${missing[*]}" >&2; exit 1; }; \
	  root=(sudo); \
	fi; \
	echo "setup: installing $${missing[*]}"; \
	"$${root[@]}" apt-get update -qq; \
	"$${root[@]}" env DEBIAN_FRONTEND=noninteractive \
	  apt-get install -qq -y --no-install-recommends "$${missing[@]}" > /dev/null; \
	echo "setup: done"

setup-tests: ## Install what the tests need, a browser above all
	@$(MAKE) --no-print-directory setup PACKAGES='$(PACKAGES) $(BROWSER_PACKAGES)'
	@if [ ! -s .build/axe/axe_core_python/axe.min.js ]; then \
	  echo "setup: fetching $(AXE_PACKAGE)"; \
	  mkdir -p .build/axe; \
	  python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest .build/axe '$(AXE_PACKAGE)'; \
	  echo "$(AXE_SHA256)  $$(echo .build/axe/*.whl)" | sha256sum --check --quiet; \
	  python3 -m zipfile --extract .build/axe/*.whl .build/axe; \
	fi

build: setup ## Build the program for release
	swift build -c release --product apus

run: build ## Build, then serve on this machine; flags in ARGS
	@HOST="$${HOST:-127.0.0.1}" exec .build/release/apus serve $(ARGS)

# One test at a time: some start servers and measure time, and the machine may have two cores.
test: setup-tests ## Run all tests
	swift test --no-parallel
	for storage in lmdb memory; do \
	  APUS_TEST_STORAGE=$$storage swift test --skip-build --no-parallel --filter '$(STORAGE_TESTS)'; \
	done
	APUS_TEST_TLS=1 swift test --skip-build --no-parallel --filter '$(TLS_TESTS)'

fuzz-api: build ## Hold the release build to its OpenAPI document; flags in ARGS
	Tests/Fuzz/fuzz-api.sh $(ARGS)

bench: build ## Measure the release build; flags in ARGS
	swift build -c release --product apus-bench
	.build/release/apus-bench $(ARGS)

format: ## Format the sources
	swift format --in-place --recursive --parallel $(SOURCES)

lint: ## Check the sources' format
	swift format lint --strict --recursive --parallel $(SOURCES)

clean: ## Remove what was built, but no database
	swift package clean
