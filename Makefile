# Needs Go (any version from 1.21: it fetches the toolchain below), make and git.
export GOTOOLCHAIN := go1.27.4

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
IMAGE   ?= ingress421:$(VERSION)
BENCH   ?= .
ROUNDS  ?= 5
SCALE   ?= 1
FUZZTIME ?= 20s
SOAK    ?= 10m
HOSTS   ?=
# More flags for `go test`, such as -count=1 to run tests whose result is cached.
GOTESTFLAGS ?=
# A folder of the Go vulnerability database as a file:// URL, where the live one
# cannot be reached.
VULNDB ?=

KUBE_VERSION := $(shell awk '$$1 == "k8s.io/kubernetes" { print $$2; exit }' tools/kube/go.mod)
KUBE := bin/kube/$(KUBE_VERSION)
CRD := config/crd/bases/ingress421.dev_authoritypolicies.yaml
CHART_CRD := charts/ingress421/crds/authoritypolicies.yaml
# Go's race detector needs a C compiler on most systems. The checks of who owns what
# are part of it, and can be had alone.
RACE = $(shell command -v "$$(go env CC)" >/dev/null 2>&1 && echo -race || echo -tags=checks)

.DEFAULT_GOAL := help

.PHONY: help
help: ## Print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/ingress421, a static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X github.com/ingress421/ingress421/cmd.version=$(VERSION)' -o bin/ingress421 .

.PHONY: demo
demo: build ## See 421 at work: own certificates, backends and requests, on loopback
	bin/ingress421 demo

.PHONY: test
test: build kube ## Run the tests, some against a real API server; the first time builds that (5 minutes)
	go vet ./...
	@GOTESTFLAGS='$(RACE) $(GOTESTFLAGS)' sh test/run.sh

.PHONY: test-long
test-long: build ## A minute of changes under load, and twenty restarts: no request is dropped
	LONG=1 go test -timeout 5m -count=1 -v -run '^Test(NothingIsDropped|RollingRestart)$$' $(GOTESTFLAGS) ./test/e2e

.PHONY: test-browsers
test-browsers: build test/browsers/node_modules ## Test with real browsers and other clients (UPDATE=1: write docs/clients.md)
	@mkdir -p bin/browsers && rm -f bin/browsers/not-run
	BROWSERS=1 NOT_RUN_FILE=$(CURDIR)/bin/browsers/not-run go test -timeout 20m $(GOTESTFLAGS) ./test/browsers $(if $(UPDATE),-update)
	@if [ -s bin/browsers/not-run ]; then echo "Not run here, for want of:"; sort -u bin/browsers/not-run; fi

.PHONY: test-conformance
test-conformance: build kube $(KUBE)/kube-controller-manager ## Play the public conformance scenarios of Ingress controllers
	CONFORMANCE=1 go test -timeout 5m -v $(GOTESTFLAGS) ./test/conformance

test/browsers/node_modules: test/browsers/package.json test/browsers/package-lock.json test/browsers/.npmrc
	if command -v npm >/dev/null; then cd $(@D) && npm ci && touch node_modules; fi

.PHONY: kube
kube: $(KUBE)/etcd $(KUBE)/kube-apiserver $(KUBE)/kubectl ## Build the API server that tests use

.PHONY: lint
lint: bin/tools/golangci-lint ## Look for what has harmed someone (.golangci.yml)
	bin/tools/golangci-lint run ./...

.PHONY: generate
generate: bin/tools/controller-gen ## Write deepcopy functions and the CRD anew from api/
	bin/tools/controller-gen object crd paths=./api/... output:crd:dir=config/crd/bases
	cp $(CRD) $(CHART_CRD)

.PHONY: verify
verify: bin/tools/controller-gen ## Check that generated files, go.mod and formatting are as the tools leave them
	rm -rf bin/_generated
	bin/tools/controller-gen object crd paths=./api/... output:object:dir=bin/_generated output:crd:dir=bin/_generated
	diff -u api/v1alpha1/zz_generated.deepcopy.go bin/_generated/zz_generated.deepcopy.go
	diff -u $(CRD) bin/_generated/$(notdir $(CRD))
	diff -u $(CHART_CRD) bin/_generated/$(notdir $(CRD))
	go mod tidy -diff
	@unformatted=$$(git ls-files -z --cached --others --exclude-standard '*.go' | xargs -0 gofmt -l); \
	if [ -n "$$unformatted" ]; then echo "not as gofmt leaves them:"; echo "$$unformatted"; exit 1; fi

.PHONY: chart
chart: bin/tools/helm ## Lint the Helm chart, and render it to bin/chart.yaml
	bin/tools/helm lint --strict charts/ingress421
	bin/tools/helm template ingress421 charts/ingress421 --namespace ingress421 --include-crds > bin/chart.yaml

