# Each target is one or two commands that a person could have typed. `make` alone lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
PY := .venv/bin/python
CONFIG ?= config/sim.yaml
DURATION ?=
VENUE ?=
SEED ?=
RUNS ?= 320

.PHONY: help run test build conformance dst dst-whole dst-mutants chaos bench bench-smoke lint annotate layouts clean
help:           ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

run: build      ## the whole system; simulated venues unless CONFIG=... says otherwise; DURATION=20 stops by itself
	@$(PY) -m engine.supervisor $(CONFIG) $(if $(DURATION),--duration $(DURATION))

test: .venv/test-stamp  ## all tests, from nothing; compiler warnings and Cython performance hints fail here
	@$(PY) tools/build.py --strict
	$(PY) -m pytest -n 2 --dist loadfile $(ARGS)

build: .venv/run-stamp  ## make .venv, install the locked dependencies, compile in place (incremental)
	@$(PY) tools/build.py

conformance: .venv/test-stamp  ## what every venue must pass, with a table at the end; one venue with VENUE=okx
	@$(PY) tools/build.py
	$(PY) -m pytest tests/conformance -n 2 --dist loadfile --full --conformance-json build/conformance.json $(addprefix --venue ,$(VENUE)) $(ARGS)

dst: .venv/test-stamp  ## the simulation: 5,000 seeds on all cores; one, told in full, with SEED=n
	@$(PY) tools/build.py
	$(PY) -m tests.dst $(if $(SEED),--seed $(SEED)) $(ARGS)

dst-whole: .venv/test-stamp  ## the same for the whole system, every process and wire format, under virtual time: 200 seeds; SEED=n
	@$(PY) tools/build.py
	$(PY) -m tests.whole $(if $(SEED),--seed $(SEED)) $(ARGS)

dst-mutants: .venv/test-stamp  ## planted bugs, each of which the simulation must catch
	@$(PY) tools/build.py
	$(PY) -m tests.dst.mutants $(ARGS)
	$(PY) -m tests.whole.mutants $(ARGS)

chaos: .venv/test-stamp  ## kill -9 of real engines among real processes, audited; RUNS=n deaths
	@$(PY) tools/build.py
	$(PY) -m tests.chaos --runs $(RUNS) $(ARGS)

bench: .venv/test-stamp  ## all benches with their references; results in bench/results/latest.json
	@$(PY) tools/build.py
	$(PY) -m bench.run $(ARGS)

bench-smoke: .venv/test-stamp  ## every bench once with tiny sizes
	@$(PY) tools/build.py
	$(PY) -m pytest bench --benchmark-disable

lint: .venv/test-stamp  ## ruff over everything
	$(PY) -m ruff check .

annotate: .venv/run-stamp  ## Cython HTML for every .pyx, under build/annotate; nothing is compiled
	LOCKSTEP_ANNOTATE=1 $(PY) setup.py --quiet --name

layouts: build  ## print docs/layouts.md anew from the compiled layouts
	$(PY) -m tools.draw_layouts docs/layouts.md

clean:          ## remove what was built here (.venv and runs stay)
	rm -rf build
	find cext feeds engine tools bench tests -name '*.so' -delete

.venv/run-stamp: requirements.lock tools/make_venv.py
	@$(PYTHON) tools/make_venv.py requirements.lock

.venv/test-stamp: requirements-test.lock tools/make_venv.py
	@$(PYTHON) tools/make_venv.py requirements-test.lock
