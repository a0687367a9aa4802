# The two commands: make search SPACE=focal_alpha, and make test. Both make the environment first, if need be.
PYTHON ?= python3.11
SPACE  ?= focal_alpha
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
DEV    := $(VENV)/.dev
FLAGS   = $(if $(RUNS),--runs $(RUNS)) $(ARGS)

# Runs pip with a line every ten seconds: it says nothing while it unpacks, which takes minutes on a busy machine.
define counted
@echo "$(1)"; $(1) & pip=$$!; \
	( while sleep 10 >&- 2>&-; do echo "  $$(ls -d $(VENV)/lib/python*/site-packages/*.dist-info | grep -cvE '/(pip|setuptools|pitprop)-') of $$(cat $(2) | grep -c ==) packages are in place"; done ) & told=$$!; \
	trap "kill $$pip $$told" INT TERM; wait $$pip; code=$$?; kill $$told; exit $$code
endef

# What is compiled is kept, whatever the shell says: otherwise each process of a test run compiles every test anew.
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help setup search preflight revive confirm status show best compare report list init schema doctor diagnose export exclude watch ui serve token submit queue cancel pause resume extend mcp dashboard test test-slow test-cluster test-browser lint types audit chaos soak bench-service check bench-overhead bench-lanes bench-detect bench-by-parameter bench-constraint bench-search bench-export bench-logs bench-study bench-workers bench-wall bench-remedies docs messages clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18
	@echo "SPACE=name or path  TRIALS=n or +n  TIMEOUT=seconds  WORKERS=n  RUNS=folder  ARGS='further flags'"

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "pitprop needs Python 3.11 as $(PYTHON): install it, or say PYTHON=path"; exit 1; }
	@echo "Installing into $(VENV), once: some minutes, most of it for torch, ray and mlflow"
	$(PYTHON) -m venv $(VENV)
	$(call counted,$(BIN)/python -m pip install --disable-pip-version-check -r requirements.lock,requirements.lock)
	@echo "Installing pitprop itself"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q .package/pitprop search trainers
	@touch $@

$(DEV): $(READY) requirements-dev.lock
	$(call counted,$(BIN)/python -m pip install --disable-pip-version-check -r requirements-dev.lock,requirements.lock requirements-dev.lock)
	@touch $@

setup: $(READY)  ## make the environment in .venv from requirements.lock

search: $(READY)  ## search SPACE, or resume its search
	@$(BIN)/pitprop search $(SPACE) $(if $(TRIALS),--trials $(TRIALS)) $(if $(TIMEOUT),--timeout $(TIMEOUT)) $(if $(WORKERS),--workers $(WORKERS)) $(FLAGS)

preflight: $(READY)  ## check data, model and checkpoint of SPACE before training
	@$(BIN)/pitprop preflight $(SPACE) $(FLAGS)

revive: $(READY)  ## continue the parked TRIAL of SPACE to its full budget (TRIAL="3 5" for several)
	@$(BIN)/pitprop revive $(SPACE) $(TRIAL) $(if $(WORKERS),--workers $(WORKERS)) $(FLAGS)

status: $(READY)  ## how the study of SPACE stands: the answer, and what was stopped (ARGS=--full for every reason)
	@$(BIN)/pitprop status $(SPACE) $(FLAGS)

show: $(READY)  ## list the trials of SPACE, or tell all about TRIAL
	@$(BIN)/pitprop show $(SPACE) $(TRIAL) $(FLAGS)

doctor: $(READY)  ## look before a long search whether all that it needs is well
	@$(BIN)/pitprop doctor $(FLAGS)

list: $(READY)  ## spaces, trainers and signatures
	@$(BIN)/pitprop list $(ARGS)

init: $(READY)  ## write a first space for the script or trainer PROGRAM
	@test -n "$(PROGRAM)" || { echo "say PROGRAM=path, a script or a file with a trainer"; exit 2; }
	@$(BIN)/pitprop init $(PROGRAM) $(ARGS)

schema: $(READY)  ## print the JSON Schema of a space, for editors
	@$(BIN)/pitprop schema

diagnose: $(READY)  ## judge trainings from their logs in LOGS, without a search
	@test -n "$(LOGS)" || { echo "say LOGS=path, a log or a folder of them (LOGS='a b' for several)"; exit 2; }
	@$(BIN)/pitprop diagnose $(LOGS) $(ARGS)