.PHONY: image
image: ## Build the container image with docker, podman or buildah, whichever works
	CGO_ENABLED=0 GOOS=linux go build -trimpath -ldflags '-s -w -X github.com/ingress421/ingress421/cmd.version=$(VERSION)' -o bin/image/ingress421 .
	cp LICENSE bin/image/LICENSE
	sh hack/image.sh $(IMAGE) Dockerfile bin/image

.PHONY: krew
krew: ## Write kubectl's plugin to bin/krew: an archive for each platform, and a manifest for krew
	sh hack/krew.sh $(VERSION) bin/krew

.PHONY: bench
bench: ## Run the benchmarks (BENCH: a pattern of their names)
	go test -run '^$$' -bench '$(BENCH)' -benchmem $(GOTESTFLAGS) ./...

.PHONY: bench-peers
bench-peers: build bin/tools/caddy ## Compare with nginx, HAProxy, Caddy and Go's reverse proxy; writes docs/bench (ROUNDS=5 SCALE=1 BEFORE=an earlier binary)
	go build -o bin/peers ./test/peers
	bin/peers -rounds $(ROUNDS) -scale $(SCALE) $(if $(BEFORE),-before $(BEFORE)) -o docs/bench

.PHONY: bench-scale
bench-scale: build kube ## Measure 1,000, 10,000 and 100,000 hosts on a real API server; writes docs/bench (HOSTS=1000,100000: those sizes)
	go test -c -o bin/scale.test ./test/scale
	cd test/scale && SCALE=1 SCALE_HOSTS=$(HOSTS) SCALE_OUT=$(CURDIR)/docs/bench sh ../../hack/netns.sh \
		taskset -c 1 $(CURDIR)/bin/scale.test -test.run '^TestScale$$' -test.v -test.timeout 0

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (20s)
	sh test/fuzz.sh $(FUZZTIME)

.PHONY: soak
soak: ## Load the data plane in every way for SOAK (10m): memory, goroutines and descriptors stay flat
	SOAK=$(SOAK) go test -run '^TestSoak$$' -timeout 0 -count=1 -v $(RACE) $(GOTESTFLAGS) ./proxy

.PHONY: vuln
vuln: bin/tools/govulncheck ## Look for known vulnerabilities in what the binary calls (VULNDB: file:// URL of a copy of the database)
	bin/tools/govulncheck $(if $(VULNDB),-db $(VULNDB)) ./...

.PHONY: tools
tools: bin/tools/golangci-lint bin/tools/controller-gen bin/tools/helm bin/tools/h2spec bin/tools/grpc-client bin/tools/grpc-server ## Build the tools of the targets above, and those that some tests use where they are found

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin

# Each tool has a module of its own under tools/, so that its dependencies are
# pinned and are none of the product's.
tool = mkdir -p $(@D) && CGO_ENABLED=0 go build -C tools/$(1) -trimpath -ldflags '-s -w $(3)' -o $(CURDIR)/$@ $(2)
module = tools/$(1)/go.mod tools/$(1)/go.sum

bin/tools/golangci-lint: $(call module,lint)
	$(call tool,lint,github.com/golangci/golangci-lint/v2/cmd/golangci-lint)
bin/tools/controller-gen: $(call module,generate)
	$(call tool,generate,sigs.k8s.io/controller-tools/cmd/controller-gen)
bin/tools/helm: $(call module,helm)
	$(call tool,helm,helm.sh/helm/v4/cmd/helm)
bin/tools/govulncheck: $(call module,vuln)
	$(call tool,vuln,golang.org/x/vuln/cmd/govulncheck)
bin/tools/h2spec: $(call module,h2spec)
	$(call tool,h2spec,github.com/summerwind/h2spec/cmd/h2spec)
bin/tools/grpc-client: $(call module,grpc)
	$(call tool,grpc,google.golang.org/grpc/interop/client)
bin/tools/grpc-server: $(call module,grpc)
	$(call tool,grpc,google.golang.org/grpc/interop/server)
bin/tools/benchstat: $(call module,bench)
	$(call tool,bench,golang.org/x/perf/cmd/benchstat)
bin/tools/caddy: $(call module,bench)
	$(call tool,bench,github.com/caddyserver/caddy/v2/cmd/caddy)

# The version that the API server reports; without it, v0.0.0-master.
kube_version := -X k8s.io/component-base/version.gitVersion=$(KUBE_VERSION)

$(KUBE)/etcd: $(call module,kube)
	$(call tool,kube,go.etcd.io/etcd/server/v3)
$(KUBE)/kube-apiserver: $(call module,kube)
	$(call tool,kube,k8s.io/kubernetes/cmd/kube-apiserver,$(kube_version))
$(KUBE)/kube-controller-manager: $(call module,kube)
	$(call tool,kube,k8s.io/kubernetes/cmd/kube-controller-manager,$(kube_version))
$(KUBE)/kubectl: $(call module,kube)
	$(call tool,kube,k8s.io/kubernetes/cmd/kubectl,$(kube_version))
