# `make check` is what CI checks beside the tests, in the virtual environment that the README's command makes and with
# what `npm ci --prefix tests/web/static` installs.

.PHONY: check coverage

check:
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	npm --prefix tests/web/static run --silent types

# The tests with branch coverage, of the servers' processes too.
coverage:
	.venv/bin/python -m pytest --cov
