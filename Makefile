# pdemill: every target does all the set-up it needs, on a machine with Python >= 3.12 and nothing else.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3.12 python3.13 python3.14 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install
PLATFORM := $(shell uname -sm)
READY := .venv/.ready
DEMO ?= demo
SELECT := -m "not slow"
unexport PYTHONDONTWRITEBYTECODE  # tests start hundreds of processes, each of which would compile all modules
COMPILE := $(BIN)/uv pip compile --quiet --python-version 3.12 --python-platform x86_64-manylinux_2_34 --generate-hashes \
	--no-header --no-emit-index-url --no-annotate

ifeq ($(PLATFORM),Linux x86_64)
LIGHT := .venv-light
else
LIGHT := .venv
endif
LACKING := dolfinx-solver-real netgen-mesher netgen-occt
LIGHT_TESTS := $(addprefix tests/,solvers/test_superlu.py solvers/test_methods.py solvers/test_planner.py solvers/test_fft.py \
	solvers/test_multigrid.py compliance/test_methods.py \
	service/test_jobs.py::test_events_end_with_the_job_and_go_on_after_a_restart)
CONSUMERS := .venv-consumers
CONSUMERS_LOCK := tests/consumers/requirements.lock

.PHONY: help setup demo test test-light check-light consumers lint check docs bench cluster soak openapi lock clean
help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## / \t/' | expand -t 14

setup: $(READY)  ## make the virtual environment from the lock

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "pdemill needs Python >= 3.12 (set PYTHON=/path/to/python3.12)"; exit 1; }
	@echo "setting up .venv with $(PYTHON) (once, about a minute)"
	@$(PYTHON) -m venv .venv
ifeq ($(PLATFORM),Linux x86_64)
	@awk '/^[a-z]/ { uv = /^uv==/ } uv' requirements.lock >.venv/uv.lock  # it takes a third of the time of pip
	@$(PIP) --require-hashes --requirement .venv/uv.lock
	@$(BIN)/uv pip install --quiet --python .venv --require-hashes --compile-bytecode --requirements requirements.lock \
		|| $(PIP) --require-hashes --requirement requirements.lock  # where only pip knows the way to an index
	@$(PIP) --no-build-isolation --no-deps --editable .
else
	@echo "no lock for $(PLATFORM): the newest versions are installed, without what has no wheels for it"
	@$(PIP) --upgrade pip
	@$(PIP) --group dev --editable .
endif
	@touch $(READY)

demo: $(READY)  ## serve, submit 1,200 Darcy samples over HTTP, follow the job, draw a picture
	@rm -rf $(DEMO) $(DEMO).png
	@$(BIN)/python examples/demo.py $(DEMO)

test: $(READY)  ## run the quick tests (about twenty minutes); SELECT= runs all of them
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder $(SELECT)

test-light: $(LIGHT)/.ready  ## run a few tests without PETSc and mesher, as on Linux aarch64 (a minute at most)
	$(LIGHT)/bin/python -m pytest -n 2 --no-loadscope-reorder -r fE -m "not slow" $(LIGHT_TESTS)

check-light: $(LIGHT)/.ready  ## run all tests that can run without PETSc and mesher
	$(LIGHT)/bin/python -m pytest -n 2 --no-loadscope-reorder

.venv-light/.ready: $(READY)  # the same environment with less in it; links take no space
	@rm -rf .venv-light && cp -a --link .venv .venv-light && rm .venv-light/.ready
	@grep -rlI '$(CURDIR)/.venv\b' .venv-light/bin | xargs sed -i 's|$(CURDIR)/.venv\b|&-light|g'
	@$(BIN)/uv pip uninstall --quiet --python .venv-light $(LACKING)
	@$(BIN)/uv pip install --quiet --python .venv-light --no-deps --no-build-isolation --editable .
	@touch $@

consumers: $(CONSUMERS)/.ready  ## test what trains on stores: PyTorch and its libraries, examples, S3 (7 GB, ten minutes)
	$(CONSUMERS)/bin/python -m pytest --timeout 600 tests/consumers

$(CONSUMERS)/.ready: $(CONSUMERS_LOCK) pyproject.toml | $(READY)
	@echo "setting up $(CONSUMERS) (once; PyTorch from PyPI brings CUDA along, 3 GB)"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(CONSUMERS)
ifeq ($(PLATFORM),Linux x86_64)
	@$(BIN)/uv pip install --quiet --python $(CONSUMERS) --requirements $(CONSUMERS_LOCK)
	@$(BIN)/uv pip install --quiet --python $(CONSUMERS) --no-deps --editable .
else
	@$(BIN)/uv pip install --quiet --python $(CONSUMERS) --group consumers --editable .
endif
	@touch $@

lint: $(READY)  ## lint, format, types, layer contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint  ## what lint does, and all tests, the slow ones too (about half an hour)
	$(MAKE) --no-print-directory test SELECT=

docs: $(READY)  ## build the docs into site/, strictly
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(READY)  ## run the benchmarks and print their tables
	$(BIN)/python benchmarks/pipeline.py
	$(BIN)/python benchmarks/recycling.py
	$(BIN)/python benchmarks/constant.py
	$(BIN)/python benchmarks/walks.py
	$(BIN)/python benchmarks/multigrid.py
	$(BIN)/python benchmarks/reader.py
	$(BIN)/python benchmarks/serving.py
	$(BIN)/python benchmarks/coordinator.py

cluster: $(READY)  ## fill stores under a real Slurm and on hosts of network namespaces (root; ten minutes)
	$(BIN)/python -m pytest -n 0 -m "slow or not slow" tests/cluster

soak: $(READY)  ## solve 20,000 random specs (SOAK_SPECS, SOAK_FROM), disturb a running server 200 times (SOAK=--bucket: its stores in a bucket; two hours)
	SOAK_SPECS=$${SOAK_SPECS:-20000} $(BIN)/python -m pytest -n 0 -v --timeout 0 -k many tests/solvers/test_random_specs.py
	$(BIN)/python benchmarks/soak.py $(SOAK)

openapi: $(READY)  ## write docs/openapi.json anew
	$(BIN)/python -m pdemill.service.openapi > docs/openapi.json

lock: $(READY)  ## write the locks anew from pyproject.toml
	$(COMPILE) --group dev pyproject.toml --output-file requirements.lock
	$(COMPILE) --constraint requirements.lock --extra objects pyproject.toml --output-file docker/run.lock
	$(filter-out --generate-hashes,$(COMPILE)) --constraint requirements.lock --group consumers pyproject.toml \
		--output-file $(CONSUMERS_LOCK)
	echo hatchling | $(COMPILE) --constraint requirements.lock - --output-file docker/build.lock

clean:  ## remove what the targets made
	rm -rf .venv .venv-light $(CONSUMERS) site $(DEMO) $(DEMO).png
