SHELL := /bin/bash
PYTHON ?= python3.11
HOSPITALS ?= HMS,OTOA,HSMC
BIN := .venv/bin
# what a proof counted, until `make proof` writes the page of guarantees from it
PROOFS := .airflow/proof
export PYTHONPATH := plugins:.

# fails with another Python than 3.11
IS_311 := -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'

# uv where there is one, else plain pip: both check the hashes
ifneq ($(shell command -v uv),)
  VENV = uv venv --quiet --allow-existing --python $(PYTHON) $(1) && $(1)/bin/python $(IS_311)
  INSTALL_IN = uv pip install --python $(1)/bin/python
else
  VENV = $(PYTHON) $(IS_311) && $(PYTHON) -m venv $(1)
  INSTALL_IN = $(1)/bin/python -m pip install --no-input --disable-pip-version-check
  # of pip's many lines, one in 20
  PROGRESS := | awk '/^Collecting / && ++n % 20 == 0 {print "  " n " packages"; fflush()} \
    /^Installing collected/ {print "  unpacking them"; fflush()}'
endif

# $(call make_env,FOLDER): an environment of Python 3.11, or what is missing, in words
define make_env
@$(call VENV,$(1)) || { echo "$(PYTHON) cannot make an environment of Python 3.11: install that (Debian:" \
  "python3.11 and python3.11-venv), or say where it is: make setup PYTHON=/path/to/python3.11" >&2; exit 2; }
endef
# $(call install,FOLDER,FILE): what a file locks, each with its hash. A lock is whole: asked for what they depend
# on, pip before 23.3 takes the newest `celery[redis]`, whatever is locked as `celery`
define install
@echo "$(2), into $(1): some minutes the first time, then seconds"
@set -o pipefail; $(call INSTALL_IN,$(1)) --no-deps --require-hashes -r $(2) $(PROGRESS)
endef

.DEFAULT_GOAL := help
.PHONY: help setup demo ui morning test e2e proof proof-celery restore-drill bench check lock docs site pictures new-hospital examples test-oracle release clean

help:  ## this list
	@awk -F ':.*  ## ' '/^[a-z0-9-]+:.*  ## / {printf "make %-14s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/installed  ## the environment only: .venv with requirements.txt

.venv/installed: requirements.txt pyproject.toml
	$(call make_env,.venv)
	$(call install,.venv,requirements.txt)
	@$(call INSTALL_IN,.venv) --quiet --no-deps -e .
	@touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	$(call install,.venv,requirements-dev.txt)
	@touch $@

demo: setup  ## one day of three hospitals, from Oracle to Track, on the embedded default
	@$(BIN)/python -m demo.run --hospitals '$(HOSPITALS)' $(if $(DAY),--day '$(DAY)')

ui: setup  ## the same world under a live Airflow, http://localhost:8080
	@$(BIN)/python -m demo.live --hospitals '$(HOSPITALS)' $(if $(PORT),--port '$(PORT)')

morning: setup  ## a day of all hospitals under a live Airflow, measured; NUMBER=60 makes more up; JSON=1
	@$(BIN)/python -m demo.morning $(if $(NUMBER),--hospitals '$(NUMBER)') $(if $(JSON),--json)

check: .venv/installed-dev  ## format, lint, types, layers, SQL, pages: the quick part of `make test`
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m track_dispatch sql --all --check
	$(BIN)/pytest -n0 tests/unit/docs

# databases that wait for the disk after each commit are quicker in memory
test: check examples  ## everything that must hold; CI runs this
	$(if $(wildcard /dev/shm/.),TMPDIR=/dev/shm) $(BIN)/pytest -n auto --dist loadfile

# needs Debian's chromium, redis-server and pgbouncer: without one its tests are skipped, or fail with TRACK_INSIST=1
e2e: .venv/installed-dev .venv-celery/installed  ## a live Airflow and Celery workers, killed in the middle of a POST; CI runs this, too
	$(BIN)/pytest tests/live tests/workers -n0 -x -rs

proof: .venv/installed-dev  ## every proof in full, and docs/guarantees.md anew; one to two hours
	$(BIN)/python -m tests.proof $(PARTS)

# workers have an environment of their own, so that `make test` tests what one machine is given
.venv-celery/installed: requirements-celery.txt
	$(call make_env,.venv-celery)
	$(call install,.venv-celery,requirements-celery.txt)
	@touch $@

# what `make e2e` plays of it, with all hospitals, and the rest
proof-celery: .venv/installed-dev .venv-celery/installed  ## two Celery workers, killed, asleep, cut off, in full; a quarter of an hour
	rm -f $(PROOFS)/workers.*
	TRACK_INSIST=1 TRACK_PROOF=full TRACK_PROOF_REPORT=$(PROOFS) $(BIN)/pytest tests/workers -n0 -x -rs
	git describe --always --dirty > $(PROOFS)/workers.commit

restore-drill: .venv/installed-dev  ## put a dump of the ledger back on another PostgreSQL and go on: nobody is asked twice
	$(BIN)/pytest tests/e2e/test_restore_drill.py -n0

bench: .venv/installed-dev  ## speed and memory, beside a plain script; a few minutes, asserts nothing
	@$(BIN)/python -m tests.bench

lock:  ## compile requirements*.txt anew (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  requirements.in -o requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  -c requirements.txt requirements-dev.in -o requirements-dev.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  -c requirements.txt requirements-celery.in -o requirements-celery.txt

docs: setup  ## write anew what the pages take from the code, and include/hospitals.schema.json
	$(BIN)/python -m docs.make_docs

site: .venv/installed-dev  ## the pages as a site in site/, which loads nothing from elsewhere
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo 'site/ is there; to look at it: $(BIN)/python -m http.server --bind 127.0.0.1 -d site 8000'

pictures: .venv/installed-dev  ## take docs/*.png anew: the browser tests do, in Debian's chromium
	TRACK_PICTURES=docs TRACK_INSIST=1 $(BIN)/pytest tests/live/test_board.py -n0 -x

release: .venv/installed-dev  ## wheel and sdist of this version in dist/, and the text of its tag
	rm -rf dist build
	$(BIN)/python -m build --no-isolation
	awk '/^## \[/ {sections++} sections == 1' CHANGELOG.md > dist/tag.txt

new-hospital: setup  ## CODE=abc ERP=mv: the files of a hospital to come; ERP=tasy for the other family
	@$(BIN)/python -m demo.new_hospital $(CODE) $(ERP)

examples: setup  ## what the examples beside the queries say, held against the queries; CODE=hms for one
	@$(BIN)/python -m demo.examples $(CODE)

# the same tests as `make test` runs on the stand-in; the schemas' users there are dropped and made anew
REAL_ORACLE := second_reading_mv second_reading_tasy mv_rules mv_own_rules mv_every_code tasy_rules \
  queries_on_the_erp
test-oracle: .venv/installed-dev  ## the queries on a real Oracle; DSN=system/password@host:1521/FREEPDB1
	@test -n "$(DSN)" || { echo "usage: make test-oracle DSN=system/password@host:1521/FREEPDB1"; exit 2; }
	TRACK_TEST_ORACLE='$(DSN)' $(if $(CLIENT),ORACLE_CLIENT_DIR='$(CLIENT)') $(BIN)/pytest -n0 --force-enable-socket \
	  $(REAL_ORACLE:%=tests/unit/extraction/test_%.py)

clean:  ## remove the environment and Airflow's folder
	rm -rf .venv .venv-celery .airflow dist build
