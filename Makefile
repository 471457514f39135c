# `make run` starts the service, `make test` tests it; both install what they need into .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run test check format web proto bench bench-devices chaos fuzz clean

help:  ## say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(VENV)/installed  ## install if needed, and start: ARGS="--simulate 3" adds options
	@$(BIN)/python run.py $(ARGS)

test: $(VENV)/installed  ## the tests; those that need Mosquitto, Node or Chromium run where these are installed
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not alone"
	$(BIN)/python -m pytest -m alone
endif

check: $(VENV)/installed-dev  ## formatting, lint, types, the import law
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed-dev  ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

web: $(VENV)/installed  ## build the pages again
	$(BIN)/python hatch_build.py

proto: $(VENV)/installed-dev  ## generate the Python code of realtime.proto again
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpc_python_out=. rt_service/gateways/grpc/realtime.proto

bench: $(VENV)/installed-bench  ## load tests beside Node, Flask-SocketIO and C; a table and a plot (benchmarks/README.md)
	@$(BIN)/python -m benchmarks $(ARGS)

bench-devices: $(VENV)/installed-bench  ## from devices to browsers, and what keeping on disk costs
	@$(BIN)/python -m benchmarks.devices $(ARGS)

chaos: $(VENV)/installed  ## ten minutes of killing, cutting and filling up; says what was lost (nothing, if all is well)
	@$(BIN)/python -m tests.chaos $(ARGS)

fuzz: $(VENV)/installed  ## made-up input into everything that reads what strangers send, for half an hour or so
	FUZZ=long $(BIN)/python -m pytest tests/fuzz $(ARGS)

clean:  ## remove what was built and installed
	rm -rf $(VENV) build dist *.egg-info rt_service/web benchmarks/results
	rm -rf clients/web/node_modules tests/e2e/node_modules benchmarks/peers/node/node_modules

$(VENV)/installed: requirements.txt pyproject.toml hatch_build.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rt-service needs Python 3.11 or later; this is %d.%d: make PYTHON=python3.12" % sys.version_info[:2])'
	@echo "installing into $(VENV), once ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

$(VENV)/installed-bench: $(VENV)/installed requirements-bench.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	@touch $@
