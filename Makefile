# Two commands do everything on a fresh machine: `make demo` and `make test`. Everything built lies in target/, and
# in node_modules and *.node beside the Node package.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Whatever the user's own settings say: recipes and scripts look for what was built here.
export CARGO_TARGET_DIR := $(CURDIR)/target
VENV := target/venv
PYTHON := $(VENV)/bin/python
CORE := $(shell find core/src core/build.rs core/Cargo.toml Cargo.toml -type f)
C_LIBRARY := $(CORE) $(shell find ffi/src ffi/build.rs ffi/Cargo.toml Cargo.lock -type f)
PYTHON_PACKAGE := $(CORE) $(shell find bindings/python -type f -not -path '*/tests/*' -not -path '*/wheels/*' -not -name '*.pyc')
NODE_FOLDERS := bindings/node bindings/node/test/libraries examples/node examples/tests/clients/node conformance/subjects/node
NODE_PACKAGE := $(CORE) $(shell find bindings/node -type f -not -path '*/node_modules/*' -not -path '*/packages/*' -not -path '*/soak/*' \
	-not -name '*.node')

# For ffi/install.sh and ffi/Doxyfile. PREFIX, LIBDIR, INCLUDEDIR and DESTDIR reach the former by themselves.
export REACTOR_VERSION := $(shell sed -nE '/^\[workspace\.package\]/,/^\[/s/^version = "(.*)"$$/\1/p' Cargo.toml)

.PHONY: help setup build rust c python node demo install uninstall test nightly wheels packages conformance lint uvloop-tests net-tests bench \
	bench-full bench-quick format header docs clean

help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target text; do \
		printf '  make %-12s %s\n' "$$target" "$$text"; done

setup: ## install the commands that are missing (Debian and its kin)
	@tools/setup

build: rust c python node ## build the libraries, the packages, the examples and the conformance subjects

rust: setup
	cargo build --release --package reactor-ffi --package reactor-examples --package reactor-subject

c: rust
	examples/c/build.sh

python: target/python.stamp

# setup only has to come first; it is no reason to build again.
$(PYTHON): | setup
	python3 -m venv $(VENV)

target/python.stamp: $(PYTHON_PACKAGE) | $(PYTHON)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check ./bindings/python --requirement tools/requirements.txt
	touch $@

node: target/node.stamp

# The tools that check the package are its development dependencies; the programs link to the package.
target/node.stamp: $(NODE_PACKAGE) $(NODE_FOLDERS:%=%/package.json) | setup
	node bindings/node/scripts/build.cjs
	for folder in $(NODE_FOLDERS); do \
		npm --prefix $$folder install --ignore-scripts --no-audit --no-fund --loglevel=error; done
	touch $@

demo: build ## serve echo from C, Python and Node, each answering real clients
	python3 tools/demo.py

# It needs cargo and a C compiler, and once the library is built, neither: root may have none.
install: target/release/libreactor.so ## install the C library; PREFIX, LIBDIR, INCLUDEDIR, DESTDIR say where
	@ffi/install.sh install

uninstall: ## take away what install put there, given the same variables
	@ffi/install.sh uninstall

target/release/libreactor.so: $(C_LIBRARY)
	@command -v cargo >/dev/null || { echo 'make: cargo was not found: install Rust 1.88 or newer, which has it' >&2; exit 1; }
	cargo build --release --package reactor-ffi
	touch $@

test: build ## run every suite of every language
	tools/test

nightly: python node wheels packages ## run what takes too long for test: what is published, on all that runs it, and ten minutes of use
	tools/test wheels packages soak node-soak

wheels: setup ## build the wheel and the source distribution of the Python package into target/wheels/dist
	bindings/python/wheels/build

packages: setup ## build the packages for npm into target/packages/dist
	bindings/node/packages/build

conformance: build ## run the conformance cases and print the table promise × language
	tools/test conformance

lint: build ## check formatting, lints, types, layers and generated files
	tools/lint

BENCH := target/bench/venv/bin/python bench/run.py

uvloop-tests: python ## run uvloop's own tests, fetched for that, with reactor.asyncio
	$(PYTHON) bindings/python/tests/outside/uvloop_suite.py

net-tests: node ## run Node's own tests of net, and those of ws, fetched for that, with reactor-engine/net
	node bindings/node/test/outside/node_suite.cjs
	node bindings/node/test/outside/ws_suite.cjs

bench: ## measure every system beside the others and write bench/report (an hour)
	@bench/build
	@$(BENCH) --mode core --fresh

bench-full: ## the same with more rounds and workloads (two and three quarter hours); interrupted, it goes on where it was
	@bench/build
	@$(BENCH) --mode full

bench-quick: ## ours beside the bare loops only (4 minutes)
	@bench/build quick
	@$(BENCH) --mode quick --fresh

format: ## format the Rust code
	cargo fmt --all

header: ## generate include/reactor.h, ffi/layout.txt and the README's table of options anew
	UPDATE_README=1 cargo test --package reactor-core --lib the_readme_shows_the_table
	UPDATE_HEADER=1 cargo test --package reactor-ffi --test header
	ffi/tests/c/layout.py --update

docs: setup ## write the C library's manual to target/docs/c/index.html
	mkdir -p target/docs/c
	doxygen ffi/Doxyfile

clean: ## remove everything that was built
	cargo clean
	rm -rf bindings/node/lib/*.node $(NODE_FOLDERS:%=%/node_modules)
