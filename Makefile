# The two commands are `make demo` and `make test`; both set up all they need. `make help` lists the rest.
SHELL := /bin/bash
CLIP ?= examples/big-buck-bunny.mp4
TAXONOMY ?= music-moods
VENV ?= .venv
WORKERS ?= 0
export VENV
# The tests start hundreds of processes; without this, each of them may have to compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE
python := $(VENV)/bin/python

.PHONY: demo test check protos lock help

demo: ## Tag a clip with the embedded engines: make demo [CLIP=path.mp4] [TAXONOMY=id-or-path.yaml]
	@deploy/setup.sh demo
	@"$(python)" -m vidtomusictags try "$(CLIP)" --taxonomy "$(TAXONOMY)"

test: ## Pass the tests: make test [ARGS='-k name'] [WORKERS=2 shares them between two processes]
	@deploy/setup.sh test
	@"$(python)" -m pytest -q --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: ## Lint, types, contract, known vulnerabilities (AUDIT=skip leaves these out, AUDIT=required insists on them)
	@deploy/setup.sh test
	@"$(python)" -m ruff check . && "$(python)" -m ruff format --check .
	@"$(python)" -m mypy
	@"$(VENV)/bin/buf" lint && "$(VENV)/bin/buf" format -d --exit-code
	@deploy/audit.sh

protos: ## Write the Python code of the contract anew
	@deploy/setup.sh test
	@"$(python)" protos/generate.py

lock: ## Write deploy/requirements anew from pyproject.toml (needs uv)
	@deploy/lock.sh

help: ## This list
	@sed -n 's/^\([a-z]*\):.*## /\1: /p' Makefile
