# Puts the plan's settings of the operating system in force, after root-commands.sh and overcommit.sh. Done already is fine; what somebody changed is mended.
# Values: KERNEL_SETTINGS, a file of sysctl.d; UNIT_SETTINGS, a drop-in of the server's unit. Source: man sysctl.d, man systemd.unit
# shellcheck shell=bash disable=SC2153,SC2154 # values come in capitals; arrays of root-commands.sh
problem=$(overcommit_problem)
[ -z "$problem" ] || fail "$problem"

put "$KERNEL_FILE" "$KERNEL_SETTINGS"
waiting=""
differs=""
while read -r name _ value; do
  case "$name" in "#"* | "") continue ;; esac
  [ "$(sysctl -n "$name" 2>/dev/null)" != "$value" ] || continue
  differs="$differs $name"
  # A server keeps the queue that it got at its start.
  if [ "$name" = net.core.somaxconn ]; then waiting="$waiting $name"; fi
done <<<"$KERNEL_SETTINGS"
if [ -n "$differs" ]; then
  say "sets$differs"
  as_root "${apply_kernel_file[@]}" >&2 </dev/null ||
    fail "the kernel does not take $KERNEL_FILE; where the machine is a container set it on its host, or leave settings of the operating system alone with tuneSystem: false"
fi

put "$UNIT_FILE" "$UNIT_SETTINGS"
# systemd overlooks the first drop-in of a unit until it reads all anew, and then does not say that it has to.
case " $(systemctl show --property DropInPaths --value "$UNIT") $(systemctl show --property NeedDaemonReload --value "$UNIT") " in
  *" $UNIT_FILE "*" no ") ;;
  *) as_root "${reload_units[@]}" >&2 </dev/null ;;
esac

if [ -n "$PG_BIN" ] && server_is_running; then
  process=$(as_postgres head -n 1 "$DATA/postmaster.pid")
  if [ "$(awk '/^Max open files/ { print $4 }' "/proc/$process/limits")" != "$(systemctl show --property LimitNOFILESoft --value "$UNIT")" ]; then
    waiting="$waiting LimitNOFILE"
  fi
  if [ -n "$waiting" ]; then say "in force from the server's next start on:$waiting (systemctl restart $UNIT)"; fi
fi
