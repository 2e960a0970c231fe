# Anji. `make` lists the targets; `make test` is everything.

GO ?= go
export ANJI_SCREENSHOTS ?= $(CURDIR)/out/screenshots

.DEFAULT_GOAL := help

.PHONY: help demo test check unit postgres tools reference fuzz bench lint fmt vuln

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## start everything on made-up data (the main job)
	$(GO) run ./cmd/anji demo

test: tools check unit postgres reference ## run all tests, installing what they need

check: ## formatting, vet, staticcheck, the packages and their cases
	@files=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$files" ]; then echo "not gofmt-ed: $$files"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) run ./cmd/anji policy lint --strict
	$(GO) run ./cmd/anji policy fmt -l policies
	$(GO) run ./cmd/anji policy test

# Under the race detector a page that a browser opens takes several times as long;
# those tests are a run of their own without it.
unit: ## the tests, under the race detector; those that open a browser without it
	ANJI_SKIP_BROWSER=1 $(GO) test -race -timeout 45m ./...
	$(GO) test -timeout 20m $(BROWSED)
	$(GO) test -timeout 10m ./bench

# The packages whose tests open a browser.
BROWSED = $$($(GO) list -test -f '{{if .ForTest}}{{range .Imports}}{{if eq . "github.com/anji-platform/anji/web/browsertest"}}{{$$.ForTest}}{{"\n"}}{{end}}{{end}}{{end}}' ./... | sort -u)

# The packages whose tests open a store.
STORED = $$($(GO) list -test -f '{{if .ForTest}}{{range .Imports}}{{if eq . "github.com/anji-platform/anji/db/dbtest"}}{{$$.ForTest}}{{"\n"}}{{end}}{{end}}{{end}}' ./... | sort -u)

postgres: ## the tests of all that is stored, on PostgreSQL
	ANJI_TEST_DB=postgres $(GO) test -timeout 20m $(STORED)

reference: ## the comparison with a general expression engine still agrees
	cd bench/reference && $(GO) vet ./... && $(GO) test ./...

tools: ## install the browser, the database server and the reader of pictures that the tests drive, where that is possible
	@./.ci/tools

fuzz: ## fuzz every parser for a while: make fuzz FUZZTIME=5m
	./.ci/fuzz $(or $(FUZZTIME),30s)

bench: ## measure, in ratios
	$(GO) test -run '^$$' -bench . ./bench
	$(GO) run ./cmd/anji bench engine

vuln: ## known vulnerabilities, where the database can be reached
	$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.1.4 ./...

fmt: ## format code and packages
	gofmt -w $$(git ls-files '*.go')
	$(GO) run ./cmd/anji policy fmt -w policies
