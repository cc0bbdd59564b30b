# Each target sets up .venv by itself. On a fresh machine: `make book`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
COLAB := .venv-colab
PEERS := .venv-peers
DDPM := denoising-diffusion-pytorch==2.3.4
# The one place that pins torch is requirements.lock.
TORCH := $(shell grep '^torch==' requirements.lock)
PAGE := _build/html/index.html
# The networks are small: on an idle machine a second thread brings little, and on a busy
# one it makes a step several times slower (CONTRIBUTING.md has the numbers).
export OMP_NUM_THREADS := 1
# glibc hands large blocks back to the system at once, only to ask again at the next step;
# kept, they make a U-Net draw 1.4 times as fast.
export MALLOC_MMAP_THRESHOLD_ := 1073741824
export MALLOC_TRIM_THRESHOLD_ := 1073741824

.DEFAULT_GOAL := help
.PHONY: help book serve lab lessons test test-colab bench bench-peers bench-mnist format lock clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

book: $(STAMP)  ## build the static site from the stored outputs
	@$(BIN)/jupyter-book build --all -W -n --keep-going .
	@echo "The book is built. Open it: file://$(CURDIR)/$(PAGE)"

serve: $(STAMP)  ## build the site, serve it and rebuild what you change
	@$(BIN)/jupyter-book config sphinx .
	PYTHONPATH=book/_ext $(BIN)/sphinx-autobuild . _build/serve -a --port 0 --open-browser \
	    --ignore '*/.*' --ignore '*/_build/*' --ignore '*/conf.py'

lab: $(STAMP)  ## open the lessons in JupyterLab
	$(BIN)/jupyter lab --notebook-dir=. notebooks

lessons: $(STAMP)  ## re-execute all lessons in place (or LESSON=notebooks/03_vae.ipynb)
	$(BIN)/python -m scripts.run_lessons $(LESSON)

test: $(STAMP)  ## every check of the book, in a real browser too
	@$(BIN)/python -m scripts.ensure_chromium
	@$(BIN)/python -m pytest $(ARGS)

# plotly 5 would add a page of its own to each figure, where no Colab tells it not to.
test-colab: export PLOTLY_RENDERER := plotly_mimetype
test-colab: $(COLAB)/installed  ## run the lessons beside Colab's versions
	@$(COLAB)/bin/python -m pytest tests/colab notebooks book $(ARGS)

bench: $(STAMP)  ## measure speed and weight; writes book/benchmarks.md
	@$(BIN)/python -m scripts.ensure_chromium
	@$(BIN)/python -m tests.benchmarks.run

bench-peers bench-mnist: export TQDM_DISABLE := 1
bench-peers: $(PEERS)/installed  ## measure against other packages; writes their part
	@$(PEERS)/bin/python -m tests.benchmarks.peers

bench-mnist: $(PEERS)/installed  ## the same on real MNIST, which takes an hour
	@$(PEERS)/bin/python -m tests.benchmarks.mnist $(ARGS)

format: $(STAMP)  ## put code and notebooks in order
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## remove what was built; .venv stays (rm -r .venv for that)
	rm -rf _build conf.py .pytest_cache .ruff_cache .hypothesis

# $(1): where the environment goes. Says in a sentence what is missing.
define make_venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "genbook needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true)."; \
	    echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "This Python cannot make environments. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(1)
endef

# torch goes first and alone: its index, and so its build, can then be chosen by the reader.
$(STAMP): requirements.lock pyproject.toml
	$(call make_venv,$(VENV))
	$(BIN)/python -m pip install --quiet '$(TORCH)'
	$(BIN)/python -m pip install --quiet -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(COLAB)/installed: requirements.lock pyproject.toml tests/colab/requirements.txt
	$(call make_venv,$(COLAB))
	$(COLAB)/bin/python -m pip install --quiet '$(TORCH)'
	$(COLAB)/bin/python -m pip install --quiet -r tests/colab/requirements.txt
	$(COLAB)/bin/python -m pip install --quiet -e .
	@touch $@

# denoising-diffusion-pytorch comes without what it asks for: see tests/benchmarks/peers.py
$(PEERS)/installed: requirements.lock pyproject.toml tests/benchmarks/requirements.txt
	$(call make_venv,$(PEERS))
	$(PEERS)/bin/python -m pip install --quiet '$(TORCH)'
	$(PEERS)/bin/python -m pip install --quiet -r tests/benchmarks/requirements.txt -e .
	$(PEERS)/bin/python -m pip install --quiet --no-deps $(DDPM)
	@touch $@

lock:  ## renew requirements.lock from pyproject.toml with today's versions
	$(call make_venv,.venv-lock)
	.venv-lock/bin/python -m pip install --quiet '$(TORCH)'
	.venv-lock/bin/python -m pip install --quiet -e '.[book,test]'
	.venv-lock/bin/python scripts/lock.py > requirements.lock.new
	mv requirements.lock.new requirements.lock
	rm -r .venv-lock