confirm: $(READY)  ## train the best trials of SPACE and its baselines again, on fresh seeds
	@$(BIN)/pitprop confirm $(SPACE) $(if $(WORKERS),--workers $(WORKERS)) $(FLAGS)

best: $(READY)  ## the best configuration of SPACE as YAML (ARGS=--command for how to train it again)
	@$(BIN)/pitprop best $(SPACE) $(FLAGS)

compare: $(READY)  ## compare studies side by side: SPACE="a b c"
	@$(BIN)/pitprop compare $(SPACE) $(FLAGS)

report: $(READY)  ## write the report of a study, as HTML and Markdown (ARGS='--lang zh' in Chinese)
	@$(BIN)/pitprop report $(SPACE) $(FLAGS)

export: $(READY)  ## bring MLflow up to date with the study of SPACE (ARGS='--csv FILE' or '--parquet FILE' for a table)
	@$(BIN)/pitprop export $(SPACE) $(FLAGS)

watch: $(READY)  ## the report of SPACE as a page that follows its search, in a browser
	@$(BIN)/pitprop watch $(SPACE) $(FLAGS)

exclude: $(READY)  ## take TRIAL of SPACE out of every answer (ARGS=--undo to let it count again)
	@$(BIN)/pitprop exclude $(SPACE) $(TRIAL) $(FLAGS)

ui: $(READY)  ## the MLflow UI on loopback, in a browser
	@$(BIN)/pitprop ui $(SPACE) $(FLAGS)

serve: $(READY)  ## run searches for others: a queue with an HTTP API on loopback (ARGS='--catalogue FILE')
	@$(BIN)/pitprop serve $(FLAGS)

token: $(READY)  ## make, list and revoke the tokens of the service (ARGS='make OWNER', ARGS=list)
	@$(BIN)/pitprop token $(ARGS) $(if $(RUNS),--runs $(RUNS))

submit: $(READY)  ## have a server search SPACE (ARGS='--server URL')
	@$(BIN)/pitprop submit $(SPACE) $(if $(TRIALS),--trials $(TRIALS)) $(ARGS)

queue: $(READY)  ## the searches of a server
	@$(BIN)/pitprop queue $(ARGS)

cancel: $(READY)  ## end the search SPACE of a server
	@$(BIN)/pitprop cancel $(SPACE) $(ARGS)

pause: $(READY)  ## end the driver of the search SPACE of a server, until it is resumed
	@$(BIN)/pitprop pause $(SPACE) $(ARGS)

extend: $(READY)  ## plan TRIALS more trials of the search SPACE of a server
	@test -n "$(TRIALS)" || { echo "say TRIALS=n, how many more"; exit 2; }
	@$(BIN)/pitprop extend $(SPACE) $(TRIALS) $(ARGS)

resume: $(READY)  ## queue the search SPACE of a server again
	@$(BIN)/pitprop resume $(SPACE) $(ARGS)

dashboard: $(READY)  ## Optuna's dashboard on the study database
	@test -x $(BIN)/optuna-dashboard || $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dashboard]'
	@$(BIN)/pitprop dashboard $(FLAGS)

mcp: $(READY)  ## let an assistant look at the searches of the server, on standard input and output
	@$(BIN)/pitprop mcp $(ARGS)

test: $(DEV)  ## the tests, some four minutes on two cores
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow and not gpu and not browser and not cluster" $(ARGS)

# Each file in one process, for what its tests share; side by side they have ports, folders, Rays and database servers of their own.
test-slow: $(DEV)  ## the tests that take minutes
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "(slow or gpu) and not cluster" $(ARGS)

test-cluster: $(DEV)  ## searches on several Ray nodes in namespaces of this machine, in some minutes
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m cluster $(ARGS)

test-browser: $(DEV)  ## the report and MLflow's pages in headless chromium, if there is one, in about two minutes
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m browser $(ARGS)

lint: $(DEV)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports --no-logo && $(BIN)/bandit -q -c pyproject.toml -r search trainers

types: $(DEV)
	@$(BIN)/mypy

