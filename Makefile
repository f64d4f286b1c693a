# Two commands do everything: `make demo` and `make test`. Both make their own environment first.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=
AUDIT_SERVICE ?= pypi

.PHONY: help demo test test-long explore check lint types imports format bench soak install clean chart chart-docs chart-tools rules processes image-check sbom docs licences audit constraints lock monitoring

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	@echo "Making $(VENV) (once; a minute or two)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,docs,local]'
	@touch $@

install: $(STAMP) ## Make the environment

demo: $(STAMP) ## A distribution network on a local stack, two workers, one killed; ends with the proof (ARGS="--events 50000")
	@$(BIN)/stockstream demo $(ARGS)

test: $(STAMP) ## All tests, on real parts
	@$(BIN)/python -m pytest $(ARGS)

test-long: $(STAMP) ## The proofs that take minutes: kills, faults, secured brokers, subscribers in three languages
	@$(BIN)/python -m pytest -m long $(ARGS)

explore: $(STAMP) ## The properties of folds, codecs and texts over cases drawn anew (make test draws the same ones each time)
	@$(BIN)/python -m pytest --hypothesis-profile=default tests/schemas tests/stages tests/tables $(ARGS)

check: lint types imports ## Lint, types and import contracts

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP)
	@$(BIN)/mypy

imports: $(STAMP)
	@$(BIN)/lint-imports

format: $(STAMP) ## Format the code
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

bench: $(STAMP) ## The figures of benchmarks/RESULTS.md (minutes)
	@$(BIN)/stockstream bench $(ARGS)

soak: $(STAMP) ## Random kills of workers, connectors, ERP and broker under load; ends with EXACT or the difference (ARGS="--minutes 5 --seed 1")
	@$(BIN)/python -m benchmarks.soak $(ARGS)

chart: $(STAMP) ## The Helm chart: build its tools once (needs Go), lint, render, validate, score
	@$(BIN)/python -m local.chart_tools
	@$(BIN)/python -m pytest -m '' tests/deploy/test_chart.py tests/deploy/test_chart_pods.py tests/deploy/test_chart_values.py $(ARGS)

rules: $(STAMP) ## Alerts by promtool: each fires when it should; every expression of the dashboards parses (needs Go)
	@$(BIN)/python -m local.chart_tools promtool --version >/dev/null
	@$(BIN)/python -m pytest -m '' tests/monitoring/test_rules.py tests/deploy/test_compose.py $(ARGS)

processes: $(STAMP) ## The processes as chart and compose command them, on secured brokers: rights, scaling under load, every metric shown (needs Go)
	@$(BIN)/python -m local.chart_tools helm version >/dev/null
	@$(BIN)/python -m pytest -m '' tests/deploy/test_chart_processes.py tests/deploy/test_compose_processes.py tests/security tests/monitoring/test_site_metrics.py $(ARGS)

chart-tools: $(STAMP) ## helm, helm-unittest, kube-score, helm-docs, promtool, built into the cache folder once (needs Go; minutes)
	@$(BIN)/python -m local.chart_tools

chart-docs: $(STAMP) ## The chart's values.schema.json and README.md, made anew
	@$(BIN)/python -m tests.deploy.chart_schema
	@$(BIN)/python -m local.chart_tools helm-docs --chart-search-root helm/stockstream --sort-values-order file

image-check: $(STAMP) ## What the Containerfile installs, run on a read-only root without an engine
	@$(BIN)/python -m pytest tests/deploy/image_check.py $(ARGS)

SBOM := --pyproject pyproject.toml --mc-type application --output-reproducible --output-file dist/stockstream.cdx.json
sbom: ## CycloneDX list of what the image has, of dist/requirements.lock where there is one, to dist/stockstream.cdx.json
	@test -f dist/requirements.lock || $(PYTHON) -m local.image_host
	@rm -rf dist/sbom && mkdir -p dist/sbom && $(PYTHON) -m venv dist/sbom/tool
	@dist/sbom/tool/bin/python -m pip install --quiet --disable-pip-version-check cyclonedx-bom==7.5.0
	@if [ -f dist/requirements.lock ]; then \
		dist/sbom/tool/bin/python -W ignore -m cyclonedx_py requirements $(SBOM) dist/requirements.lock; \
	else \
		$(PYTHON) -m venv dist/sbom/image \
		&& PIP_CONSTRAINT=constraints.txt dist/sbom/image/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: . \
		&& { dist/sbom/image/bin/python -m pip uninstall --quiet --yes pip setuptools 2>/dev/null || true; } \
		&& dist/sbom/tool/bin/python -m cyclonedx_py environment $(SBOM) dist/sbom/image/bin/python; fi
	@rm -rf dist/sbom && echo "dist/stockstream.cdx.json, of $$(sed -n 's/^# \(Python [^:]*\):.*/dist\/requirements.lock, \1/p' dist/requirements.lock 2>/dev/null | grep . || echo the releases in constraints.txt)"

docs: $(STAMP) ## The documentation as a site, to .site/; a broken link or anchor fails it
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet && echo .site/index.html

licences: $(STAMP) ## THIRD_PARTY.md, made anew from the packages' metadata; ends badly where a licence is not allowed
	@$(BIN)/python -m local.licences

audit: ## Known vulnerabilities in the releases of constraints.txt, by pip-audit (AUDIT_SERVICE=osv asks another source)
	@mkdir -p dist && $(PYTHON) -m venv dist/audit
	@dist/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	@dist/audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict --progress-spinner off \
		--vulnerability-service $(AUDIT_SERVICE) \
		|| { echo "audit: a finding stands above; or, where none does, the advisories cannot be reached from here and nothing was audited" >&2; exit 1; }

constraints: ## The newest releases that pyproject.toml allows, to constraints.txt; run the tests before you commit it
	@rm -rf dist/constraints && mkdir -p dist && $(PYTHON) -m venv dist/constraints
	@dist/constraints/bin/python -m pip install --quiet --disable-pip-version-check hatchling '.[dev,docs,local]'
	@dist/constraints/bin/python -m pip freeze --exclude stockstream >dist/constraints.new
	@! grep -v '^[A-Za-z0-9._-]*==[^ @]*$$' dist/constraints.new
	@{ echo '# Every release this was tested with. `pip install -c constraints.txt .`'; sort -f dist/constraints.new; } >constraints.txt
	@rm -rf dist/constraints dist/constraints.new && git diff --stat -- constraints.txt

lock: ## What an image of this platform installs, and is built by, each file by its sha256: dist/requirements.lock, dist/build.lock
	@rm -rf dist/lock && mkdir -p dist && $(PYTHON) -m venv dist/lock
	@dist/lock/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --only-binary :all: \
		--dry-run --ignore-installed --report dist/lock/requirements.json .
	@$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' >dist/lock/build.txt
	@dist/lock/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --only-binary :all: \
		--dry-run --ignore-installed --report dist/lock/build.json --requirement dist/lock/build.txt
	@for each in requirements build; do $(PYTHON) -m local.lock <dist/lock/$$each.json >dist/lock/$$each.lock || exit 1; done
	@mv dist/lock/requirements.lock dist/lock/build.lock dist/
	@rm -rf dist/lock && echo dist/requirements.lock dist/build.lock

monitoring: $(STAMP) ## Alerts, dashboards and docs/metrics.md, written anew from monitoring/ and schemas/metrics.py
	@$(BIN)/python -m monitoring

clean: ## Remove the environment and run data
	@rm -rf $(VENV) .site .stockstream .mypy_cache .ruff_cache .pytest_cache
