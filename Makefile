# What can be done here: `make help`. Variables: PRESET (release, debug, asan, tsan, aarch64), JOBS, CMAKE_FLAGS.
SHELL := /bin/bash
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PRESET ?= release
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
# A compiler cache, where there is one, makes the next build of the same code fast.
export CMAKE_CXX_COMPILER_LAUNCHER ?= $(shell command -v ccache)
# Debian's interpreter, whose packages the tests compare with; elsewhere the first in PATH.
PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)
CTEST = ctest --preset $(1) --parallel $(JOBS) $(CTEST_FLAGS)

.PHONY: help
help: ## Print this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Use ---------------------------------------------------------------------------------------------

.PHONY: demo
demo: install-build ## Install what is missing, build both programs, and stream a ResNet-50 from a server into a checked file
	@$(MAKE) build-programs PRESET=release
	@scripts/demo.sh

.PHONY: build
build: ## Build into build/$(PRESET)/bin
	@cmake --preset $(PRESET) $(CMAKE_FLAGS) --log-level=WARNING >/dev/null
	@cmake --build --preset $(PRESET) --parallel $(JOBS) $(addprefix --target ,$(TARGETS))

.PHONY: clean
clean: ## Remove build/ and out/
	rm -rf build out

# Check -------------------------------------------------------------------------------------------

.PHONY: test
test: install-build install-test .venv/ready ## Install what is missing, build, and run every test not labelled slow
	@$(MAKE) build
	@$(call CTEST,$(PRESET)) --label-exclude slow

.PHONY: test-slow
test-slow: install-build install-test .venv/ready ## Run the long tests: every instruction set on 10^8 elements, long statistics
	@$(MAKE) build
	@$(call CTEST,$(PRESET)) --label-regex slow

# TORCH=1 adds torch (6 GB with what it brings along), without which its tests are skipped.
PYTHON_PEERS ?= jax $(if $(TORCH),torch)
PYTEST = .venv-python/bin/python3 -m pytest -q client/python/tests $(PYTEST_FLAGS)
.PHONY: test-python
test-python: install-build install-python $(PYTHON_PEERS:%=.venv-python/%) ## Build the Python package and run its tests (TORCH=1: with torch; PYTEST_FLAGS)
	@$(MAKE) build-programs
	@cmake -E env CMAKE_BUILD_PARALLEL_LEVEL=$(JOBS) .venv-python/bin/python3 -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation ./client/python
	@$(PYTEST)

# The same package of what `make build` compiled already: minutes less than what pip compiles by itself. Without torch and jax.
.PHONY: test-python-core
test-python-core: install-build install-python .venv-python/ready
	@cmake --preset $(PRESET) $(CMAKE_FLAGS) --log-level=WARNING -DWEIGHTINIT_BUILD_PYTHON=ON -DPython_EXECUTABLE=$(CURDIR)/.venv-python/bin/python3 \
	  -Dnanobind_DIR="$$(.venv-python/bin/python3 -m nanobind --cmake_dir)" >/dev/null
	@cmake --build --preset $(PRESET) --parallel $(JOBS) --target weightinit_program weightinit-server weightinit_python weightinit_python_package
	@rm -rf build/$(PRESET)/python && cmake --install build/$(PRESET) --component python --prefix build/$(PRESET)/python >/dev/null
	@cp -r client/python/weightinit/. build/$(PRESET)/python/weightinit
	@PYTHONPATH=$(CURDIR)/build/$(PRESET)/python $(PYTEST) --ignore-glob='*torch*' --ignore-glob='*jax*' --ignore-glob='*examples*'

.PHONY: build-programs
build-programs:
	@$(MAKE) build TARGETS='weightinit_program weightinit-server'

.PHONY: sanitize
sanitize: ## Run the tests with AddressSanitizer and UBSan, then with ThreadSanitizer
	@$(MAKE) sanitize-asan
	@$(MAKE) sanitize-tsan

# What other tests compare (numbers with peers, files of an installation) is the same in every build. Kernels have no threads.
sanitize-asan: SUBSET = --label-exclude 'slow|no-asan|parity|install|architecture|statistics'
sanitize-asan-short: SUBSET = --label-exclude 'slow|no-asan|parity|install|architecture|statistics' --exclude-regex 'integration\.(continued|models|recipes|resume)'
sanitize-tsan: SUBSET = --label-exclude 'slow|no-tsan' --label-regex 'threads|unit|integration'
sanitize-tsan-short: SUBSET = --label-exclude 'slow|no-tsan' --label-regex threads
sanitize-tsan-short: TARGETS = threads_tests

