#!/bin/bash
# Do both databases and northd answer?
set -euo pipefail
run=${OVN_RUNDIR:-/run/ovn}
for database in nb sb; do
  ovs-appctl --timeout=10 -t "$run/ovn${database}_db.ctl" version >/dev/null
done
ovs-appctl --timeout=10 -t "$run/ovn-northd.$(cat "$run/ovn-northd.pid").ctl" status >/dev/null
