# Every target does its own set-up. ARGS passes Hydra overrides: make search ARGS="study.trials=12 sampler=tpe"
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARGS ?=
# Files of tests at a time: as many as there are cores. WORKERS=0 runs all in one process.
WORKERS ?= logical

.PHONY: help setup search test test-slow lint ui classifier attacks commit-and-challenge bench-layers layer-benchmark tiers record docs fuzz faults mutation coverage dist clean

help:
	@echo "make search      study on the embedded digits, then a proof of one image (ARGS=\"...\": Hydra overrides)"
	@echo "make test        fast tests"
	@echo "make test-slow   the slow ones: a whole sweep with a real proof, larger circuits"
	@echo "make lint        ruff and mypy"
	@echo "make ui          browse the trials in the MLflow UI on http://127.0.0.1:5000"
	@echo "make classifier  train and report the ZK classifier and the judge (ARGS=\"dataset=...\")"
	@echo "make attacks     a cheating prover against the verifier of checked circuits, and with each check removed"
	@echo "make commit-and-challenge  one generator direct, stock and checked, and a layer (half an hour)"
	@echo "make bench-layers  four layers of the CNN layer benchmark, EZKL's defaults beside ours, with the page (minutes)"
	@echo "make layer-benchmark  the whole column of ours, all 40 experiments (ARGS=\"dataset.root=FOLDER\"; hours)"
	@echo "make tiers       every published generator, then their page (ARGS=\"dataset.root=FOLDER training=published\"; hours)"
	@echo "make record      the model that comes with the project: its scores again, one image proved and verified (minutes)"
	@echo "make docs        the documentation as a web site (a warning is an error), its links and blocks of code tried"
	@echo "make fuzz        every reader of files with 100,000 made-up inputs each (ARGS=\"TARGET --inputs N\"; half an hour)"
	@echo "make faults      every write broken off at any byte: what is left half written"
	@echo "make mutation    the numerical cores and the verifier with a line changed: does a test notice (500 in an hour; ARGS=\"--most N\")"
	@echo "make coverage    the statements that the fast tests run, and how large and alike the tree is"
	@echo "make dist        sdist and wheel, and a study with a proof by the wheel in an empty environment (minutes)"
	@echo "make clean       remove environment, caches and build products; mlruns/ stays"

# torch first and alone: its pin keeps the resolver from any build with CUDA packages on a CPU machine.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(READY)

setup: $(READY)

search: $(READY)
	$(BIN)/python -m search $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(ARGS)

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

ui: $(READY)
	@echo "open http://127.0.0.1:5000/#/experiments?workflowType=machine_learning"
	$(BIN)/mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db --host 127.0.0.1 --port 5000 $(ARGS)

attacks: $(READY)
	$(BIN)/python benchmarks/attacks.py mlruns/attacks.json $(ARGS)

commit-and-challenge: $(READY)
	$(BIN)/python benchmarks/commit_and_challenge.py mlruns/commit-and-challenge $(ARGS)

bench-layers: $(READY)
	$(BIN)/python -m search experiment=layer_benchmark study.name=layer-benchmark-small benchmark.scales=[7] \
		benchmark.layers=[ReLU,Dense,Dense_Scaling_Small,CNN_Strided] benchmark.repeats=1 \
		benchmark.memory_bytes=4294967296 $(ARGS)
	$(BIN)/python -m zk.benchmark report mlruns/studies/layer-benchmark-small --out mlruns/layer-benchmark-small/page

layer-benchmark: $(READY)
	$(BIN)/python -m search experiment=layer_benchmark study.name=layer-benchmark-ours benchmark.variants=[ours] $(ARGS)

classifier: $(READY)
	$(BIN)/python -m evaluation.classifier $(ARGS)

tiers: $(READY)
	$(BIN)/python -m search experiment=tiers $(ARGS)
	$(BIN)/python -m search.tiers report

# In a folder of its own, emptied first, since no proof is replaced by another one.
record: $(READY)
	$(BIN)/python -m search.released check model=record
	rm -rf mlruns/proofs/make-record
	$(BIN)/python -m zk.prove model=record label=frog seed=7 out=mlruns/proofs/make-record
	$(BIN)/python -m zk.verify mlruns/proofs/make-record/bundle.zip model=record label=frog srs=test-only

docs: $(READY)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev,docs]"
	$(BIN)/sphinx-build --builder html --fail-on-warning --keep-going --jobs auto --quiet docs docs/_build/html
	@echo "docs/_build/html/index.html"
	$(BIN)/python benchmarks/hardening.py docs

fuzz: $(READY)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev,fuzz]"
	$(BIN)/python tests/fuzz/drive.py --out mlruns/hardening/fuzz.json $(ARGS)

faults: $(READY)
	$(BIN)/python tests/faults/drive.py --out mlruns/hardening/fault_files.json

# Goes on where it was broken off; what has changed since is tried again.
mutation: $(READY)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev,mutation]"
	$(BIN)/python benchmarks/mutation.py $(ARGS)
	$(BIN)/python benchmarks/hardening.py mutation

coverage: $(READY)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev,house]"
	$(BIN)/python benchmarks/house.py --tests --keep after $(ARGS)

dist: $(READY)
	rm -rf build dist
	$(BIN)/python -m build --outdir dist .
	PYTHON=$(PYTHON) .ci/check_wheel dist/*.whl

clean:
	rm -rf $(VENV) .cache outputs build dist mutants docs/_build docs/reference *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
