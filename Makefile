# `make` alone prints what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/pytest
SERVED := kafka_ mongo elastic_ s3_
SMOKE := $(addprefix tests/web/test_,uploads.py api.py songs.py live.py files.py) tests/e2e/test_main_job.py
CHROMAPRINT := web/static/packages/chromaprint/dist/chromaprint.wasm
NPM_DEV := node_modules/installed-dev

.DEFAULT_GOAL := help
.PHONY: help install run check test test-fast test-engines test-contracts test-compose secrets lint format translations docs benchmarks clean

help: ## print this
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(VENV)/installed $(CHROMAPRINT) ## make the virtual environment and install the service into it

$(VENV)/installed: pyproject.toml requirements.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV). The first time this fetches PyTorch: a few minutes."
	@$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[separation]'
	@touch $@

$(VENV)/installed-dev: pyproject.toml requirements.lock requirements-dev.lock $(VENV)/installed | $(CHROMAPRINT)
	@$(BIN)/python -m pip install --quiet --constraint requirements.lock --constraint requirements-dev.lock --editable '.[dev]'
	@touch $@

# What pages bring from npm's registry. Where it cannot be had, files are sent without looking for them first.
$(CHROMAPRINT): package.json package-lock.json
	@if command -v npm >/dev/null && npm ci --omit=dev --silent --fetch-retries=1 --fetch-timeout=20000; then \
	rm -rf web/static/packages && mkdir web/static/packages && cp -r node_modules/@unimusic/* web/static/packages && touch $@; \
	else echo "No npm, or its registry was not reached: files are sent without looking first whether they are here."; fi

# What `make lint` checks the scripts of the pages with. The rule above empties node_modules, so it has to come first.
$(NPM_DEV): package.json package-lock.json $(CHROMAPRINT)
	@command -v npm >/dev/null || { echo "make lint needs npm (Debian: npm) for TypeScript and ESLint."; exit 1; }
	@npm ci --silent && touch $@

run: install ## install and start everything: web and all consumers
	@exec $(BIN)/demixer run

check: install ## open every engine and the model, and say what is found
	@$(BIN)/demixer check

test: $(VENV)/installed-dev lint ## lint, then every test: unit, contract, web, consumers, end to end, browser; embedded and on servers
	$(PYTEST) -n 2 --dist worksteal -m "not timed" --ignore=tests/browser --ignore=tests/e2e
	$(PYTEST) -m "not timed" tests/browser tests/e2e
	$(PYTEST) -m timed
	$(MAKE) test-engines

test-engines: $(VENV)/installed-dev ## consumers, the main job and a smoke of the web on Kafka, MongoDB, Elasticsearch and S3
	$(PYTEST) -n 2 --dist worksteal -m "not timed" --engines=servers tests/consumers $(SMOKE)

test-fast: $(VENV)/installed-dev ## the inner loop: what takes seconds and needs no server
	$(PYTEST) -n 3 -m "not slow and not thorough" $(SERVED:%=--ignore-glob='tests/contract/test_%*.py')

test-contracts: $(VENV)/installed-dev ## the contracts, and what has engines of its own: where TEST_KAFKA and the like name some, on those
	$(PYTEST) -n 2 -m "not slow" tests/contract
	$(PYTEST) -m slow tests/contract
	$(PYTEST) -m own_servers tests/e2e

test-compose: $(VENV)/installed-dev ## both on the real engines of docker-compose.yml; needs Docker
	docker/test-compose $(MAKE) test-engines test-contracts

secrets: ## make the passwords of docker-compose.yml, once, into docker/secrets
	@docker/make-secrets

lint: $(VENV)/installed-dev $(NPM_DEV) ## ruff, mypy --strict, rules of imports; tsc and ESLint for the scripts of the pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	npx --no-install tsc -p tsconfig.json
	npx --no-install eslint web/static/js

format: $(VENV)/installed-dev ## let ruff format and fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

translations: $(VENV)/installed-dev ## collect the texts, update and compile the translations
	$(BIN)/pybabel -q extract --width 120 -F babel.cfg -k _l -k N_ --no-location --sort-output --project demixer -o web/translations/messages.pot .
	$(BIN)/pybabel -q update --ignore-obsolete --width 120 -i web/translations/messages.pot -d web/translations --no-fuzzy-matching
	$(BIN)/pybabel -q compile -d web/translations

docs: $(VENV)/installed-dev ## write docs/events.md anew from schemas/
	$(BIN)/python -m schemas.document docs/events.md

benchmarks: $(VENV)/installed-dev ## measure every claim in docs/benchmarks.md, beside its baseline
	@for each in recognition fingerprint_index search upload browser_print live separation \
		events queue_time drain operations matching; do $(BIN)/python -m benchmarks.$$each || exit 1; done

clean: ## remove what was installed and cached; never DATA_DIR
	rm -rf $(VENV) node_modules web/static/packages .pytest_cache .mypy_cache .ruff_cache *.egg-info
