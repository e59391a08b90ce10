# `make run` and `make test` are all that a newcomer needs; `make help` lists the rest.
# They need python3 >= 3.11 with pip, and nothing else.
#
#   PYTHON=python3.13   another Python
#   DATASETTE=1.0       the newest 1.0 pre-release instead of the stable 0.65 line
#   ARGS='-k search'    more arguments for pytest
#   TIMES=2             twice as much of `make torture`
#   ONLY=sizes,starts   these tables of `make bench`; PEERS=1: other programs too
#
# Each combination has its own virtual environment.

PYTHON ?= python3
DATASETTE ?= 0.65
PORT ?= 8001
SIZE ?= small
TIMES ?= 1
ONLY ?=
PEERS ?=
ARGS ?=

datasette-0.65 := datasette==0.65.*
# Naming a pre-release allows pre-releases of datasette alone; --pre would allow them for all.
datasette-1.0 := datasette>=1.0a0,<1.1

python-version := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
venv := .venv-$(python-version)-$(DATASETTE)
bin := $(venv)/bin
pip := $(bin)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' Makefile | expand -t 16

run: $(venv)/installed ## make the archive, import what is on this machine, serve it
	@$(bin)/glin-datasette init
	@$(bin)/glin-datasette import --or-samples
	@exec $(bin)/glin-datasette serve --port $(PORT)

test: $(venv)/developing ## run the whole test suite, on every core
	$(bin)/python -m pytest -n auto $(ARGS)

# By the hundreds and thousands, what the suite tries a few times of: a test takes many minutes.
torture: $(venv)/developing ## kill, damage, starve and flood it, TIMES over; about an hour
	GLIN_TORTURE=$(TIMES) $(bin)/python -m pytest -n auto -m torture -rA \
	  -o faulthandler_timeout=7200 tests/torture tests/storage $(ARGS)

golden: $(venv)/developing ## write again what the fixtures of the importers yield; look at the difference
	GLIN_WRITE_GOLDEN=1 $(bin)/python -m pytest -q tests/importers/test_golden.py

lint: $(venv)/developing ## check style
	$(bin)/ruff check .
	$(bin)/ruff format --check .

types: $(venv)/developing ## check types
	$(bin)/mypy

docs: $(venv)/developing ## check that the generated parts of the docs are up to date
	$(bin)/cog --check -I docs docs/*.md
	$(bin)/python -m pytest -q tests/test_docs.py

docs-write: $(venv)/developing ## write the generated parts of the docs again
	$(bin)/cog -r -I docs docs/*.md

screenshots: $(venv)/developing ## take the pictures in docs/images from the samples
	$(bin)/python docs/screenshots.py

bench: $(venv)/installed ## measure it beside plain SQLite; SIZE=small, medium or large
	PEERS=$(PEERS) $(bin)/python -m benchmarks $(SIZE) $(ONLY)

wheel: $(venv)/developing ## build the wheel into dist/
	@rm -rf dist
	$(bin)/python -m hatchling build -t wheel -d dist

check: lint types docs test bench ## all of the above checks

db-backup: $(venv)/installed ## back the archive up
	@$(bin)/glin-datasette backup

db-check: $(venv)/installed ## check the archive's health
	@$(bin)/glin-datasette check

clean: ## remove the environments and everything else that make made; never the archive
	rm -rf .venv-*-* dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps tell that an installation went through to its end.
$(venv)/installed: pyproject.toml | $(bin)/python
	@echo "Installing with datasette $(DATASETTE) into $(venv)"
	@$(pip) install '$(datasette-$(DATASETTE))' -e .
	@touch $@

$(venv)/developing: pyproject.toml | $(bin)/python
	@echo "Installing with datasette $(DATASETTE) and the tools for developing into $(venv)"
	@$(pip) install '$(datasette-$(DATASETTE))' -e '.[dev]'
	@touch $@ $(venv)/installed

# Debian splits ensurepip off into python3-venv; where it is missing, the pip outside the
# environment installs one inside.
$(bin)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or newer is needed; '$(PYTHON)' is not. Try: make PYTHON=python3.13" >&2; exit 1; }
	@test -n '$(datasette-$(DATASETTE))' || \
	  { echo "DATASETTE is 0.65 or 1.0, not '$(DATASETTE)'" >&2; exit 1; }
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
	  $(PYTHON) -m venv $(venv); \
	else \
	  $(PYTHON) -m venv --without-pip $(venv) && \
	  $(PYTHON) -m pip --quiet --disable-pip-version-check --python $(venv) install pip || \
	  { rm -rf $(venv); echo "No virtual environment could be made; install pip or python3-venv first" >&2; exit 1; }; \
	fi

.PHONY: help run test torture golden lint types docs docs-write screenshots bench wheel check db-backup db-check clean
