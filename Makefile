# The commands of this repository. `make` lists them.

# Seconds that each fuzz target runs for, and the git revision that contract-diff compares with.
FUZZTIME ?= 30s
BASE ?= HEAD

# The race detector does not instrument these packages: they would take much of the tests' time, and it would find nothing.
# SQLite is C translated to Go and manages memory that the detector does not see. The others loop over the bytes of their
# arguments and share nothing of ours between goroutines. None may use sync.Map or the generic types of sync/atomic: the
# linker takes the largest copy of an instantiated function for the whole program, and one that is not instrumented would hide
# from the detector what synchronizes.
UNRACED := modernc.org/sqlite/lib modernc.org/libc modernc.org/memory compress/flate regexp unicode/utf8 github.com/cloud-sessions/sessions/server/plainjson
# Nor does it instrument encoding/json, a fifth of the servers' tests, into which no function is inlined then: the copies of
# sync.Map are small ones, and values are still read and written by package reflect, which is instrumented.
# TestTheDetectorKnowsMaps would notice a copy that is not. Nobody debugs these programs: without DWARF they link a quarter faster.
RACE := -race -gcflags=all=-dwarf=false $(foreach package,$(UNRACED),'-gcflags=$(package)=-race=false -dwarf=false') \
	'-gcflags=encoding/json=-race=false -l -dwarf=false'
# The detector would also sleep for a second before each process exits, keep its shadow of the memory in small pages, and map
# that of each large value anew, in place of clearing it: large values then cost more page faults than anything else.
export GORACE ?= atexit_sleep_ms=10 no_huge_pages_for_shadow=0 clear_shadow_mmap_threshold=4194304
# These packages and their tests start no goroutines, which TestSequentialPackages checks. The detector would find nothing in
# their tests, and make them take five times as long; what servers share of them is raced by the servers' tests.
SEQUENTIAL := ./api/... ./client/recording ./client/contractdrift
# The packages whose tests take longest begin first, so that no processor is idle at the end.
LONGEST := ./server ./server/cmd/sessionsd ./server/store/sqlstore/... ./client/cmd/sessions

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
SPECTRAL := @stoplight/spectral-cli@6.16.3
REDOCLY := @redocly/cli@2.77.0
SPEC := api/openapi.yaml

.DEFAULT_GOAL := help
.PHONY: help gen gen-check contract-lint contract-diff contract-gate build image run run-worker run-cluster console console-check screenshots test test-cluster-long fuzz mutants bench bench-scale hostile lint tools prism cross ci clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The files that make gen writes, for find and for git.
GENERATED := \( -path 'gen/*' -o -name '*.gen.go' -o -name '*.gen.sql' -o -name '*_gen_test.go' \)
GENERATED_GIT := gen ':(glob)api/**/*.gen.go' ':(glob)server/**/*.gen.sql' ':(glob)client/**/*.gen.go' ':(glob)client/**/*_gen_test.go'

gen: ## generate gen/, the compiled contract and the generated files of the client from the contract, and the schema from the migrations
	go generate ./...

gen-check: ## fail when a generated file differs from what the contract generates
	@stamp=$$(mktemp) && trap 'rm -f "$$stamp"' EXIT && \
	sleep 0.01 && $(MAKE) --no-print-directory gen && \
	orphans=$$(find gen api client server -type f $(GENERATED) ! -newer "$$stamp") && \
	new=$$(git ls-files --others --exclude-standard -- $(GENERATED_GIT)) && \
	if ! git diff --exit-code --stat -- $(GENERATED_GIT) || [ -n "$$orphans$$new" ]; then \
		[ -z "$$new" ] || printf 'not committed:\n%s\n' "$$new"; \
		[ -z "$$orphans" ] || printf 'no longer generated:\n%s\n' "$$orphans"; \
		echo "gen-check: generated files are stale. Run 'make gen', delete what is no longer generated, commit the result."; \
		exit 1; \
	fi && echo "gen-check: generated files are fresh"

