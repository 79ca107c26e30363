# Whether a machine can do with vm.overcommit_memory = 2, asked before it is set: where more memory is promised than may be then, no process
# forks any more, so that nobody can log in to take it back, and the file of sysctl.d brings it back after a reboot. After root-commands.sh.
# Values: OVERCOMMIT_RATIO (vm.overcommit_ratio, % of RAM), SERVER_MIB (what the server asks for at its start).
# Source: Linux, Documentation/mm/overcommit-accounting.rst and mm/util.c
# shellcheck shell=bash disable=SC2016 # programs of awk

# Shared memory of our server where it runs, in MiB: promised already.
own_shared_memory() {
  local process
  if [ -z "$PG_BIN" ] || ! server_is_running; then return; fi
  process=$(as_postgres head -n 1 "$DATA/postmaster.pid") || return 0
  as_postgres awk '/\/dev\/zero/ { getline; kb += $2 } END { print int(kb / 1024) }' "/proc/$process/smaps" 2>/dev/null || true
}

# Prints why not; nothing where it can, and where it is so already: then the kernel keeps to it itself.
overcommit_problem() {
  local limit promised own needed
  if [ "$(sysctl -n vm.overcommit_memory 2>/dev/null) $(sysctl -n vm.overcommit_ratio 2>/dev/null)" = "2 $OVERCOMMIT_RATIO" ]; then return; fi
  read -r limit promised <<<"$(awk -v ratio="$OVERCOMMIT_RATIO" '{ kb[$1] = $2 }
    END { printf "%d %d\n", ((kb["MemTotal:"] - kb["Hugetlb:"]) * ratio / 100 + kb["SwapTotal:"]) / 1024, kb["Committed_AS:"] / 1024 }' /proc/meminfo)"
  own=$(own_shared_memory)
  needed=$((SERVER_MIB > ${own:-0} ? SERVER_MIB - ${own:-0} : 0))
  if [ $((promised + needed)) -lt "$limit" ]; then return; fi
  printf '%s\n' "vm.overcommit_memory = 2 with vm.overcommit_ratio = $OVERCOMMIT_RATIO would let $limit MiB be promised there; $promised MiB are promised (Committed_AS of /proc/meminfo) and the server needs $needed MiB more, so that nothing could start any more, not even a login; plan for the RAM of this machine, stop what else runs there or add swap, or leave the operating system alone with tuneSystem: false"
}
