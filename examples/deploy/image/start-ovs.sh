#!/bin/bash
# Runs Open vSwitch and ovn-controller. Ends when one of them does, or when asked to; then packets go on as they went.
# Needs OVN_SB_SERVICE_HOST. With DATAPATH_TYPE=netdev OVS needs no module of the kernel, and is slower. Folders are those of
# OVS' and OVN's own tools.
set -euo pipefail
export OVS_RUNDIR=${OVS_RUNDIR:-/run/openvswitch} OVN_RUNDIR=${OVN_RUNDIR:-/run/ovn}
data=${OVS_DBDIR:-/etc/openvswitch}
schema=/usr/share/openvswitch/vswitch.ovsschema
log=(-vconsole:info -vsyslog:off)
mkdir -p "$OVS_RUNDIR" "$OVN_RUNDIR" "$data"

declare -A programs=()
end() { # program, words: asks it to go, if it was started
  local run=$OVS_RUNDIR pid=${programs[$1]-}
  [ "$1" = ovn-controller ] && run=$OVN_RUNDIR
  # One that does not listen yet, or no longer, has nothing to put away.
  [ -z "$pid" ] || ovs-appctl --timeout=10 -t "$run/$1.$pid.ctl" exit "${@:2}" 2>/dev/null || kill "$pid" 2>/dev/null || true
}
stop() {
  trap - EXIT TERM INT
  # Flows and the node's place in OVN stay, for the one that comes next.
  end ovn-controller --restart
  end ovs-vswitchd
  end ovsdb-server
  # One that was started a moment ago is not noted yet.
  for pid in $(jobs -p); do
    case " ${programs[*]} " in *" $pid "*) ;; *) kill "$pid" 2>/dev/null || true ;; esac
  done
  wait || true
}
trap stop EXIT
trap 'stop; exit 0' TERM INT

: "${OVN_SB_SERVICE_HOST:?address of the Southbound; it comes with the Service ovn-sb}"
file=$data/conf.db
if [ ! -e "$file" ]; then
  ovsdb-tool create "$file" "$schema"
elif [ "$(ovsdb-tool needs-conversion "$file" "$schema")" = yes ]; then
  cp "$file" "$file.$(date +%s)"
  ovsdb-tool convert "$file" "$schema"
fi
ovsdb-server "${log[@]}" --pidfile="$OVS_RUNDIR/ovsdb-server.pid" --remote="punix:$OVS_RUNDIR/db.sock" "$file" &
programs[ovsdb-server]=$!

vsctl() { ovs-vsctl --db="unix:$OVS_RUNDIR/db.sock" --timeout=60 --retry --no-wait "$@"; }
vsctl init
# The node keeps its name in OVN for as long as it keeps this database.
if [ -z "$(vsctl --if-exists get Open_vSwitch . external_ids:system-id)" ]; then
  vsctl set Open_vSwitch . "external_ids:system-id=$(cat /proc/sys/kernel/random/uuid)"
fi
case $OVN_SB_SERVICE_HOST in *:*) host="[$OVN_SB_SERVICE_HOST]" ;; *) host=$OVN_SB_SERVICE_HOST ;; esac
# The node's daemon adds by which address tunnels go.
vsctl set Open_vSwitch . \
  "external_ids:hostname=${KUBE_NODE_NAME:-$(cat /proc/sys/kernel/hostname)}" \
  "external_ids:ovn-remote=\"tcp:$host:6642\"" \
  "external_ids:ovn-encap-type=${TUNNEL_TYPE:-geneve}" \
  "external_ids:ovn-bridge-datapath-type=${DATAPATH_TYPE:-system}" \
  external_ids:ovn-remote-probe-interval=10000 \
  external_ids:ovn-openflow-probe-interval=180 \
  -- --may-exist add-br br-int -- set bridge br-int fail_mode=secure "datapath_type=${DATAPATH_TYPE:-system}"

if [ "${DATAPATH_TYPE:-system}" = netdev ]; then
  # What the datapath offers is said anew by each ovs-vswitchd.
  vsctl clear Open_vSwitch . datapaths -- --id=@it create Datapath 'datapath_version=""' -- set Open_vSwitch . datapaths:netdev=@it
fi
ovs-vswitchd "${log[@]}" --pidfile="$OVS_RUNDIR/ovs-vswitchd.pid" "unix:$OVS_RUNDIR/db.sock" &
programs[ovs-vswitchd]=$!
if [ "${DATAPATH_TYPE:-system}" = netdev ]; then
  # Until 3.1.2 it aborts in user space when a connection that OVN gave a twin for NAT is used again, and OVN gives all of them
  # one where that is offered. So nobody sees the offer.
  it=$(vsctl get Open_vSwitch . datapaths:netdev)
  for _ in {1..100}; do
    [ -z "$(vsctl --if-exists get Datapath "$it" capabilities:ct_zero_snat)" ] || break
    sleep 0.1
  done
  vsctl set Datapath "$it" capabilities:ct_zero_snat=false
fi
ovn-controller "${log[@]}" --pidfile="$OVN_RUNDIR/ovn-controller.pid" "unix:$OVS_RUNDIR/db.sock" &
programs[ovn-controller]=$!
echo "start-ovs: Open vSwitch and ovn-controller run" >&2
wait -n "${programs[@]}" || true
echo "start-ovs: one of them has ended" >&2
exit 1