audit: $(DEV)  ## known weaknesses of the packages in requirements.lock, which asks an advisory database on the network
	@test -x $(BIN)/pip-audit || $(BIN)/python -m pip install --quiet --disable-pip-version-check pip-audit
	@said=$$($(BIN)/pip-audit --requirement requirements.lock --no-deps --disable-pip 2>&1); code=$$?; \
	lost=$$(printf '%s\n' "$$said" | grep -c "could not be audited"); \
	if [ $$lost -gt 0 ] || ! printf '%s' "$$said" | grep -q "known vulnerabilit"; then printf '%s\n' "$$said" | grep "^Found"; \
	echo "the advisory database did not answer for all packages ($$lost were not looked up), so nothing is known of these: run make audit where pypi.org can be reached"; exit 1; fi; \
	printf '%s\n' "$$said"; exit $$code

chaos: $(DEV)  ## disturb short searches in every way there is, and check what they leave (CHAOS_SECONDS=600, CHAOS_SEED=n)
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.chaos $(ARGS)

soak: $(DEV)  ## disturb two services while they search, and count what is left (SOAK_SECONDS=300, SOAK_SEED=n)
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.soak $(ARGS)

check: lint types test  ## what CI runs

bench-overhead: $(DEV)  ## what the engine costs, against bare training and Ray Tune
	@$(BIN)/python tests/bench/overhead.py $(ARGS)

bench-lanes: $(DEV)  ## what training trials as one gains, by workload and width, against plain PyTorch and Ray Tune, in about twelve minutes
	@$(BIN)/python tests/bench/lanes.py $(ARGS)

bench-detect: $(DEV)  ## what the signatures and their peers do on the recorded trainings in CURVES
	@test -n "$(CURVES)" || { echo "say CURVES=folder, one that holds x_runs.parquet and x_points.parquet"; exit 1; }
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.detect $(CURVES) $(ARGS)

bench-remedies: $(DEV)  ## whether remedies that are tried as trials leave chance, in about ten minutes
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.remedies $(ARGS)

bench-by-parameter: $(DEV)  ## how often a change of one parameter is said to cost what it does not, on simulated studies, in about five minutes
	@OMP_NUM_THREADS=1 $(BIN)/python tests/bench/by_parameter.py $(ARGS)

bench-constraint: $(DEV)  ## whether samplers learn from trials that collapse, in about half an hour
	@OMP_NUM_THREADS=1 $(BIN)/python tests/bench/constraint.py $(ARGS)

bench-search: $(DEV)  ## how many epochs a search needs to reach a score, ours and its peers, in about an hour (ARGS=--seconds: in real seconds)
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.search $(ARGS)

bench-export: $(DEV)  ## what exporting 1,000 trials of 100 epochs to MLflow costs, in about two minutes
	@OMP_NUM_THREADS=1 PYTHONPATH=. $(BIN)/python tests/bench/export.py $(ARGS)

bench-study: $(DEV)  ## what a study of many trials costs: asking, and finding what can be revived
	@$(BIN)/python tests/bench/study_costs.py $(ARGS)

bench-workers: $(DEV)  ## what a search's driver costs by its number of workers, 1, 8 and 64 (ARGS="1 8")
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.workers $(ARGS)

bench-wall: $(DEV)  ## where the time of one search goes, from Enter to its end (ARGS=SPACE)
	@$(BIN)/python tests/bench/wall.py $(ARGS)

bench-logs: $(DEV)  ## what reading and following logs of 200 MB costs, against a plain parser
	@OMP_NUM_THREADS=1 PYTHONPATH=. $(BIN)/python tests/bench/logs.py $(ARGS)

bench-service: $(DEV)  ## what asking the service costs: 200 requests a second beside 100 followers of events (ARGS=--idle)
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.service $(ARGS)

docs: $(DEV)  ## write the catalogues in docs/signatures.md and formats.md, and the schema of spaces, anew
	@$(BIN)/python docs/build_signatures.py
	@$(BIN)/python docs/build_formats.py
	@$(BIN)/python docs/build_schema.py
	@$(BIN)/python docs/build_store.py

messages: $(DEV)  ## bring the catalogues in search/locale up to date with the texts in the code
	@$(BIN)/pybabel --quiet extract --output-file $(VENV)/pitprop.pot && $(BIN)/pybabel --quiet update --input-file $(VENV)/pitprop.pot
	@grep -c '^msgstr ""$$' search/locale/*/LC_MESSAGES/pitprop.po || true

clean:  ## remove the environment and caches; studies in runs/ stay
	rm -rf $(VENV) .mypy_cache .ruff_cache
