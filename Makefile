# Everything the course does from a shell. A machine with Python 3.11+ and make is enough; the rest goes into .venv.
# pip's ordinary torch for Linux brings CUDA along (gigabytes, unused here): PIP_EXTRA_INDEX_URL, set to PyTorch's
# own index of CPU builds, avoids it.
PYTHON ?= python3
PORT ?= 8888
NAME ?= tiny-pythia
OUT ?= labs
VENV := .venv
BIN := $(VENV)/bin

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export HF_HUB_DISABLE_TELEMETRY := 1
# Two kernels run side by side on two cores: one thread each. OMP_NUM_THREADS=2 make test tries another number.
test check costs browser marking notebooks site: export OMP_NUM_THREADS ?= 1
# Hundreds of processes import the course: it is compiled once, whatever the shell says.
test check costs browser marking: export PYTHONDONTWRITEBYTECODE :=
# A file of tests goes to one of two processes, the dearest first (tests/support/costs.json).
SIDE_BY_SIDE := -n 2 --dist loadfile --no-loadscope-reorder
PEERS := "transformer-lens==4.3.*" "nnsight==0.8.*" "bertviz==1.4.*"
NBVAL := --nbval-current-env --nbval-cell-timeout=120
# Minutes in browsers, beside those of tests/browser: for `make browser`, not for `make test`.
BROWSERS := tests/site/test_site.py tests/site/test_typing_on_a_page.py tests/widgets/test_live_explorer_browser.py tests/widgets/test_typing_browser.py

.PHONY: help lab labs site test check costs browser marking notebooks claims pictures rooms api bench lint train clean
help:  ## list the targets
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

lab: $(VENV)/.ready  ## open the course in JupyterLab (PORT=8888; HEADLESS=1 only prints the address)
	$(BIN)/python -m pythia_course lab . --port $(PORT) $(if $(HEADLESS),--no-browser)

test: $(VENV)/.ready-test  ## run the unit tests, then every notebook against its stored outputs
	$(BIN)/python -m pytest tests notebooks $(BROWSERS:%=--ignore=%) $(SIDE_BY_SIDE) --nbval $(NBVAL)

check: $(VENV)/.ready-test  ## before each commit: ruff and the files of tests that cost little (under two minutes)
	$(BIN)/python -m pytest tests $(SIDE_BY_SIDE) --quick

costs: $(VENV)/.ready-test  ## run all tests and record what each file costs; names the dearest
	$(BIN)/python -m pytest tests notebooks $(SIDE_BY_SIDE) --nbval $(NBVAL) --costs

browser: $(VENV)/.ready-test  ## run every lesson in Chromium and look at it: widgets, themes, widths, accessibility
	$(BIN)/python -m pytest tests/browser $(BROWSERS) -n 2 --dist loadgroup --no-loadscope-reorder $(UNTIL:%=--until=%)

marking: $(VENV)/.ready-test  ## have eight submissions of a lab marked by nbgrader, each in a cage
	$(BIN)/python -m pytest tests/marking

notebooks: $(VENV)/.ready-test  ## run every notebook anew and store its outputs (NOTEBOOK=path for one)
	$(BIN)/python notebooks/build.py $(NOTEBOOK)

labs: $(VENV)/.ready-test  ## make assignments for nbgrader in the new folder labs (OUT=labs)
	$(BIN)/python -m pythia_course labs $(OUT)

site: OUT = site
site: $(VENV)/.ready  ## write the course as a web site into the folder site (OUT=site)
	$(BIN)/python -m pythia_course site $(OUT)

claims: $(VENV)/.ready-test  ## list the sentences of the lessons with no test, source or cell behind them
	$(BIN)/python tests/support/claims.py

pictures: $(VENV)/.ready-test  ## draw the pictures of the README anew
	$(BIN)/python docs/pictures.py

rooms: $(VENV)/.ready-test  ## draw the picture of docs/architecture.md anew, from the imports
	$(BIN)/python docs/rooms.py

api: $(VENV)/.ready-test  ## write docs/api.md anew, from the docstrings
	$(BIN)/python docs/api.py

bench: $(VENV)/.ready-test $(VENV)/peers/.ready  ## write docs/measurements.md anew (root, Linux, an idle machine; QUICK=1 is shorter and only prints)
	cd tests && ../$(BIN)/python -m bench $(if $(QUICK),--quick) $(ONLY)

lint: $(VENV)/.ready-test  ## check the code and the notebooks with ruff
	$(BIN)/ruff check .

train: $(VENV)/.ready  ## train a tiny model of your own as the shipped ones were (NAME=tiny-pythia)
	$(BIN)/python -m pythia_course.tiny train $(NAME)

clean:  ## remove .venv and every cache
	rm -rf $(VENV) .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} + -o -name .ipynb_checkpoints -prune -exec rm -rf {} +

# The stamps say that .venv holds what these two files ask for; change one and the next command installs again.
$(VENV)/.ready: pyproject.toml constraints.txt
	$(call install,.)
	@touch $@

$(VENV)/.ready-test: pyproject.toml constraints.txt
	$(call install,.[test])
	@touch $(VENV)/.ready $@

# What the course is measured beside, each pulling in what it likes but the same torch; no part of the course needs it.
$(VENV)/peers/.ready: constraints.txt
	@$(PYTHON) -m venv $(VENV)/peers
	@grep '^torch==' constraints.txt > $(VENV)/peers/torch.txt
	$(VENV)/peers/bin/python -m pip install -c $(VENV)/peers/torch.txt torch $(PEERS)
	@touch $@

define install
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
    echo "The course needs Python 3.11 or newer. Name yours: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
    echo "This Python cannot make virtual environments. On Debian or Ubuntu: sudo apt-get install python3-venv"; exit 1; }
@echo "Setting up $(VENV): 1 to 3 minutes the first time."
@$(PYTHON) -m venv $(VENV)
$(BIN)/python -m pip install -c constraints.txt -e "$(1)"
@cp -R jupyter/. $(VENV)/share/jupyter/
@mkdir -p $(VENV)/etc && cp -R ipython $(VENV)/etc/
endef
