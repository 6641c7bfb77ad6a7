# The commands of this project. `make help` lists them.
# A fresh machine needs Python 3.11+, git and make; all else is installed here.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Tests on the real engine wait more than they work.
WORKERS ?= $(shell echo $$(($$(nproc 2>/dev/null || echo 2) + 2)))
# GitHub's documentation and the schema have it; the newest actionlint does not know it yet.
NEWER_THAN_ACTIONLINT := -ignore 'unexpected key "queue" for "concurrency" section'

.DEFAULT_GOAL := help
.PHONY: help setup demo test check audit soak bench corpus picture policies lock clean

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(READY) ## install everything into .venv and .tools (demo and test do it too)
	@$(BIN)/python scripts/get_pulumi.py
	@# As an installer leaves it: where Python is told to write no bytecode, as in many images, each
	@# of the thousands of processes of the tests would compile it.
	@$(BIN)/python -m compileall -q pulumi_openrelay scripts

$(READY): pyproject.toml requirements.lock
	@echo "setup: installing the locked packages into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## bring a stack up, change it, break it, destroy it: on the emulator, no account needed
	@$(BIN)/python scripts/demo.py

test: setup ## run the tests, those on the real Pulumi engine too
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

check: $(READY) ## run the linters and the type checkers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/pyright
	@$(BIN)/lint-imports
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows examples/gitops/github/*.yml
	@$(BIN)/check-jsonschema --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci \
	  examples/gitops/gitlab/.gitlab-ci.yml
	@$(BIN)/check-jsonschema --schemafile tests/gitops/data/stack-v2.9.0.json \
	  examples/gitops/operator/stack.yaml
	@$(BIN)/zizmor --quiet --offline examples/gitops/github/*.yml
	@lint=$$($(BIN)/python scripts/get_actionlint.py) && "$$lint" $(NEWER_THAN_ACTIONLINT) \
	  -shellcheck $(BIN)/shellcheck -pyflakes "" examples/gitops/github/*.yml
	@$(BIN)/shellcheck examples/gitops/cron/reconcile.sh

audit: $(READY) ## look the locked packages up among known vulnerabilities
	@$(BIN)/pip-audit --requirement requirements.lock --disable-pip --require-hashes

soak: setup ## run 10,000 simulated stories of bad days, then kill every kind at every request
	@$(BIN)/python -m tests.simulation --soak 10000
	@OPENRELAY_SOAK=1 $(BIN)/python -m pytest -n $(WORKERS) tests/engine/test_kill_matrix.py

bench: setup ## measure against an engine that does nothing, and a provider as the documentation teaches
	@$(BIN)/python scripts/bench.py

corpus: setup ## review the corpus of pull requests: the verdict, lines and seconds of each
	@$(BIN)/python -m tests.review.corpus $(ONLY)

picture: setup ## draw the pictures of README.md anew: a terminal, and a review's comment and page
	@$(BIN)/python scripts/record.py
	@$(BIN)/python scripts/record_review.py

policies: $(READY) ## write the tables of docs/policies.md anew
	@$(BIN)/python scripts/policies_page.py

lock: $(READY) ## write requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --quiet --upgrade --all-extras --group dev --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --custom-compile-command "make lock" --output-file requirements.lock

clean: ## remove what `make` installed and what tools left behind
	rm -rf $(VENV) .tools .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
