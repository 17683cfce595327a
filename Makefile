# Needs Go, make and bash. `make help` says what there is.

PLUGIN  := vault-plugin-secrets-kraken
override VERSION := $(shell sed -nE 's/^var Version = "(v.*)"$$/\1/p' version.go)
OUT     ?= bin

# How the plugin is built, by make build and by make release: static, and without what tells of the machine, the directory
# or git, so that both make the same binary everywhere.
BUILDFLAGS := -trimpath -buildvcs=false
LDFLAGS    := -s -w -buildid=

# A module of its own, so that what measures isn't among what the plugin depends on.
LOAD    := test/bench/load

# What make lint runs, each in the version that tools/ pins. The programs' own modules are no business of the plugin's.
GOLANGCI   := go tool -modfile=$(CURDIR)/tools/lint/go.mod golangci-lint
SHFMT      := go tool -modfile=tools/lint/go.mod shfmt
ACTIONLINT := go tool -modfile=tools/actionlint/go.mod actionlint
REMARK     := tools/links/node_modules/.bin/remark
# All modules, but Vault's, which are as Vault's own go.mod has them; and those that have Go of ours.
MODULES   := $(filter-out tools/vault%,$(patsubst %/,%,$(dir $(wildcard go.mod */*/go.mod */*/*/go.mod))))
GOMODULES := $(foreach module,$(MODULES),$(if $(wildcard $(module)/*.go),$(module)))
# Where shfmt finds shell scripts, by their first lines.
SCRIPTS   := .ci examples scripts

# The race detector needs cgo, that is a C compiler; Go says 1 here where it found one.
RACE := $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-22s %s\n", $$1, $$2 }'

.PHONY: demo
demo: $(OUT)/demo ## The main job end to end, on a Vault dev server and a simulated Kraken
	@exec "$(OUT)/demo" demo

.PHONY: dev
dev: $(OUT)/demo ## The same set-up to play with, until Ctrl-C
	@exec "$(OUT)/demo" dev

# Interrupted, go build leaves its temporary directory behind. A user's key pair isn't for it.
$(OUT)/demo: FORCE
	@unset KRAKEN_API_KEY KRAKEN_API_SECRET; trap 'rm -rf "$${temp:-}"' EXIT; temp=$$(mktemp -d); GOTMPDIR=$$temp go build -o "$@" ./tools/demo

.PHONY: FORCE
FORCE:

.PHONY: picture
picture: $(OUT)/demo ## Draw docs/demo.svg, a picture of a terminal, from a real run
	@shown=$$("$(OUT)/demo" picture); go -C tools/picture tool freeze --config freeze.json -o "$(CURDIR)/docs/demo.svg" <<<"$$shown"

.PHONY: build
build: ## The plugin as bin/vault-plugin-secrets-kraken: static, stripped, reproducible
	@mkdir -p "$(OUT)"
	CGO_ENABLED=0 go build $(BUILDFLAGS) -ldflags "$(LDFLAGS)" -o "$(OUT)/$(PLUGIN)" ./cmd/$(PLUGIN)

# TARGETS: some of the targets in .goreleaser.yaml, as TARGETS=linux_amd64,linux_arm64. TAG: what git calls the version; if
# it is given, it must be that of version.go.
TARGETS ?=
.PHONY: release
release: ## All files of a release in dist/, with sums and the commands that register them: dist/REGISTER.md
	BUILDFLAGS="$(BUILDFLAGS)" LDFLAGS="$(LDFLAGS)" VERSION=$(VERSION) \
		go -C tools/release run . -targets "$(TARGETS)"

.PHONY: release-check
release-check: ## Make the release of all platforms twice, compare, register it with a real Vault, and read a token
	@vault=$$(scripts/vault); set -x; VAULT_BIN=$$vault RELEASE_TARGETS=all go test -count=1 -timeout 2h -v -run '^TestRelease$$' ./test/acceptance

IMAGE ?= ghcr.io/krakensecrets/$(PLUGIN)
.PHONY: release-push
release-push: ## Push dist/'s container images to IMAGE, for all platforms under one name; prints that name with its digest
	@VERSION=$(VERSION) go -C tools/release run . -push "$(IMAGE)"

.PHONY: version
version: ## The version that this source is
	@echo $(VERSION)

.PHONY: release-install
release-install: ## Download this version's published release into dist/, verify, register and try it: all by the README's commands
	@mkdir dist # or else there is one already, which wasn't downloaded
	@vault=$$(scripts/vault); set -x; VAULT_BIN=$$vault PUBLISHED="$(CURDIR)/dist" VERSION=$(VERSION) \
		go test -count=1 -v -run '^TestPublishedRelease$$' ./test/acceptance

.PHONY: test
test: unit acceptance alerts ## All tests: unit, then acceptance, then alerts

.PHONY: unit
unit: ## Tests without a Vault server, with the race detector: units, engine over simulator, plugin over gRPC
	@$(if $(RACE),,echo "No C compiler, so no race detector.")
	go test $(RACE) $$(go list ./... | grep -v /test/acceptance)
	cd $(LOAD) && go test $(RACE) ./...
	cd tools/kubernetes && go test ./...
	go -C tools/release test ./...

.PHONY: acceptance
acceptance: ## Real vault commands against a real Vault server (found on PATH, else built once)
	@for program in curl jq node npm; do type -P "$$program" >/dev/null || echo "No $$program, so no test with it as a client."; done
	@/usr/bin/python3 -c 'import hvac, websockets' 2>/dev/null || echo "No python3-hvac and python3-websockets (Debian's), so no test of the example in Python."
	@vault=$$(scripts/vault); set -x; VAULT_BIN=$$vault go test -count=1 -timeout 30m ./test/acceptance

# RUN: only the tests that it matches, as `go test -run` has it; then docs/compatibility.md stays as it is.
RUN ?=
.PHONY: compatibility
compatibility: ## The acceptance tests with Vault 1.19, 1.21 and VAULT_BIN; writes docs/compatibility.md
	go run ./test/compatibility -run '$(RUN)'

# A run that finds something writes the input to testdata/fuzz, where make unit tries it from then on.
FUZZTIME ?= 30s
.PHONY: fuzz
fuzz: ## Each fuzz target for FUZZTIME (30s), one after the other; their corpora are part of make unit
	@for package in $$(go list ./... | grep -v /test/acceptance); do \
		for target in $$(go test -list '^Fuzz' "$$package" | grep '^Fuzz' || true); do \
			(set -x; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime "$(FUZZTIME)" "$$package"); \
		done; \
	done
	@$(MAKE) --no-print-directory model

RUNS ?= 200000
.PHONY: model
model: ## The model test for RUNS (200000) drawn plans; make unit has 2000
	go test -count=1 -timeout 0 -run '^TestModel$$' ./internal/account -rapid.checks=$(RUNS)

.PHONY: planted
planted: ## Plant a bug for each thing that the model test looks for, and see it found
	PLANTED=1 go test -count=1 -timeout 0 -run '^TestModelFindsPlantedBugs$$' -v ./internal/account

# Without the service discovery, which isn't used here: that is half of what there is to compile.
.PHONY: alerts
alerts: ## promtool's word on docs/monitoring: configuration, alerts and their tests, dashboard (found on PATH, else built once)
	@promtool=$$(type -P promtool) || { promtool=$(abspath $(OUT))/promtool; \
		echo "No promtool on the PATH, so it is built: minutes once, seconds from then on."; \
		go build -C tools/promtool -tags remove_all_sd -o "$$promtool" github.com/prometheus/prometheus/cmd/promtool; }; \
		set -x; PROMTOOL=$$promtool go test -count=1 -timeout 5m -v -run '^TestPromtoolIsContent$$' .

SOAKTIME ?= 10m
.PHONY: soak
soak: ## Readers, faults and config writes for SOAKTIME (10m): memory and open files must stay flat; prints the figures
	@vault=$$(scripts/vault); set -x; VAULT_BIN=$$vault SOAKTIME=$(SOAKTIME) go test -count=1 -timeout 0 -v -run '^TestSoak$$' ./test/acceptance

# BENCHFLAGS: -quick tries everything once, -only herd,cold measures some; neither writes docs/performance.md.
BENCHFLAGS ?=
.PHONY: bench
bench: ## Measure the engine side by side with others on one Vault, in 5 minutes, and write docs/performance.md
	@vault=$$(scripts/vault); cd $(LOAD) && set -x && VAULT_BIN=$$vault go run . $(BENCHFLAGS)

.PHONY: openapi
openapi: ## Write docs/openapi.json, and the tables of docs/api.md, from the engine
	go test -count=1 -run '^(TestOpenAPIDocument|TestAPIDocument)$$' . -update

.PHONY: lint
lint: lint-go lint-modules lint-shell lint-workflows lint-links ## Go code, modules, shell scripts, workflows, and the documents' links

.PHONY: lint-go
lint-go: # .golangci.yml says what is looked for, and why
	@for module in $(GOMODULES); do (set -x; cd "$$module" && $(GOLANGCI) run -c "$(CURDIR)/.golangci.yml"); done

.PHONY: lint-modules
lint-modules: # each go.mod and go.sum lists what is needed, and nothing else
	@for module in $(MODULES); do (set -x; go -C "$$module" mod tidy -diff); done

# shellcheck is Debian's, and the one tool that isn't built here.
.PHONY: lint-shell
lint-shell:
	$(SHFMT) -d $(SCRIPTS)
	@if type -P shellcheck >/dev/null; then set -x; shellcheck -x $$($(SHFMT) -f $(SCRIPTS)); \
		else echo "No shellcheck, so no check of the shell scripts but their format."; fi

.PHONY: lint-workflows
lint-workflows:
	$(ACTIONLINT)

.PHONY: lint-links
lint-links: $(if $(shell type -P npm),$(REMARK))
	@if type -P npm >/dev/null; then set -x; $(REMARK) --rc-path tools/links/remarkrc.mjs --frail --quiet --no-stdout --ignore-pattern dist .; \
		else echo "No npm, so no check of the links."; fi

$(REMARK): tools/links/package-lock.json
	npm --prefix tools/links ci --ignore-scripts --no-audit --no-fund --no-update-notifier
	@touch $@

# Its database is at https://vuln.go.dev, so it isn't part of make lint, which needs no more than the module proxy and npm.
.PHONY: vulncheck
vulncheck: ## Known vulnerabilities in what the plugin calls (needs https://vuln.go.dev)
	go tool -modfile=tools/lint/go.mod govulncheck ./cmd/vault-plugin-secrets-kraken

.PHONY: terraform
terraform: ## Check the form of examples/terraform, with OpenTofu built from source
	TF_CLI_CONFIG_FILE=/dev/null go -C tools/opentofu tool tofu fmt -check -diff "$(CURDIR)/examples/terraform"

.PHONY: fmt
fmt: ## Format the Go code and the shell scripts
	gofmt -w .
	$(SHFMT) -w $(SCRIPTS)

.PHONY: clean
clean: ## Remove what make build made
	rm -rf bin dist
