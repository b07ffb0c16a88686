# SPDX-License-Identifier: Apache-2.0

# More flags for every build, as in: make test SWIFT_FLAGS="-Xswiftc -warnings-as-errors"
SWIFT_FLAGS ?=
# The mutants to make, as in: make mutants MUTANTS="--count 100 --files Sources/EtcdPatterns/Lock"
MUTANTS ?=

.DEFAULT_GOAL := help
.PHONY: help demo monitor test quick integrations tsan fault-run pattern-run crosscheck mutants coverage budgets docs lint dependencies

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: dependencies ## Install what is missing, build the examples, run them all on a private etcd
	swift build -c release --product examples $(SWIFT_FLAGS)
	.build/release/examples --example=all

monitor: dependencies ## Install what is missing, build the monitor, and watch a private etcd of three members
	swift build -c release --product etcd-monitor $(SWIFT_FLAGS)
	.build/release/etcd-monitor --demo

test: dependencies ## Install what is missing, run all tests, or with FILTER=NAME those of that name
	scripts/test.sh $(SWIFT_FLAGS)

quick: dependencies ## Run the tests that start no etcd
	TIERS=unit scripts/test.sh $(SWIFT_FLAGS)

integrations: dependencies ## Build and test Integrations, which needs packages from the network
	scripts/integrations.sh $(SWIFT_FLAGS)

tsan: dependencies ## Run all tests under ThreadSanitizer
	JOBS=3 scripts/test.sh --sanitize=thread --scratch-path .build-tsan $(SWIFT_FLAGS)

fault-run: dependencies ## Harm a cluster for ten minutes while clients work on it, and check what they were promised
	scripts/fault-run.sh $(SWIFT_FLAGS)

pattern-run: dependencies ## Harm those who hold locks, lead or own shards, and check that no promise is broken
	scripts/pattern-run.sh $(SWIFT_FLAGS)

crosscheck: dependencies ## Check the wire format against Python's protobuf, both ways, on fresh random messages
	scripts/crosscheck.sh $(SWIFT_FLAGS)

mutants: dependencies ## Change lines of changed files at random, one at a time, and list those that no test notices
	scripts/mutants.py $(MUTANTS)

coverage: dependencies ## Run all tests, and print which share of the lines of each folder they run
	scripts/coverage.sh $(SWIFT_FLAGS)

budgets: dependencies ## Count allocations and instructions, and fail where something takes over a tenth more than its budget
	scripts/budgets.sh $(SWIFT_FLAGS)

docs: dependencies ## Build the documentation of the modules, and fail on links that lead nowhere
	scripts/docs.sh $(SWIFT_FLAGS)

lint: ## Check the formatting, the layers of Docs/Design.md, the prose, the links and the versions
	swift format lint --strict --recursive Sources Tests Integrations Package.swift
	scripts/lint-test.py --quiet
	scripts/layers.py
	scripts/prose.py
	scripts/links.py
	scripts/version.py

dependencies: ## Install what is missing: the nghttp2 and OpenSSL headers, pkg-config, etcd
	@scripts/install-dependencies.sh
