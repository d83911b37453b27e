# `make demo` and `make test` need nothing before them: both install into .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# What TensorFlow is built for, see setup.py.
FITS := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))

# The command holds back what TensorFlow prints by itself.
test test-slow demo-train: export TF_CPP_MIN_LOG_LEVEL ?= 2
# Tests run on the CPU, so that they are the same everywhere; set it to use a GPU.
test test-slow: export CUDA_VISIBLE_DEVICES ?= -1

.DEFAULT_GOAL := help
.PHONY: help venv demo demo-train test test-slow lint docs clean

help:  ## Show what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(INSTALLED)  ## Install the package and its tools into .venv

# The stamp is as old as the last installation: a change of either file installs again.
$(INSTALLED): setup.py requirements.txt
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -c "$(FITS)" 2> /dev/null || { \
		echo "$(PYTHON) is $$($(PYTHON) --version 2>&1): Python 3.10 to 3.13 is needed;" \
			"name one, as in: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (TensorFlow is large: some minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $@

demo: $(INSTALLED)  ## Outline and count nuclei in four microscope images, into demo/
	$(BIN)/mrcnn detect mrcnn/pretrained/examples/nucleus/images --weights nucleus --output demo

demo-train: $(INSTALLED)  ## Train on shapes for about two minutes: demo_shapes.png
	$(BIN)/python samples/shapes/shapes.py demo

test: lint  ## Check style, run the tests, measure the coverage of geometry and targets
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder \
		--cov=mrcnn.geometry --cov=mrcnn.targets --cov-branch \
		--cov-report=term-missing:skip-covered --cov-fail-under=95

test-slow: $(INSTALLED)  ## Run the tests that train networks (long)
	$(BIN)/python -m pytest -m slow --timeout=7200

lint: $(INSTALLED)  ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

docs: $(INSTALLED)  ## Build the pages of docs/ and of all docstrings into site/
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[docs]"
	$(BIN)/mkdocs build --strict

clean:  ## Remove .venv, caches and builds; logs and weights stay
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
