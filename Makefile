# The commands of this project; `make help` lists them. Needs Python 3.11 or newer, make and a C compiler; Java and Maven
# for Apache Kafka (else an embedded broker serves; `make doctor` says what is missing).

PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TEST_WORKERS ?= 4

# Python keeps what it compiled, also where the environment forbids it (as that of many containers does): else every process
# of the platform compiles a thousand modules anew, which is a quarter of its start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run up down status doctor scripts ready test test-all retest lint compiled bench bench-compare soak night pictures lock clean

help:
	@echo "make run     install, start everything, replay a sample stream and a day of telemetry; Ctrl-C ends it"
	@echo "make up      the same without the sample stream"
	@echo "make down    end what runs in this folder"
	@echo "make status  what runs, lag, last batches"
	@echo "make doctor  what this machine lacks, and how to get it"
	@echo "make test    linters, types, import rules and all tests"
	@echo "make test-all  the same at full size: more kills, more random worlds, more examples"
	@echo "make retest  the tests that failed last"
	@echo "make lint    the same without the tests"
	@echo "make compiled  compile the loops now that are otherwise compiled when they are first needed"
	@echo "make bench   every benchmark, a table each; kept in benchmarks/records/"
	@echo "make bench-compare BASE=COMMIT  fails when this checkout needs more processor time than that commit"
	@echo "make soak HOURS=2  a platform of its own under load and faults, with a report (docs/soak.md)"
	@echo "make night ALERTS=1000000  a night drained, exported, lost and restored, with a report (docs/closing-scene.md)"
	@echo "make pictures  the pictures of the documentation, from the platform that runs here; needs Chromium"
	@echo "make scripts  fetch the scripts of the pages again, at the versions of versions.json; needs npm"
	@echo "make lock    resolve the dependencies anew into requirements.lock"
	@echo "make clean   remove the state (.broker) and caches; the virtual environment stays"

# uv installs in a tenth of pip's time; where it cannot be had or fails, pip does. It reads none of pip's settings, so those
# of the index and the certificates are handed on; hashes are checked by both.
PIP_INDEX = $(or $(PIP_INDEX_URL),$(shell $(BIN)/python -m pip config get global.index-url 2>/dev/null))
UV_SETTINGS = $(if $(PIP_INDEX),UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$(PIP_INDEX)}") \
	UV_FIND_LINKS="$${UV_FIND_LINKS:-$$(echo $$PIP_FIND_LINKS | tr ' ' ',')}" \
	UV_HTTP_TIMEOUT="$${UV_HTTP_TIMEOUT:-$${PIP_DEFAULT_TIMEOUT:-30}}" $(if $(PIP_CERT),SSL_CERT_FILE="$(PIP_CERT)")

$(INSTALLED): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: none of python3, python3.11 … python3.13 is."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		$(PYTHON) -c "import venv, ensurepip" 2>/dev/null \
		|| echo "Python's venv module is missing (Debian: apt-get install python3-venv)."; exit 1; }
	@awk '/^[^ ]/ {taken = /^uv==/} taken' requirements.lock > $(VENV)/uv.lock
	@{ $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.lock \
		&& $(UV_SETTINGS) $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock; } \
		|| { echo "uv cannot install here; pip does, which takes minutes."; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: $(INSTALLED)
	@exec $(BIN)/broker-assets up --demo

up: $(INSTALLED)
	@exec $(BIN)/broker-assets up

down: $(INSTALLED)
	@$(BIN)/broker-assets down

status: $(INSTALLED)
	@$(BIN)/broker-assets status

doctor: $(INSTALLED)
	@$(BIN)/broker-assets doctor

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# What numba compiles, which a fresh checkout lacks, is compiled while the linters run, and programs that tests need are
# installed (as root on Debian; else it says what is missing).
ready: $(INSTALLED)
	@$(BIN)/python tests/peers/debian_programs.py & installing=$$!; \
		$(BIN)/python -m broker_assets.compiled & compiling=$$!; \
		$(MAKE) --no-print-directory lint || { kill $$compiling; wait $$installing; exit 1; }; \
		wait $$compiling; compiled=$$?; wait $$installing; exit $$compiled

# Tests of a file stay together: their services and module fixtures are made once. Of the workers, twice as many as
# processors here, one mostly waits for the platforms that its tests start, and each of the others for its servers a third
# of the time.
test: ready
	$(BIN)/python -m pytest --numprocesses $(TEST_WORKERS)

# The same at full size: more kills, more random worlds and more examples of each property. Takes hours.
test-all: ready
	BROKER_TEST_FULL=1 BROKER_FAULT_ROUNDS=$${BROKER_FAULT_ROUNDS:-25} \
		$(BIN)/python -m pytest --numprocesses $(TEST_WORKERS) --timeout 3600

# What failed last, once more and one after the other.
retest: $(INSTALLED)
	$(BIN)/python -m pytest --last-failed --last-failed-no-failures none

# Of the platform that runs here: `make run` in another terminal. Needs Chromium (Debian: apt-get install chromium).
pictures: $(INSTALLED)
	$(BIN)/python docs/pictures/make.py

# Third-party scripts of the pages, at the versions of broker_assets/api/site/static/vendor/versions.json. Needs npm.
scripts: $(INSTALLED)
	$(BIN)/python -m broker_assets.api.site.vendored

compiled: $(INSTALLED)
	$(BIN)/python -m broker_assets.compiled

bench: $(INSTALLED)
	$(BIN)/python benchmarks/all.py

# BASE is a commit; SHORT=1 is the short form.
bench-compare: $(INSTALLED)
	$(BIN)/python benchmarks/compare.py --base "$(BASE)" $(if $(SHORT),--short)

# Hours of load and faults (docs/soak.md); RATE in alerts a second, FAULTS an hour. As root it has its own disk and network.
HOURS ?= 2
RATE ?= 256
FAULTS ?= 60
soak: $(INSTALLED)
	$(BIN)/python tests/faults/soak.py --hours $(HOURS) --rate $(RATE) --faults-per-hour $(FAULTS) \
		--report build/soak $(SOAK_OPTIONS)

# A night of so many alerts, from the topic to a restored installation (docs/closing-scene.md).
ALERTS ?= 1000000
night: $(INSTALLED)
	$(BIN)/python tests/faults/closing_scene.py --alerts $(ALERTS) --report build/night.md $(NIGHT_OPTIONS)

# Newest versions that pyproject.toml allows, for every system and Python, with the hashes of all their files; commit the
# result after `make test`. CONSTRAINTS=FILE keeps versions.
LOCK := build/lock/bin/uv pip compile --quiet --universal --python-version 3.11.5 --generate-hashes --no-strip-extras \
	--no-annotate --no-header --extra local --extra kubernetes --extra traces
lock:
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --upgrade uv
	echo 'setuptools>=77' > build/lock/build.txt
	$(LOCK) --group dev $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS)) pyproject.toml build/lock/build.txt \
		--output-file build/lock/all.txt
	$(LOCK) --constraint build/lock/all.txt pyproject.toml build/lock/build.txt --output-file build/lock/image.txt
	{ echo "# Exact versions and hashes of everything installed by \`make\`; written by \`make lock\`, not by hand."; \
		cat build/lock/all.txt; } > requirements.lock
	{ echo "# What of requirements.lock the platform needs at run time: installed into the image; written by \`make lock\`."; \
		cat build/lock/image.txt; } > docker/requirements.lock
	rm -rf build/lock

clean:
	@if [ -x $(BIN)/broker-assets ]; then $(BIN)/broker-assets down; fi
	rm -rf .broker .pytest_cache .mypy_cache .ruff_cache .hypothesis build
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
