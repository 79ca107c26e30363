# First process of a test run that makes hosts: its network, mounts, processes and cgroup are its own, so that all of it
# goes with it, however it ends. Arguments: a folder to mount over, then the command.
# shellcheck shell=bash
set -euo pipefail
folder=$1
shift

mount -t tmpfs -o mode=755 hosts "$folder"
mkdir "$folder/cgroup"
mount -t cgroup2 hosts "$folder/cgroup"
# A cgroup outlives its processes. One of ours without any is what a killed run has left.
for old in "$folder"/cgroup/pulumi-citus-hosts-*/; do
  if grep -qs "^populated 0" "$old/cgroup.events"; then find "$old" -depth -type d -exec rmdir {} \; || true; fi
done
own=$(mktemp -d "$folder/cgroup/pulumi-citus-hosts-XXXXXX")
printf '%s\n' "$own" >"$folder/own-cgroup"
former=$(sed -n 's/^0:://p' /proc/self/cgroup)
echo 0 >"$own/cgroup.procs"

ip link set lo up
ip link add hosts type bridge
ip address add 10.77.0.1/24 dev hosts
ip link set hosts up

# Not exec: somebody has to wait for processes whose parents are gone.
code=0
"$@" || code=$?
echo 0 >"$folder/cgroup$former/cgroup.procs"
rmdir "$own" || true
exit "$code"
