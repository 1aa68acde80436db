# Everything runs as root on Debian 12; `setup` installs what is missing. Rust must be there.
.PHONY: demo test unit checks soak lint setup bench clean

demo: setup
	cargo build --package kubeovn-bins --bins
	target/debug/kubeovn-lab run examples/lab/tenants.yaml --once

# Every test, live ones included: real ovsdb-server, northd, OVS, namespaces and packets.
test: setup
	cargo build --workspace --all-targets
	cargo test --workspace
	$(MAKE) --no-print-directory checks

# What cargo does not check by itself: features apart, sizes, sources that belong to nothing.
checks:
	.ci/checks

# What takes longer and is measured rather than tested, at full size.
soak: setup
	WIPE_PODS=10000 cargo test --release --package kubeovn-bins --test wipe -- --nocapture

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

bench: setup
	cargo bench --package kubeovn-ipam
	cargo bench --package kubeovn-bins

setup:
	@.ci/setup

clean:
	cargo clean
