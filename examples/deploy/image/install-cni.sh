#!/bin/bash
# Puts the CNI plugins where the container runtime looks for them, each at once, also over one that is running, and then
# the description of the network. The arguments are the daemon's.
set -euo pipefail
to=${CNI_BIN:-/opt/cni/bin}
mkdir -p "$to"
install_as() { # file, name
  cp "$1" "$to/.$2.new"
  chmod 0755 "$to/.$2.new"
  mv -f "$to/.$2.new" "$to/$2"
}
here=$(dirname "$0")
install_as "$here/kube-ovn" kube-ovn
# Others that clusters have already stay as they are.
for plugin in loopback portmap; do
  [ -e "$to/$plugin" ] || install_as "${CNI_PLUGINS:-/usr/lib/cni}/$plugin" "$plugin"
done
exec "$here/kube-ovn-daemon" --install-cni-config "--cni-conf-file=$here/01-kube-ovn.conflist" "$@"
