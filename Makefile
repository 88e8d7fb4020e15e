# Thin targets; each runs one tool. PY is the interpreter of the virtual environment in use.
PY ?= python

.PHONY: check fix test test-all cover vectors readme bench package

check:
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	lint-imports
	codespell

fix:
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

test:
	$(PY) -m pytest

test-all:
	$(PY) -m pytest -m "not bench" --hypothesis-profile=ci

cover:
	$(PY) -m coverage erase
	$(PY) -m coverage run -m pytest -m "not bench" --hypothesis-profile=ci
	$(PY) -m coverage combine
	$(PY) -m coverage report
	$(PY) -m coverage report --include='*/core/*'

vectors:
	$(PY) tests/vectors/generate.py
	git diff --exit-code -- tests/vectors

readme:
	$(PY) -m pytest tests/unit/test_docs.py

bench:
	$(PY) -m pytest tests/bench -m bench -s -p no:randomly

package:
	$(PY) -m build --wheel