.PHONY: sanitize-asan sanitize-asan-short sanitize-tsan sanitize-tsan-short
sanitize-asan sanitize-asan-short: install-sanitize
sanitize-asan sanitize-asan-short sanitize-tsan sanitize-tsan-short: sanitize-%: install-build install-test .venv/ready
	@$(MAKE) build PRESET=$(*:-short=) TARGETS=$(TARGETS)
	@$(call CTEST,$(*:-short=)) $(SUBSET)

# Of each target; CI's value. 30 minutes find what a change of the grammar brings.
FUZZ_SECONDS ?= 60
.PHONY: fuzz
fuzz: install-build install-sanitize ## Feed whatever takes bytes from strangers with what libFuzzer makes up (FUZZ_SECONDS=60 for each target)
	@$(MAKE) build PRESET=asan TARGETS=fuzzers
	@tests/fuzz/run.sh build/asan $(FUZZ_SECONDS)

.PHONY: lint
lint: install-lint ## Check formatting, shell scripts, the API and, by clang-tidy, the C++ code
	@scripts/lint.sh

.PHONY: proto-lint
proto-lint: install-lint ## Check the API alone: buf lint, format, and breaking changes since it last landed
	@scripts/lint.sh proto

.PHONY: proto-lock
proto-lock: install-lint ## Record the API as landed: proto/landed.binpb, what breaking changes are measured by
	@scripts/proto_lock.sh

.PHONY: format
format: install-lint ## Format C++ and the API in place
	@scripts/lint.sh --fix format proto

.PHONY: bench
bench: install-build install-test install-bench ## Measure beside peers: bench/RESULTS.md (BENCH_FLAGS: engine, wire, planning, models)
	@$(MAKE) build PRESET=release
	@$(PYTHON) bench/run.py --write $(BENCH_FLAGS)

LOAD_SECONDS ?= 600
.PHONY: load
load: install-build build/go/bin/ghz ## Load a server for 10 minutes: 1000 connections, 64 large streams (LOAD_SECONDS, LOAD_FLAGS=--write; needs go)
	@$(MAKE) build PRESET=release TARGETS='weightinit-server wire_client'
	@$(PYTHON) bench/load.py --seconds $(LOAD_SECONDS) $(LOAD_FLAGS)

.PHONY: parity-jax
parity-jax: install-build install-test ## Compare with jax, installed from PyPI into build/jax
	@$(MAKE) build
	@test -x build/jax/bin/python3 || python3 -m venv build/jax
	@build/jax/bin/pip install --quiet jax
	@WEIGHTINIT_PROBE=build/$(PRESET)/bin/jax_threefry_probe build/jax/bin/python3 -B tests/parity/jax_threefry_test.py
	@WEIGHTINIT_PROBE=build/$(PRESET)/bin/plan_probe build/jax/bin/python3 -B tests/parity/jax_model_test.py

.PHONY: faults
faults: install-build install-test .venv/ready ## Kill servers, cut links, fill disks and shift clocks under load (5 minutes)
	@$(MAKE) build
	@FAULTS_SECONDS=60 $(call CTEST,$(PRESET)) --label-regex faults --verbose

.PHONY: attacks
attacks: install-build install-test ## Measure what clients keep of their throughput while the shipped nginx is attacked (4 minutes; root; ATTACKS_FLAGS)
	@$(MAKE) build PRESET=release TARGETS='weightinit_program weightinit-server weightinit_python_stubs'
	@TEST_CLI=$(CURDIR)/build/release/bin/weightinit TEST_SERVER=$(CURDIR)/build/release/bin/weightinit-server \
	  TEST_STUBS_DIR=$(CURDIR)/build/release/tests/integration/stubs $(PYTHON) -B tests/deploy/attack_rates.py $(ATTACKS_FLAGS)

.PHONY: statistics
statistics: install-build install-test .venv/ready ## Test 10^9 normals and the tails of 10^11 (minutes)
	@$(MAKE) build PRESET=release
	@$(call CTEST,release) --label-regex statistics --verbose

