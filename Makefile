# Everything runs as root on Debian 12; `setup` installs what is missing. Rust must be there, and Go for the tests.
.PHONY: demo test e2e checks cross soak lint setup kubernetes bench clean

demo: setup
	cargo build --package kubeovn-bins --bins
	target/debug/kubeovn-lab run examples/lab/tenants.yaml --once

# Every test, live ones included: real ovsdb-server, northd, OVS, namespaces and packets, a real API server.
test: setup kubernetes
	cargo build --workspace --all-targets
	cargo test --workspace
	$(MAKE) --no-print-directory checks

# A whole cluster with three nodes, and what must be true of it; then one on which ours are pods: see docs/testing.md.
# CHECK=part of a name chooses, INSTALL=processes or INSTALL=pods one of the two.
CHECK ?=
e2e:
	@.ci/setup e2e
	@tests/kubernetes/build etcd kube-apiserver kube-controller-manager kube-proxy kube-scheduler kubectl kubelet
	@tests/multus/build
	cargo build --package kubeovn-bins --bins
	cargo test --package kubeovn --features e2e --test e2e -- $(CHECK)
ifeq ($(CHECK)$(CNI)$(INSTALL)$(KEEP),)
	INSTALL=pods cargo test --package kubeovn --features e2e --test e2e
endif

# What cargo does not check by itself: features apart, sizes, sources that belong to nothing.
checks:
	.ci/checks

# Another architecture: the programs for aarch64, and tests of the pure crates in an emulator.
cross:
	.ci/cross

# What takes longer, at full size: random runs of the whole way through, with faults; a Northbound of 10 000 ports wiped
# under traffic; two hundred pods and many bare attachments that come and go.
SEEDS ?= 10000
soak: setup
	SEEDS=$(SEEDS) cargo test --release --test spine whatever_happens -- --nocapture
	WIPE_PODS=10000 cargo test --release --package kubeovn-bins --test wipe -- --nocapture
	ROUNDS=100 cargo test --release --package kubeovn-bins --test churn hundred -- --nocapture
	PODS=200 LIMIT=7200 $(MAKE) --no-print-directory e2e CHECK=sixty_pods

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --features kubeovn/e2e -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

bench: setup kubernetes
	cargo bench --package kubeovn-ipam
	cargo bench --package kubeovn-bins

setup:
	@.ci/setup

# The API server and etcd of the tests: builds them where they are not there already, which needs Go.
kubernetes: setup
	@tests/kubernetes/build

clean:
	cargo clean
