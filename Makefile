# Names for what one does here. Each target works from a fresh clone, in any order, and again; what is missing is
# installed by build/deps.sh, and nothing touches the network when nothing is missing.

CARGO ?= cargo
FUZZ_SECONDS ?= 60
PREFIX ?= /usr/local
DESTDIR ?=
IMAGES ?= localhost/shrike

export CARGO FUZZ_SECONDS PREFIX DESTDIR IMAGES

.DEFAULT_GOAL := help
.PHONY: help deps build images install run test lint bench fuzz clean rust

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

deps: ## install what building and running needs (DRY_RUN=1: only say what)
	@build/deps.sh build

build: deps rust ## build what ships, optimised, and the local intake into target/release
	@build/release.sh

images: deps ## build the container images of the three services, offline (IMAGES, TAG: their names)
	@build/images.sh

install: build ## install the programs and shell completions below PREFIX (/usr/local), or DESTDIR/PREFIX
	@build/install.sh

run: deps rust ## watch a demo workload from the kernel to a local intake (needs root or sudo)
	@build/demo.sh

test: rust ## every test: unit, end to end, kernel matrix, rules fuzzed, deployment files; what cannot run says why
	@build/test.sh

lint: rust ## format, clippy, licences and dependency direction, docs, generated code, house rules
	@.ci/run lint

bench: deps rust ## ratios measured in one run, beside the floor and the peers (needs root or sudo)
	@build/bench.sh

fuzz: rust ## each fuzz target for FUZZ_SECONDS
	@build/fuzz.sh

clean: ## remove what was built and downloaded
	$(CARGO) clean
	rm -rf .cache .run tests/fuzz/target

rust:
	@command -v $(firstword $(CARGO)) >/dev/null || \
	    { echo "error: $(CARGO) is not installed: see https://rustup.rs, then try again" >&2; exit 2; }
