#!/bin/bash
# Do Open vSwitch and ovn-controller answer? With `ready`: is the Southbound connected, too?
set -euo pipefail
answers() { # folder, program, words
  ovs-appctl --timeout=10 -t "$1/$2.$(cat "$1/$2.pid").ctl" "${@:3}"
}
ovs=${OVS_RUNDIR:-/run/openvswitch} ovn=${OVN_RUNDIR:-/run/ovn}
answers "$ovs" ovsdb-server version >/dev/null
answers "$ovs" ovs-vswitchd version >/dev/null
if [ "${1-}" = ready ]; then
  [ "$(answers "$ovn" ovn-controller connection-status)" = connected ]
else
  answers "$ovn" ovn-controller version >/dev/null
fi