.PHONY: dieharder
dieharder: install-build install-dieharder ## Run dieharder on raw words: one sequence, and many interleaved (hours; DIEHARDER_FLAGS)
	@$(MAKE) build PRESET=release
	@tests/statistics/dieharder.sh build/release/bin/words $(DIEHARDER_FLAGS)

.PHONY: test-aarch64
test-aarch64: install-build ## Build the library for 64-bit ARM and run its tests under qemu
	@scripts/install_aarch64.sh
	@$(MAKE) build PRESET=aarch64
	@$(call CTEST,aarch64) --label-exclude 'slow|parity|install|architecture|statistics'

# Deploy ------------------------------------------------------------------------------------------

# podman without systemd and without rights to raise limits works with this; elsewhere, CONTAINERS_CONF= takes the machine's own.
export CONTAINERS_CONF ?= $(CURDIR)/tests/deploy/containers.conf
IMAGE ?= weightinit:dev
HELM_TOOLS = build/go/bin/helm build/go/bin/kubectl-validate

.PHONY: image image-base
image-base: install-image ## Make its base image from Debian's packages, where no registry is reached
	@tests/deploy/base_image.sh

image: install-image ## Build the container image (IMAGE=weightinit:dev) with podman
	@podman build --network host --format docker --file deploy/docker/Dockerfile --tag $(IMAGE) \
	  --build-arg REVISION=$(shell git rev-parse HEAD 2>/dev/null || echo unknown) .

.PHONY: deploy-test image-test helm-test kube-test compose-test systemd-test
deploy-test: compose-test helm-test image-test kube-test systemd-test ## Try what deploy/ ships: the five below

image-test: image ## Build the image and try it: size, contents, confinement, health, streaming, SIGTERM
	@tests/deploy/image_test.sh $(IMAGE)

helm-test: $(HELM_TOOLS) ## Render the Helm chart and hold every object against Kubernetes' schemas (needs go)
	@PATH=$(CURDIR)/build/go/bin:$$PATH tests/deploy/helm_test.sh

kube-test: image build/go/bin/helm ## Run the chart's Deployment with podman
	@PATH=$(CURDIR)/build/go/bin:$$PATH tests/deploy/kube_test.sh $(IMAGE)

compose-test: ## Read compose.yaml as Docker Compose does (needs go)
	@go run github.com/compose-spec/compose-go/v2/cmd@v2.9.0 deploy/compose.yaml >/dev/null

systemd-test: image ## Check the systemd unit, and run it under a systemd in a container
	@tests/deploy/systemd_test.sh $(IMAGE)

# Go programs ------------------------------------------------------------------------------------

build/go/bin/helm: MODULE = helm.sh/helm/v3/cmd/helm@v3.19.5
build/go/bin/kubectl-validate: MODULE = sigs.k8s.io/kubectl-validate@v0.0.4
build/go/bin/ghz: MODULE = github.com/bojand/ghz/cmd/ghz@v0.121.0
$(HELM_TOOLS) build/go/bin/ghz:
	GOBIN=$(CURDIR)/build/go/bin go install $(MODULE)

# Packages ----------------------------------------------------------------------------------------

.PHONY: install-build install-test install-python install-sanitize install-lint install-bench install-dieharder install-image
install-build install-test install-python install-sanitize install-lint install-bench install-dieharder install-image: install-%:
	@scripts/install_packages.sh $*
install-lint: node_modules/.package-lock.json

node_modules/.package-lock.json: package.json package-lock.json
	@scripts/install_packages.sh lint
	npm ci --no-audit --no-fund
	@touch $@

.venv/ready: requirements-test.txt
	@scripts/install_packages.sh test
	$(PYTHON) -m venv --system-site-packages .venv
	.venv/bin/python3 -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# The Python package's own, without the system's packages: it is tested with what its users install.
.venv-python/ready: client/python/requirements-test.txt
	@scripts/install_packages.sh python
	$(PYTHON) -m venv .venv-python
	.venv-python/bin/python3 -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.venv-python/jax .venv-python/torch: .venv-python/%: client/python/requirements-%.txt .venv-python/ready
	.venv-python/bin/python3 -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@
