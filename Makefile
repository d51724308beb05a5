# The commands of this repository. `make` lists them.

# Seconds that each fuzz target runs for, and the git revision that contract-diff compares with.
FUZZTIME ?= 30s
BASE ?= HEAD

# The race detector looks at memory of Go's only, so instrumenting SQLite, C translated to Go that has memory of its
# own, would cost half of the tests' time and find nothing. It also sleeps a second before each process exits.
RACE := -race -gcflags=modernc.org/sqlite/lib=-race=false -gcflags=modernc.org/libc=-race=false
export GORACE ?= atexit_sleep_ms=10

SPECTRAL := @stoplight/spectral-cli@6.16.3
REDOCLY := @redocly/cli@2.77.0
SPEC := api/openapi.yaml

.DEFAULT_GOAL := help
.PHONY: help gen gen-check contract-lint contract-diff contract-gate build run run-cluster test test-cluster-long fuzz bench bench-scale lint prism cross ci clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

gen: ## rebuild gen/ from the contract
	go generate ./...

gen-check: ## fail when gen/ is not what the contract generates
	@stamp=$$(mktemp) && trap 'rm -f "$$stamp"' EXIT && \
	sleep 0.01 && $(MAKE) --no-print-directory gen && \
	orphans=$$(find gen -type f ! -newer "$$stamp") && \
	new=$$(git ls-files --others --exclude-standard -- gen) && \
	if ! git diff --exit-code --stat -- gen || [ -n "$$orphans$$new" ]; then \
		[ -z "$$new" ] || printf 'not committed:\n%s\n' "$$new"; \
		[ -z "$$orphans" ] || printf 'no longer generated:\n%s\n' "$$orphans"; \
		echo "gen-check: gen/ is stale. Run 'make gen', delete what is no longer generated, commit gen/."; \
		exit 1; \
	fi && echo "gen-check: gen/ is fresh"

contract-lint: ## lint the contract with Redocly and Spectral; a warning fails
	.ci/npm-run $(REDOCLY) redocly lint --config api/.redocly.yaml $(SPEC)
	.ci/npm-run $(SPECTRAL) spectral lint --fail-severity=warn --ruleset api/.spectral.yaml $(SPEC)

contract-diff: ## say what changed in the contract since BASE (a git revision) and what of it breaks callers
	@.ci/contract diff '$(BASE)'

contract-gate: ## fail on a breaking change since the last tag without a new major version
	@.ci/contract gate

build: ## build bin/sessionsd and bin/sessions
	@mkdir -p bin
	go build -o bin/ ./server/cmd/sessionsd ./client/cmd/sessions

run: ## serve the API with a demo account
	go run ./server/cmd/sessionsd serve --demo

run-cluster: ## serve the API from three replicas on a PostgreSQL of their own, behind a proxy
	go run ./server/internal/cluster

test: ## run all tests under the race detector, on PostgreSQL too where it is installed
	go test $(RACE) -timeout 14m ./...
	@go test -count=1 -v -run '^TestPostgreSQL$$' ./server/store/pgtest | \
		sed -n 's/^.*skipped, since it needs PostgreSQL: /test: the tests on PostgreSQL were SKIPPED: /p' | sort -u
	@command -v npx >/dev/null || echo "test: the openai runner's tests on mocks from npm were SKIPPED: npx is missing"

test-cluster-long: ## kill replicas on PostgreSQL under load for a minute
	SESSIONSD_CLUSTER_TIME=1m go test $(RACE) -count=1 -v -run '^TestKilledReplicas$$' ./server/cmd/sessionsd

fuzz: ## run every fuzz target for FUZZTIME each
	@found=; \
	for file in $$(find . -name '*_test.go' -not -path './gen/*' | sort); do \
		for name in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file"); do \
			found=yes; \
			echo "fuzz: $$name in $$(dirname "$$file")"; \
			go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x "$$(dirname "$$file")" || exit 1; \
		done; \
	done; \
	[ -n "$$found" ] || echo "fuzz: there are no fuzz targets"

bench: ## measure the server against the bare handler: checks, storage, start, memory (some minutes)
	go run ./server/bench

bench-scale: ## measure create, get and list at 1,000, 100,000 and 1,000,000 sessions (some minutes, 1 GB of disk)
	go run ./server/bench --scale 1000,100000,1000000

lint: ## gofmt, go vet, staticcheck and a tidy go.mod
	@unformatted=$$(find . -name '*.go' -not -path './gen/*' -not -path './.*' -exec gofmt -l {} +) && \
	if [ -n "$$unformatted" ]; then printf 'lint: run gofmt -w on\n%s\n' "$$unformatted"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...
	go mod tidy -diff

prism: build ## replay good and bad requests through Prism and fail on an answer that breaks the contract
	@.ci/prism

# The systems that the client and the command line are for.
SYSTEMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

cross: ## build the client and the command line for every system they are for
	@for system in $(SYSTEMS); do \
		echo "cross: $$system"; \
		CGO_ENABLED=0 GOOS=$${system%/*} GOARCH=$${system#*/} go build -o /dev/null ./client ./client/cmd/sessions || exit 1; \
	done

# One after the other, also under -j: gen-check rewrites what the others read. The tests come last, so that
# their summary ends the output.
ci: ## all checks
	@for target in gen-check lint contract-lint contract-gate cross prism test; do \
		echo "== $$target"; \
		$(MAKE) --no-print-directory $$target || exit 1; \
	done

clean: ## delete what was built; gen/ stays
	rm -rf bin
