# Shoal's commands. `make` alone lists them; each needs nothing but Go, Node and git,
# and installs the rest by itself (setup).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X github.com/shoalcast/shoal/internal/obs.version=$(VERSION)
BUILD   := CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)'
TOOL    := go tool -modfile=tools/go.mod
TARGETS := linux/arm64 darwin/arm64 darwin/amd64 windows/amd64

# Where `make run` keeps its state.
DATA ?= ./data

WEB_SOURCES := $(shell find web/pages web/player web/dash web/public web/*.json web/*.ts -type f -not -path 'web/player/dist/*' 2>/dev/null)

.PHONY: help setup build run test faults soak bench bench-browser lint fmt cross vuln clean

help: ## list these commands
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

setup: ## install what is missing: Debian packages, npm packages inside the repository, ClickHouse's library in your cache
	@scripts/setup

build: setup web/dist/index.html ## build bin/shoal, which needs glibc and nothing else
	@$(BUILD) -o bin/shoal ./cmd/shoal

web/dist/index.html: $(WEB_SOURCES) | setup
	@cd web && npm run --silent build
	@touch $@

run: build ## start Shoal with a demonstration stream; state in DATA (./data), DEMO=0 for none
	@exec node scripts/demo.mjs '$(DATA)'

test: build ## run every kind of test, browser included (about 18 minutes on 2 cores)
	@scripts/test

faults: build ## test what a tab in the swarm does when something around it fails (5 minutes)
	@npm --prefix web run --silent test:faults

soak: build ## run the tests with their full counts: kill tests, fuzzing, long plays
	@SHOAL_SOAK=1 scripts/test
	@SHOAL_SOAK=1 npm --prefix web run --silent test:faults
	@scripts/fuzz 60s

bench: build ## measure beside peers and physical limits; see docs/BENCHMARKS.md
	@go run ./bench $(BENCH)

bench-browser: build ## measure tabs in the swarm beside HTTP alone and p2p-media-loader (14 minutes)
	@go run ./bench browser

lint: setup ## check style and laws
	@$(TOOL) golangci-lint run
	@cd web && npm run --silent typecheck
	@for f in scripts/* .ci/run; do case $$f in *.mjs) node --check $$f;; *) bash -n $$f;; esac; done

fmt: ## format the Go code
	@git ls-files -co --exclude-standard '*.go' | xargs -r $(TOOL) gofumpt -w

cross: ## check that it builds for the other systems
	@for t in $(TARGETS); do \
	  echo "build $$t"; \
	  GOOS=$${t%/*} GOARCH=$${t#*/} CGO_ENABLED=0 go build -o /dev/null ./cmd/shoal; \
	done

vuln: ## look the dependencies up in Go's vulnerability database, which is on the network
	@$(TOOL) govulncheck ./...

clean: ## remove what was built, but no state
	@rm -rf bin web/dist/assets web/dist/*.html web/dist/player.js web/player/dist bench/out
