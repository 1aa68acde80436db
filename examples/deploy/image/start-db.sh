#!/bin/bash
# Runs OVN's Northbound and Southbound, each a file of its own, and northd. Ends when one of them does, or when asked to.
# Needs POD_IPS, where clients reach the databases. Folders are those of OVN's own tools.
set -euo pipefail
export OVN_RUNDIR=${OVN_RUNDIR:-/run/ovn}
data=${OVN_DBDIR:-/etc/ovn}
log=(-vconsole:info -vsyslog:off)
mkdir -p "$OVN_RUNDIR" "$data"

declare -A programs=()
stop() {
  trap - EXIT TERM INT
  # northd before the databases that it writes to
  for program in northd sb nb; do
    if [ -n "${programs[$program]-}" ]; then
      kill "${programs[$program]}" 2>/dev/null || true
      wait "${programs[$program]}" || true
    fi
  done
}
trap stop EXIT
trap 'stop; exit 0' TERM INT

database() { # nb or sb
  local file=$data/ovn$1_db.db schema=/usr/share/ovn/ovn-$1.ovsschema
  if [ ! -e "$file" ]; then
    ovsdb-tool create "$file" "$schema"
  elif ! ovsdb-tool db-is-standalone "$file"; then
    # A member of a cluster would wait for the others for ever.
    echo "start-db: $file is not that of a standalone server, and was left as it is. On a cluster of Kube-OVN its own" \
      "databases stay: see docs/migrate.md. Where they are gone for good, make a standalone file of the member that was" \
      "last written to (ovsdb-tool cluster-to-standalone NEW OLD) and put it in the place of this one, or move this one away" >&2
    exit 1
  elif [ "$(ovsdb-tool needs-conversion "$file" "$schema")" = yes ]; then
    # of another release; what it was is beside it
    cp "$file" "$file.$(date +%s)"
    ovsdb-tool convert "$file" "$schema"
  fi
  local name=OVN_Northbound global=NB_Global
  [ "$1" = nb ] || name=OVN_Southbound global=SB_Global
  ovsdb-server "${log[@]}" --pidfile="$OVN_RUNDIR/ovn$1_db.pid" --unixctl="$OVN_RUNDIR/ovn$1_db.ctl" \
    --remote="punix:$OVN_RUNDIR/ovn$1_db.sock" --remote="db:$name,$global,connections" "$file" &
  programs[$1]=$!
}

listen() { # nb or sb, port
  local global=NB_Global at=0 ip ids= rows=()
  [ "$1" = nb ] || global=SB_Global
  for ip in ${POD_IPS//,/ }; do
    case $ip in *:*) ip="[$ip]" ;; esac
    # A client that thinks for a minute is not dead.
    rows+=(-- "--id=@c$at" create connection "target=\"ptcp:$2:$ip\"" inactivity_probe=180000)
    ids+=${ids:+,}@c$at
    at=$((at + 1))
  done
  local socket=$OVN_RUNDIR/ovn$1_db.sock tries=0
  until "ovn-$1ctl" --db="unix:$socket" --no-leader-only --timeout=60 init 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { echo "start-db: no answer at $socket" >&2; exit 1; }
    sleep 0.2
  done
  "ovn-$1ctl" --db="unix:$socket" --no-leader-only --timeout=60 \
    "${rows[@]:1}" -- set "$global" . "connections=[$ids]"
}

: "${POD_IPS:?addresses of this node, with commas between}"
database nb
database sb
listen nb 6641
listen sb 6642
ovn-northd "${log[@]}" --pidfile="$OVN_RUNDIR/ovn-northd.pid" \
  --ovnnb-db="unix:$OVN_RUNDIR/ovnnb_db.sock" --ovnsb-db="unix:$OVN_RUNDIR/ovnsb_db.sock" &
programs[northd]=$!
echo "start-db: databases and northd run" >&2
wait -n "${programs[@]}" || true
echo "start-db: one of them has ended" >&2
exit 1
