# QuantumMail: everything that is done with a checkout.
#
#   make run     a server to try, in ./var, on ports of 127.0.0.1 that need no rights
#   make test    every test; as root it installs the mail programs that some of them talk to
#   make check   ruff, mypy, import-linter
#   make docs    the manual, in docs/_build/html
#   make faults  the long tests of what must survive kill -9, full disks and power cuts, and of sessions side by side

# Debian's own, where it is: others may be in a home directory, where a server that is no longer root cannot read
PYTHON ?= $(firstword $(wildcard /usr/bin/python3.11) python3.11)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RUN := var/quantummail.ini

# Programs that the tests talk to, and Debian's names of their packages
PROGRAMS := swaks curl gsasl mbsync offlineimap neomutt fetchmail mpop getmail openssl strace tmux systemd-analyze nsd unbound ldns-signzone
PACKAGES := swaks libnet-ssleay-perl curl gsasl isync offlineimap3 neomutt fetchmail mpop getmail6 openssl strace tmux systemd ca-certificates procps nsd unbound ldnsutils

.PHONY: run test check docs faults programs clean

run: $(STAMP)
	@$(BIN)/quantummail --config $(RUN) init --local --domain example.test --user alice
	@QUANTUMMAIL_SERVER_LOG=text exec $(BIN)/quantummail --config $(RUN) serve

test: $(STAMP) programs
	$(BIN)/python -m pytest tests

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

faults: $(STAMP) programs
	FAULT_ROUNDS=200 $(BIN)/python -m pytest tests/faults
	SESSION_ROUNDS=500 $(BIN)/python -m pytest tests/imap/test_several_sessions.py

# Programs are installed where we may, and missed by name where we may not; CI has them, or fails
programs:
	@missing=""; for program in $(PROGRAMS); do command -v $$program >/dev/null 2>&1 || missing="$$missing $$program"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	    echo "installing:$$missing"; \
	    export DEBIAN_FRONTEND=noninteractive; \
	    apt-get update -q >/dev/null && apt-get install -q -y --no-install-recommends $(PACKAGES) >/dev/null && exit 0; \
	fi; \
	echo "not installed:$$missing; tests that need them are skipped (as root, make test installs them)"; \
	if [ "$$CI" = true ]; then exit 1; fi

$(STAMP): setup.cfg pyproject.toml
	@if ! $(PYTHON) -c 'import ensurepip, venv' >/dev/null 2>&1; then \
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	        export DEBIAN_FRONTEND=noninteractive; \
	        apt-get update -q >/dev/null && apt-get install -q -y --no-install-recommends python3.11 python3.11-venv >/dev/null; \
	    else \
	        echo "$(PYTHON) with its venv module is needed (Debian: apt install python3.11-venv), or PYTHON=..."; exit 1; \
	    fi; \
	fi
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test,check,docs]'
	@touch $@

clean:
	rm -rf $(VENV) build dist docs/_build *.egg-info .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis
