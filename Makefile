SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON := $(shell command -v python3)
READY := .venv/.ready
BUILT := .aws-sam/local/template.yaml
BOOTSTRAP := $(CURDIR)/.aws-sam/local/Function/bootstrap
CLI := target/debug/ecr-autopolicy
SOURCES := Cargo.toml Cargo.lock build.rs $(shell find src policies -type f)

# The function is built for the machine that runs it here; deployed to AWS, it is arm64 unless you say otherwise.
MACHINE := $(shell uname -m)
ARCHITECTURE := $(if $(filter aarch64 arm64,$(MACHINE)),arm64,x86_64)
TARGET := $(if $(filter arm64,$(ARCHITECTURE)),aarch64,x86_64)-unknown-linux-gnu
# cargo-lambda's own choice, which flags in the environment replace. Flags of your own come after it, and count.
PROCESSOR := -C target-cpu=$(if $(filter arm64,$(ARCHITECTURE)),neoverse-n1,haswell)

TOOLS := target/tools/bin
CARGO_DENY := 0.20.2
CARGO_CYCLONEDX := 0.5.9

# cargo-lambda links with the zig that the first python3 on PATH has.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Caches stay below this folder, where `make clean` finds them.
export ZIG_GLOBAL_CACHE_DIR := $(CURDIR)/target/zig
export CARGO_ZIGBUILD_CACHE_DIR := $(CURDIR)/target/zigbuild
export PYTHONDONTWRITEBYTECODE := 1
export SAM_CLI_TELEMETRY := 0
# Colours, where asked for, are the demo's and cargo's; sam and pytest write for a log.
PYTEST := .venv/bin/python3 -m pytest -p no:cacheprovider --quiet

.PHONY: help demo test lint lint-template dashboard-picture test-rust test-judges test-budget budget test-deployment \
  test-soak test-docs build setup valgrind install format bench bench-core bench-sweep soak deny advisories sbom reproduce clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: build ## Deploy to a local AWS, create repositories, and show the policies they get (needs no AWS account)
	@.venv/bin/python3 tests/local/demo.py

test: lint test-rust test-judges test-budget test-soak test-deployment test-docs ## Run everything that CI runs
	@rust=$$(awk '/^test result:/ { run += $$4; ignored += $$8 } END { print run " Rust tests (" ignored " ignored)" }' target/test-rust.log); \
	outcome() { tail -n 1 "target/$$1.log" | sed 's/ in .*//'; }; \
	echo "make test: format, clippy, template, $$rust, the outside judges ($$(outcome test-judges)), the start's budget, a minute's soak, the deployment tests ($$(outcome test-deployment)) and the documents ($$(outcome test-docs)) are fine"

lint: setup tests/lint/.venv/.ready ## Check the formatting, clippy, the crate's documentation, and the template with sam, cfn-lint's serverless rules and checkov
	cargo fmt --all --check
	cargo clippy --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --all-features --no-deps
	@$(MAKE) lint-template

# What is left out of these checks stands with its reason in the template's Metadata.
lint-template: setup tests/lint/.venv/.ready
	sam validate --lint --region eu-west-1
	cfn-lint
	tests/lint/.venv/bin/checkov --file template.yaml --framework cloudformation --skip-download --compact --quiet

dashboard-picture: setup ## Draw docs/dashboard.svg anew, after a change of the template's dashboard
	@.venv/bin/python3 tests/local/picture.py

test-rust: setup ## Run the Rust tests; plain `cargo test` leaves out the command line's
	@mkdir -p target
	cargo test --all-features 2>&1 | tee target/test-rust.log

test-judges: setup ## Ask cfn-lint and parliament what they think of our policies, and of bad ones
	@mkdir -p target
	$(PYTEST) tests/judges 2>&1 | tee target/test-judges.log

BUDGET_TEST := FUNCTION_RUSTFLAGS="$(PROCESSOR)" cargo test --all-features --test budget the_start_costs_what_the_budget_says -- --ignored --nocapture

test-budget: build valgrind ## Count the instructions of the function's start, which may not grow by a tenth unnoticed
	BOOTSTRAP=$(BOOTSTRAP) $(BUDGET_TEST)

budget: build valgrind ## Write what the start takes now to tests/budget/budget.json
	BUDGET=record BOOTSTRAP=$(BOOTSTRAP) $(BUDGET_TEST)

SOAK_TEST := STORM_BINARY=$(BOOTSTRAP) cargo test --all-features --test storm memory_and_descriptors_do_not_grow -- --ignored --nocapture

