# Boötes. The two commands for a newcomer: make demo, make test.
# As root; everything else that they need they set up themselves.

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZCOUNT ?= 5000
GO = go
TEST = $(GO) run ./internal/testrun# go test that ends with what failed
# Tests boot machines under software emulation: their time limits are made for it, and
# the KVM inside a virtual machine may run firmware and then hang.
unit e2e test-full: export BOOTES_LAB_ACCEL ?= tcg,thread=multi

.PHONY: help setup build demo demo-down test test-full lint unit fuzz e2e bench

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: ## install the missing Debian packages, starting none of their daemons
	@scripts/setup

build: ## bin/bootes
	@scripts/setup --go
	$(GO) build -o bin/bootes ./cmd/bootes

demo: ## boot two machines without disks; KEEP=1 leaves them up
	@scripts/demo up

demo-down: ## end a demo that KEEP=1 left up
	@scripts/demo down

test: setup lint unit fuzz e2e ## everything that CI runs, about 30 minutes on two cores
	@echo "all passed"

test-full: setup lint unit ## all of that, and the long ones
	GOARCH=arm $(GO) build -o /dev/null ./cmd/bootes
	GOARCH=arm64 $(GO) build -o /dev/null ./cmd/bootes
	$(GO) test -race -tags full -timeout 15m ./internal/iscsi
	$(TEST) -tags e2e,full -timeout 120m -count 1 -v -p 1 ./e2e/... ./internal/lab/...
	BOOTES_COW_SEEDS=240 BOOTES_COW_KILLS=500 $(GO) test -timeout 60m -count 1 ./internal/cow
	@scripts/fuzz 100000

lint: ## gofmt, vet, staticcheck, go.mod
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo "run gofmt -w on these" >&2; exit 1; }
	$(GO) vet -tags e2e,full ./...
	$(GO) run $(STATICCHECK) -tags e2e,full ./...
	$(GO) mod tidy -diff

unit: ## unit and integration tests, under the race detector
	$(TEST) -race -timeout 15m -p $$(($$(nproc) + 1)) ./...
	$(GO) test -run NoAllocation ./internal/iscsi ./internal/initiator ./internal/cow/vfs
	$(GO) test -run '^Test(Crashes|CutInEachWindow|EachOperationFails|KillThenPowerCut)$$' ./internal/cow
	$(GO) test -run '^$$' -bench . -benchtime 1x $$(grep -rl --include='*_test.go' '^func Benchmark' . | xargs -n 1 dirname | sort -u) >/dev/null

fuzz: ## every fuzz target with FUZZCOUNT inputs
	@scripts/fuzz $(FUZZCOUNT)

e2e: ## real machines, booted for real
	$(TEST) -tags e2e -timeout 60m -count 1 -v ./e2e/...

bench: setup ## the figures of docs/BENCHMARKS.md
	@scripts/bench
