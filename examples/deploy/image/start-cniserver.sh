#!/bin/bash
# Waits for Open vSwitch, then becomes the node's daemon. The arguments are the daemon's.
set -euo pipefail
ovs=${OVS_RUNDIR:-/run/openvswitch}
# Kernel settings of this node's network are the daemon's to make; containers see them read-only at first.
mount -o remount,bind,rw /proc/sys || echo "start-cniserver: /proc/sys stays read-only; set the settings that are asked for on the host" >&2
said=
until ovs-vsctl --db="unix:$ovs/db.sock" --timeout=2 --no-wait get-manager >/dev/null 2>&1; do
  [ -n "$said" ] || echo "start-cniserver: waiting for Open vSwitch at $ovs/db.sock" >&2
  said=yes
  sleep 1
done
exec "$(dirname "$0")/kube-ovn-daemon" "--ovs-socket=$ovs/db.sock" "--bind-socket=$ovs/kube-ovn-daemon.sock" "$@"
