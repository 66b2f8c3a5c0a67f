# `make help` lists what there is. Everything works from a fresh clone with a Rust toolchain.
.DEFAULT_GOAL := help
SHELL := bash
STAGE ?= dev
ARGS ?=
export SAM_CLI_TELEMETRY := 0

.PHONY: help run demo test check bench build deploy new fmt openapi tools

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Dependencies get the features of what is selected. With the whole workspace selected they are the same
# for tests and for every tool, and are compiled once; `cargo run -p demo` would compile them anew.
run: ## the whole backend on this machine (PORT=3000, FRESH=1, SEED=1, DATA=.local, DYNAMODB_ENDPOINT=http://…, LEGACY_ORIGIN=http://…)
	@cargo build -q --workspace --bin local && exec "$$(scripts/target-dir)/debug/local"

demo: ## replay 10,000 logged impressions against the running stack, or one of its own (ARGS=--targeted, --day)
	@cargo build -q --workspace --bin demo && exec "$$(scripts/target-dir)/debug/demo" $(ARGS)

test: ## all tests, with nothing but a Rust toolchain
	@cargo test -q --workspace

check: ## formatting, lints, contract: what must hold before a commit
	cargo fmt --all --check
	cargo clippy -q --workspace --all-targets -- -D warnings
	cargo test -q --workspace --test contract

bench: ## what it costs, each figure beside a baseline of the same run (ARGS=--load: under load)
	@scripts/bench $(ARGS)

build: ## the deployable binaries of all functions, arm64 (ARCH=x86_64 for this machine's kind)
	@scripts/build $(ARGS)

deploy: build ## build and deploy a stage (STAGE=dev)
	@scripts/deploy $(STAGE)

new: ## a working endpoint to start from (NAME=x)
	@scripts/new-endpoint "$(NAME)"

fmt: ## format everything
	cargo fmt --all

openapi: ## write openapi.json and the generated pages of docs/ anew
	UPDATE=1 cargo test -q --workspace --test contract

tools: ## install the pinned tools that checks beyond `make test` use, into .tools/
	@scripts/tools