test-soak: build ## Run creations and sweeps for a minute; fails if memory or file descriptors grow
	SOAK=1 $(SOAK_TEST)

soak: build ## The same for half an hour, or SOAK=minutes
	SOAK=$(or $(SOAK),30) $(SOAK_TEST)

valgrind:
	@command -v valgrind > /dev/null || { test "$$(id -u)" = 0 && command -v apt-get > /dev/null \
	  && apt-get update --quiet=2 && apt-get install --yes --quiet=2 --no-install-recommends valgrind > /dev/null; } \
	  || { echo "this needs valgrind, which counts instructions: install it, by \`apt-get install valgrind\` for instance" >&2; exit 1; }

# By the tests' own build, so that nothing is compiled twice.
$(CLI): $(SOURCES)
	cargo test --quiet --all-features --no-run
	@touch $@

test-deployment: build $(CLI) ## Deploy to a local AWS that enforces the function's role, and test what happens there
	@mkdir -p target
	$(PYTEST) tests/local 2>&1 | tee target/test-deployment.log

test-docs: build $(CLI) ## Run every command of the documents against a local AWS, and check their names and links
	@mkdir -p target
	$(PYTEST) tests/docs 2>&1 | tee target/test-docs.log

build: $(BUILT) ## Build the function with `sam build`, for this machine's architecture

