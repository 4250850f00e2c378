# The jobs of this repository. `make help` lists them.

GO      ?= go
BIN     := $(CURDIR)/bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FLAGS   := -ldflags "-X main.version=$(VERSION)"

# Tools, each pinned here and nowhere else. The protobuf plugins are pinned by
# go.mod, together with the libraries that their output needs.
GOFUMPT     := mvdan.cc/gofumpt@v0.12.0
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.8.0

FUZZTIME ?= 10s
SEEDS    ?= 2000
MINUTES  ?= 10
RUNS     ?= 200
ATONCE   ?= 2
# The first run's seed, 0 to draw one, and its number: faults go by number.
SEED     ?= 0
FROM     ?= 0
KEEP     ?= $(CURDIR)/bin/torture
MODULE   := github.com/seed-7d21a5b5/ashlar
PROTOC   := protoc --plugin=$(BIN)/protoc-gen-go --plugin=$(BIN)/protoc-gen-go-vtproto \
	--go_out=. --go_opt=module=$(MODULE) \
	--go-vtproto_out=. --go-vtproto_opt=module=$(MODULE),features=marshal+unmarshal+size

.PHONY: help build install demo test race lint fmt rules sim mutants torture campaign spec fuzz bench integration faults vuln generate ci clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## compile everything; the command goes to bin/ashlar
	$(GO) build ./...
	$(GO) build $(FLAGS) -o $(BIN)/ashlar ./cmd/ashlar

install: ## install the command into Go's bin folder
	$(GO) install $(FLAGS) ./cmd/ashlar

demo: ## the main job end to end: a cluster, real files in, the same files out
	$(GO) run ./cmd/ashlar demo

test: ## every test, once
	$(GO) test ./...

race: ## every test under the race detector
	$(GO) test -race ./...

lint: ## formatting, vet and staticcheck
	@unformatted=$$($(GO) run $(GOFUMPT) -l $$(git ls-files '*.go' | grep -v -e '\.pb\.go$$' -e '/testdata/')); \
	if [ -n "$$unformatted" ]; then echo "run make fmt for:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

fmt: ## format every Go file
	$(GO) run $(GOFUMPT) -w $$(git ls-files '*.go' | grep -v -e '\.pb\.go$$' -e '/testdata/')

rules: ## the house rules as tests
	$(GO) test -count=1 ./integration/rules

sim: ## the simulation of reclamation, SEEDS of them (2000), and the randomized tests of the core
	$(GO) test -count=1 -v -timeout 2h -run TestSim ./integration/sim -sim.seeds $(SEEDS)
	$(GO) test -count=1 -v -run 'Random|Rapid|Twin|Crash' ./metaserver/... ./blockserver/...

mutants: ## leave out one rule at a time; the simulation has to notice each
	$(GO) test -count=1 -v -timeout 2h -run TestMutants ./integration/sim -sim.mutants

torture: ## real processes under faults for MINUTES (10): first each fault, then two at once; what fails is kept in KEEP
	$(GO) test -count=1 -v -timeout 0 -run TestTorture ./integration/torture -torture.minutes $(MINUTES) -torture.out $(KEEP)

campaign: ## RUNS (200) torture runs, ATONCE (2) at a time, through all failures; then the table of all that is kept in KEEP
	@status=0; $(GO) test -count=1 -v -timeout 0 -run TestTorture ./integration/torture -torture.runs $(RUNS) -torture.at-once $(ATONCE) \
		-torture.through -torture.seed $(SEED) -torture.from $(FROM) -torture.out $(KEEP) || status=$$?; \
	$(GO) run ./integration/torture/sum $(KEEP) && exit $$status

spec: ## model-check the TLA+ specification (needs Java, and TLA2TOOLS=path of tla2tools.jar)
	docs/spec/check

fuzz: ## every fuzz target for FUZZTIME (10s) each
	@set -e; for dir in $$(git ls-files '*_test.go' | xargs grep -l '^func Fuzz' | xargs -n1 dirname | sort -u); do \
		for target in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | cut -d' ' -f2); do \
			echo "$$dir $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) ./$$dir; \
		done; \
	done

bench: build ## measure six processes on loopback, and the machine in the same run
	$(BIN)/ashlar bench --spawn --limits

integration: ## scenarios with real processes
	$(GO) test -count=1 -v ./integration/...

faults: ## every fault alone on real processes, for minutes (some need root, nftables, strace)
	ASHLAR_LONG=1 $(GO) test -count=1 -v -timeout 1h ./integration/faults

vuln: ## known vulnerabilities in what we build
	$(GO) run $(GOVULNCHECK) ./...

generate: ## protobuf code from the .proto files (needs protoc)
	$(GO) build -o $(BIN)/ google.golang.org/protobuf/cmd/protoc-gen-go github.com/planetscale/vtprotobuf/cmd/protoc-gen-go-vtproto
	$(PROTOC) -I protocol/pb protocol/pb/wire.proto
	$(PROTOC) -I protocol/pb -I metaserver/state/record metaserver/state/record/record.proto

ci: ## what every change must pass
	.ci/run

clean: ## remove what was built
	rm -rf $(BIN)
