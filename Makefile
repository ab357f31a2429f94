# Everything is done in .venv, which the first target that needs it makes. `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help demo test soak lint lint-style lint-types lint-imports lint-documents lint-tree bench train-falls screenshots schema constraints venv clean

BASE := .venv/.base
DEV := .venv/.dev
# Where train-falls writes: over the weights that ship, unless they were learned from less.
TRAINED ?= $(if $(LEAVE_OUT),out/falls-without-$(subst $(eval) ,-,$(strip $(LEAVE_OUT))),detectors/fall)
SETUP := pyproject.toml constraints.txt tools/bootstrap.sh
# What many processes load is compiled once, and not by each of them.
unexport PYTHONDONTWRITEBYTECODE

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target text; do printf '%-22s %s\n' "$$target" "$$text"; done

demo: $(BASE) ## the whole system on this machine, with simulated wearers; ARGS="--seconds 60 --json out/demo.json"
	@.venv/bin/carecircle demo $(ARGS)

test: $(DEV) ## all tests, the servers they need included; ARGS goes to pytest
	@tools/install_servers.sh
	@.venv/bin/python -m pytest -n 5 --dist loadfile -m "not soak" --durations 10 $(ARGS)

soak: $(DEV) ## the tests that take long and are left out of `make test`: half an hour; ARGS goes to pytest
	@tools/install_servers.sh
	@echo "The chaos run alone takes 20 minutes and a few more to come to rest (CHAOS_SECONDS sets how long, CHAOS_SEED has a run again, CHAOS_REPORT names a folder for its report)."
	@.venv/bin/python -m pytest -m soak --durations 10 $(ARGS)

lint: lint-style lint-types lint-imports lint-documents lint-tree ## style, types, import rules, generated documents, what must not be committed

lint-style: $(DEV)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

lint-types: $(DEV)
	.venv/bin/mypy

lint-imports: $(DEV)
	.venv/bin/lint-imports --no-cache

lint-documents: $(DEV)
	.venv/bin/python -m telemetry.schema --check

lint-tree: $(DEV)
	.venv/bin/python tools/check_tree.py

bench: $(BASE) ## throughput on this machine; WHAT=ingest|detect|store, ARGS="--json out/bench.json"
	@.venv/bin/carecircle bench $(or $(WHAT),ingest) $(ARGS)

train-falls: $(DEV) ## learn the fall weights anew from CARECIRCLE_DATA/falls; LEAVE_OUT="weda" leaves data sets out and writes to out/
	.venv/bin/python -m detectors.fall.train --data "$${CARECIRCLE_DATA:-../shared/data}/falls" --out "$(TRAINED)" $(foreach dataset,$(LEAVE_OUT),--leave-out $(dataset))

screenshots: $(DEV) ## a picture of every page of the console in out/screenshots; ARGS="board person --theme dark" takes some
	@tools/install_servers.sh
	@.venv/bin/python -m tools.screenshots $(ARGS)

schema: $(BASE) ## write docs/asyncapi.yaml and docs/schema/ anew from the message types
	@.venv/bin/python -m telemetry.schema --write

constraints: $(DEV) ## write constraints.txt anew: the newest versions that fit pyproject.toml
	@tools/refresh_constraints.sh

venv: $(DEV) ## .venv with everything that tests and checks need

clean: ## remove .venv, caches and build leftovers; var/ and out/ stay
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BASE): $(SETUP)
	@tools/bootstrap.sh

$(DEV): $(SETUP)
	@tools/bootstrap.sh dev
