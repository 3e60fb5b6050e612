# Two commands do everything on a fresh machine with Python 3.11: `make quickstart` and `make test`.
PYTHON ?= python3.11
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

# pytest compiles its tests anew in each process unless it may keep what it has compiled: a third of the time to collect.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: quickstart test test-fast coverage test-cluster soak check format environment clean benchmark

quickstart: environment
	$(BIN)/python -m sweep run

# Most tests wait for processes most of the time: three at once leave little of two cores idle. In the order of the folders
# the long files come first, and the many short tests of `unit` keep all busy to the end.
test: environment check
	$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

FAST := --numprocesses 2 --dist loadfile tests/unit tests/fuzz

# The loop while one writes code: what starts no process, simulates nothing, migrates no database and is done in a fifth of
# a second.
test-fast: environment
	$(BIN)/pytest $(FAST) -m "not slow and not lengthy"

# By itself: to trace these suites takes half as long again, and what the other suites run, they run in processes of
# their own.
coverage: environment
	$(BIN)/pytest $(FAST) tests/contract tests/oracle -m "not slow" --cov sweep --cov trainable --cov-report term:skip-covered --cov-fail-under 83

# All that is tested on several machines, until the last GPU machine has been given back: `test` does not wait for that.
test-cluster: environment
	SWEEP_CLUSTER=1 $(BIN)/pytest tests/multinode

# Four hundred random faults, about three hours on two cores; `test` runs a short form of it.
soak: environment
	$(BIN)/python -m tests.faults.soak --faults 400 --kept build/soak.jsonl

check: environment
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: environment
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

benchmark: environment
	$(BIN)/python -m tests.benchmarks.trials

environment: $(READY)

# torch comes first: the CPU build is enough for tests, and what is installed is not fetched again.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[cluster,postgres,setfit,onnx,explain,dev]'
	touch $(READY)

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