$(BUILT): Makefile template.yaml $(SOURCES) | setup
	@echo "building the function with sam build; the first time this takes up to ten minutes and says nothing"
	@mkdir -p target
	@cargo fetch --locked --quiet --target $(TARGET)
	@# Panic messages hold the paths of sources. With names of our own for these, the same sources make the same bytes.
	@flags="--remap-path-prefix=$(CURDIR)=/ecr-autopolicy"; \
	for crates in "$${CARGO_HOME:-$$HOME/.cargo}"/registry/src/*; do flags+=" --remap-path-prefix=$$crates=/crates"; done; \
	RUSTFLAGS="$(PROCESSOR) $${RUSTFLAGS:-} $$flags" \
	  sam build --build-dir $(@D) --parameter-overrides Architecture=$(ARCHITECTURE) > target/sam-build.log 2>&1 \
	  || { cat target/sam-build.log; exit 1; }

# Each peer by a build of its own: cargo would give the crates that they share the features of all.
FOR_PROCESSOR := RUSTFLAGS="$(PROCESSOR) $${RUSTFLAGS:-}"
BENCH_BUILD := $(FOR_PROCESSOR) cargo build --manifest-path bench/Cargo.toml
NODE_BUNDLE := bench/peers/node/bundle/index.cjs

bench: build bench-core bench/peers/python/.venv/.ready $(NODE_BUNDLE) bench/target/tools/bin/cargo-bloat ## Measure the start and the events beside other ways to write the function; writes docs/benchmarks.md
	$(BENCH_BUILD) --release --package measure-start
	$(BENCH_BUILD) --release --package sdk-defaults
	$(BENCH_BUILD) --profile function --package sdk-lean
	$(BENCH_BUILD) --profile function --package hello
	@$(FOR_PROCESSOR) $(PYTHON) bench/start.py

bench-core: ## Measure the pure core by criterion
	@rm -rf bench/target/criterion
	$(FOR_PROCESSOR) cargo bench --manifest-path bench/Cargo.toml --package core-bench --profile function

$(NODE_BUNDLE): $(wildcard bench/peers/node/*.mjs bench/peers/node/*.json)
	npm ci --prefix bench/peers/node --no-audit --no-fund --loglevel error
	npm run build --prefix bench/peers/node --silent
	@touch $@

bench/target/tools/bin/cargo-bloat:
	cargo install --locked --root bench/target/tools --version 0.12.1 cargo-bloat

bench-sweep: bench/.venv/.ready ## Measure a sweep beside boto3 and Cloud Custodian: half an hour, or SWEEP="--size 1000"
	cargo build --release --features cli --bin ecr-autopolicy
	cargo build --release --manifest-path bench/Cargo.toml
	@bench/.venv/bin/python3 bench/sweep.py $(SWEEP)

deny: $(TOOLS)/cargo-deny-$(CARGO_DENY) ## Check the licences and sources of what is built in
	$< --all-features --locked check bans licenses sources

advisories: $(TOOLS)/cargo-deny-$(CARGO_DENY) ## Look for known vulnerabilities, in a database that is fetched from GitHub
	$< --all-features --locked check advisories

# One binary at a time, since the function has fewer dependencies than the command line.
sbom: $(TOOLS)/cargo-cyclonedx-$(CARGO_CYCLONEDX) ## List what is built in, in CycloneDX's format, in target/sbom
	@mkdir -p target/sbom
	@list() { \
	  SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $< cyclonedx --quiet --describe binaries --format json \
	    --spec-version 1.5 --target $(TARGET) "$${@:2}"; \
	  sed 's|path+file://$(CURDIR)|path+file:///ecr-autopolicy|g' "$$1_bin.cdx.json" > "target/sbom/$$1.cdx.json"; \
	  rm -f bootstrap_bin.cdx.json ecr-autopolicy_bin.cdx.json; \
	  echo "target/sbom/$$1.cdx.json"; \
	}; \
	list bootstrap; \
	list ecr-autopolicy --features cli

$(TOOLS)/cargo-deny-$(CARGO_DENY): CRATE := cargo-deny@$(CARGO_DENY)
$(TOOLS)/cargo-cyclonedx-$(CARGO_CYCLONEDX): CRATE := cargo-cyclonedx@$(CARGO_CYCLONEDX)
$(TOOLS)/%:
	@echo "compiling $(CRATE); that takes some minutes"
	@cargo install --quiet --locked --force --root target/tools --target-dir target/tools/target $(CRATE)
	@rm -rf target/tools/target
	@mv $(TOOLS)/$(firstword $(subst @, ,$(CRATE))) $@

# In two folders and by way of two Cargo homes, so that a path that gets into the binary shows.
reproduce: setup ## Build the function twice in different places, and compare the checksums: two release builds
	@rm -rf target/reproduce
	@home="$${CARGO_HOME:-$$HOME/.cargo}"; \
	for each in one another/longer/name; do \
	  folder="$(CURDIR)/target/reproduce/$$each"; \
	  mkdir -p "$$folder" "$$folder.cargo"; \
	  find "$$home" -mindepth 1 -maxdepth 1 -exec ln -s {} "$$folder.cargo" \;; \
	  git ls-files -z --cached --others --exclude-standard | tar -c --null -T - | tar -x -C "$$folder"; \
	  ln -s "$(CURDIR)/.venv" "$$folder/.venv"; \
	  CARGO_HOME="$$folder.cargo" make -C "$$folder" build; \
	done
	@cd target/reproduce; \
	binaries=({one,another/longer/name}/.aws-sam/local/Function/bootstrap); \
	sha256sum "$${binaries[@]}"; \
	cmp "$${binaries[@]}" && echo "both are the same, to the byte"
	@rm -rf target/reproduce

setup: $(READY) ## Install the tools: Python packages into .venv, and Rust components that are missing
	@command -v cargo > /dev/null && command -v rustup > /dev/null \
	  || { echo "this needs Rust, installed by rustup: see https://rustup.rs" >&2; exit 1; }
	@cargo fmt --version > /dev/null 2>&1 || rustup component add rustfmt
	@cargo clippy --version > /dev/null 2>&1 || rustup component add clippy
	@test -d "$$(rustc --print target-libdir --target $(TARGET))" || rustup target add $(TARGET)

# A virtual environment for this folder, with what the requirements file names.
define virtual-environment
	@test -n "$(PYTHON)" || { echo "this needs Python 3.11 or later, and there is no python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "this needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version)" >&2; exit 1; }
	@echo "installing the tools into $(@D)"
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python3 -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	  --requirement $<
	@$(@D)/bin/python3 -m pip check > /dev/null
	@touch $@
endef

$(READY): tests/requirements.txt
	$(virtual-environment)

bench/.venv/.ready: bench/requirements.txt
	$(virtual-environment)

bench/peers/python/.venv/.ready: bench/peers/python/requirements.txt
	$(virtual-environment)

# Apart from the others, because it wants older versions of what they use.
tests/lint/.venv/.ready: tests/lint/requirements.txt
	$(virtual-environment)

install: ## Install the command line, `ecr-autopolicy`
	cargo install --locked --path . --features cli --bin ecr-autopolicy

format: setup ## Format the Rust code
	cargo fmt --all

clean: ## Remove everything that these targets made
	rm -rf .venv .aws-sam target bench/.venv bench/target bench/peers/python/.venv bench/peers/node/node_modules \
	  bench/peers/node/bundle tests/lint/.venv