# npm ci is repeated when the lock file is newer than what it installed.
CONSOLE := server/console
$(CONSOLE)/node_modules: $(CONSOLE)/package-lock.json
	cd $(CONSOLE) && npm ci --no-audit --no-fund --loglevel=error && touch node_modules

console: $(CONSOLE)/node_modules ## build the console's page from its sources, by npm
	cd $(CONSOLE) && node build.mjs

console-check: $(CONSOLE)/node_modules ## fail when the committed page of the console differs from what its sources build
	cd $(CONSOLE) && node build.mjs --check

screenshots: ## write pictures of the console in both themes to bin/screenshots, by Chromium
	@mkdir -p bin/screenshots
	SESSIONS_SCREENSHOTS=$(CURDIR)/bin/screenshots go test -count=1 -run '^TestScreenshots$$' ./server/pages
	@ls bin/screenshots/*.png

contract-lint: ## lint the contract with Redocly and Spectral; a warning fails
	.ci/npm-run $(REDOCLY) redocly lint --config api/.redocly.yaml $(SPEC)
	.ci/npm-run $(SPECTRAL) spectral lint --fail-severity=warn --ruleset api/.spectral.yaml $(SPEC)

contract-diff: ## list the changes of the contract since BASE (a git revision) and which of them break callers
	@.ci/contract diff '$(BASE)'

contract-gate: ## fail on a breaking change since the last tag without a new major version
	@.ci/contract gate

# Without it grpc, of which OpenTelemetry's exporter has a few types, links a page of its own, whose templates keep the linker
# from leaving out what nothing calls: a third of the program.
TAGS := grpcnotrace

build: ## build bin/sessionsd and bin/sessions
	@mkdir -p bin
	CGO_ENABLED=0 go build -tags $(TAGS) -o bin/ ./server/cmd/sessionsd ./client/cmd/sessions

# Where the image's certificates of authorities are on this machine.
CA_BUNDLE ?= /etc/ssl/certs/ca-certificates.crt
BUILDER ?= $(or $(shell command -v docker),$(shell command -v podman),buildah)

image: ## build the image localhost/sessionsd (BUILDER=docker, podman or buildah)
	@rm -rf bin/image && mkdir -p bin/image/tmp bin/image/data
	CGO_ENABLED=0 go build -trimpath -tags $(TAGS),timetzdata -ldflags='-s -w' -o bin/image/sessionsd ./server/cmd/sessionsd
	cp $(CA_BUNDLE) bin/image/ca-certificates.crt
	BUILDAH_FORMAT=docker $(BUILDER) build --tag localhost/sessionsd --file server/deploy/Containerfile bin/image

run: ## serve the API with a demo account
	go run ./server/cmd/sessionsd serve --demo --features m3

run-worker: ## show an agent that writes a file, runs it and tells the result, with a worker on this machine
	@.ci/run-worker

run-cluster: ## serve the API from three replicas behind a proxy, on a temporary PostgreSQL
	go run ./server/internal/cluster

# Vetting is left to make lint. Many tests wait for something, so more of them run at a time than there are processors.
test: ## run all tests under the race detector, including those on PostgreSQL and with other programs where they are installed
	go test -vet=off $(SEQUENTIAL)
	go test $(RACE) -vet=off -parallel 4 $$(go list $(LONGEST) ./... | grep -vxF "$$(go list $(SEQUENTIAL))")
	@go test -count=1 -v -run '^(TestPostgreSQL|TestPrograms)$$' ./server/store/pgtest ./server/internal/needs | \
		sed -n 's/^.*skipped, since it needs /test: SKIPPED what needs /p' | sort -u

test-cluster-long: ## kill replicas, workers and a server for minutes, under load, and let workers race for an item 1,000 times
	SESSIONSD_CLUSTER_TIME=1m SESSIONSD_CRASH_ROUNDS=100 SESSIONSD_WORK_ROUNDS=50 go test $(RACE) -count=1 -v \
		-run '^(TestKilledReplicas|TestNothingAcknowledgedIsLost|TestWorkSurvivesCrashes|TestKilledWorkers|TestKilledWorkersOfReplicas)$$' ./server/cmd/sessionsd
	SESSIONS_RACE_ROUNDS=1000 go test $(RACE) -count=1 -v -run '^TestOneWorker(OfTwoReplicas)?HasAnItem$$' ./server

fuzz: ## run every fuzz target for FUZZTIME each
	@found=; \
	for file in $$(find . -name '*_test.go' -not -path './gen/*' | sort); do \
		for name in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file"); do \
			found=yes; \
			echo "fuzz: $$name in $$(dirname "$$file")"; \
			go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x "$$(dirname "$$file")" || exit 1; \
		done; \
	done; \
	[ -n "$$found" ] || echo "fuzz: no fuzz targets found"

mutants: ## break each protection that .ci/mutants lists and fail when no test notices (MUTANTS=-tenth: some of them)
	go run ./.ci/mutants $(MUTANTS)

bench: ## measure turns, requests, streams, start and memory, beside those of the revision BASE if it is given (10 minutes)
	go run ./server/bench $(if $(filter-out file,$(origin BASE)),--base '$(BASE)') $(BENCH)

bench-scale: ## measure create, get and list at 1,000, 100,000 and 1,000,000 sessions (some minutes, 1 GB of disk)
	go run ./server/bench --scale 1000,100000,1000000

hostile: ## measure what a hostile account costs the others (HOSTILE='--db postgres --for 30m': on PostgreSQL, for longer)
	CGO_ENABLED=0 go run ./server/internal/hostile $(HOSTILE)

tools: ## run what reads OpenAPI documents on the contract, and write api/tools.md (some minutes; needs npm, Java and Chromium)
	go run ./.ci/tools

lint: ## gofmt, go vet, staticcheck, a tidy go.mod, mutants that still apply, and an api/tools.md of this contract
	@unformatted=$$(find . -name '*.go' -not -path './gen/*' -not -path './.git/*' -exec gofmt -l {} +) && \
	if [ -n "$$unformatted" ]; then printf 'lint: run gofmt -w on\n%s\n' "$$unformatted"; exit 1; fi
	go vet ./... ./.ci/mutants ./.ci/tools
	go run $(STATICCHECK) ./... ./.ci/mutants ./.ci/tools
	go mod tidy -diff
	go run ./.ci/mutants -check
	go run ./.ci/tools -check

prism: build ## replay valid and invalid requests through Prism and fail on a response that violates the contract
	@.ci/prism

# The systems that the client and the command line run on; those that the server is built for here, one processor for each
# kind of system, since SQLite takes a minute or two to compile; and those that all packages, tests included, are vetted for.
SYSTEMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
SERVED := linux/arm64 darwin/arm64 windows/amd64
VETTED := darwin/arm64 windows/amd64

cross: ## build the programs for other systems, and vet all packages for macOS and Windows
	@for system in $(SYSTEMS); do \
		case ' $(SERVED) ' in *" $$system "*) server=./server/cmd/sessionsd ;; *) server= ;; esac; \
		echo "cross: build $$system $$server"; \
		CGO_ENABLED=0 GOOS=$${system%/*} GOARCH=$${system#*/} go build -o /dev/null ./client ./client/cmd/sessions $$server || exit 1; \
	done
	@for system in $(VETTED); do \
		echo "cross: vet $$system"; \
		CGO_ENABLED=0 GOOS=$${system%/*} GOARCH=$${system#*/} go vet ./... || exit 1; \
	done

# One after the other, also under -j: gen-check rewrites what the others read. The tests come last, so that
# their summary ends the output.
ci: ## run all checks, with a tenth of the mutants
	@for target in gen-check console-check lint contract-lint contract-gate cross prism mutants test; do \
		echo "== $$target ($$(date +%T))"; \
		$(MAKE) --no-print-directory $$target MUTANTS='$(or $(MUTANTS),-tenth -tested)' || exit 1; \
	done

clean: ## delete bin/
	rm -rf bin
