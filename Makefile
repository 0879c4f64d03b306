# The vocabulary of the project. `make` alone lists it.

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --disable-pip-version-check $(if $(CI),--quiet)
CHECKED := app.py benchmarks components pipelines studio tests training

# The first Python that torch has builds for and that can make an environment. PYTHON=… names another.
FITS := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
FOUND := for p in python3.12 python3.13 python3.11 python3.14 python3 python; do \
	"$$p" -c '$(FITS)' >/dev/null 2>&1 && { echo "$$p"; break; }; done
PYTHON ?= $(shell $(FOUND))

# Where pip finds torch. On Linux without an NVIDIA driver the CPU build, which spares gigabytes of
# CUDA, if its index answers; otherwise what PyPI has. TORCH=cpu, cu130, … or TORCH=pypi decides.
TORCH ?= $(shell if [ "$$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null 2>&1; \
	then echo cpu-if-reachable; else echo pypi; fi)
INDEX := https://download.pytorch.org/whl

.PHONY: help run test lint format bench bench-speed bench-quality train clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.installed ## start the studio on http://127.0.0.1:7860 (ARGS="--port 8000" passes options)
	@$(PY) app.py $(ARGS)

test: $(VENV)/.chromium ## every test, those in a browser too (ARGS="-k canvas" chooses)
	@$(PY) -m tests $(ARGS)

lint: $(VENV)/.installed-dev assets/node_modules/.installed ## ruff, formatting, types, spelling; the scripts' too
	$(PY) -m ruff check $(CHECKED)
	$(PY) -m ruff format --check $(CHECKED)
	$(PY) -m pyright
	$(VENV)/bin/typos
	npm --prefix assets run --silent lint

format: $(VENV)/.installed-dev assets/node_modules/.installed ## put the code into its form
	$(PY) -m ruff check --fix $(CHECKED)
	$(PY) -m ruff format $(CHECKED)
	npm --prefix assets run --silent format

bench: bench-speed bench-quality ## every benchmark

bench-speed: $(VENV)/.installed-dev ## time and memory of our edits beside their peers (ARGS="--quick")
	@$(PY) -m benchmarks.speed $(ARGS)

bench-quality: $(VENV)/.installed-dev ## our edits against their peers and the truth (ARGS="--quick")
	@$(PY) -m benchmarks.quality $(ARGS)

train: $(VENV)/.installed ## go on training the embedded model (ARGS="--help")
	@$(PY) -m training $(ARGS)

clean: ## remove the environment and the caches
	rm -rf $(VENV) assets/node_modules .pytest_cache .ruff_cache

$(PY):
	@[ -n "$(PYTHON)" ] || { echo "Pentimento needs Python 3.11 to 3.14 with venv; none was found on the PATH." \
		"(Debian: apt install python3-venv; or name one: make PYTHON=/path/to/python3)" >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@"$(PYTHON)" -m venv $(VENV)

$(VENV)/.installed: requirements.txt | $(PY)
	@from="$(TORCH)"; \
	if [ "$$from" = cpu-if-reachable ]; then \
		from=pypi; "$(PY)" -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=5)' \
			$(INDEX)/cpu/torch/ >/dev/null 2>&1 && from=cpu; fi; \
	[ "$$from" = pypi ] || extra="--extra-index-url $(INDEX)/$$from"; \
	echo "Installing into $(VENV) (torch: $$from); this takes a few minutes, once"; \
	$(PIP) $$extra -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@$(PIP) -r requirements-dev.txt
	@touch $@

assets/node_modules/.installed: assets/package.json assets/package-lock.json
	@command -v npm >/dev/null || { echo "The scripts are checked with Node 18 or later and its npm; none was" \
		"found on the PATH. (Debian: apt install nodejs npm)" >&2; exit 1; }
	@npm --prefix assets ci --no-audit --no-fund --loglevel=error
	@touch $@

# Asked once: without a Chromium the tests still run, and name what they skipped.
$(VENV)/.chromium: tests/chromium.py $(VENV)/.installed-dev
	@$(PY) -m tests.chromium || true
	@touch $@
