# Stops the server of a machine and takes it out of the boot. Keeps its data unless DELETE_DATA is "yes". Done already is fine.
# shellcheck shell=bash disable=SC2016 # the inner script gets its words as arguments
if [ "$(readlink "$SETTINGS_FOLDER")" != "$DATA" ]; then
  say "the cluster $MAJOR/$CLUSTER is gone already"
  exit 0
fi

if [ -n "$PG_BIN" ] && server_is_running; then
  say "stops the server"
  stop_server || fail "the server does not stop; look at $SERVER_LOG"
fi
as_postgres sh -ec 'printf "manual\n" >"$1/start.conf"' sh "$DATA"
if systemctl is-enabled --quiet "$UNIT" 2>/dev/null; then as_root systemctl disable --quiet --no-reload "$UNIT" >&2; fi

remove_firewall

if [ "$DELETE_DATA" = yes ]; then
  as_postgres sh -ec 'rm -rf -- "$1"; rm -f -- "$2" "$3"' sh "$DATA" "$SETTINGS_FOLDER" "$SERVER_LOG"
  say "deleted $DATA"
else
  say "kept the data folder $DATA"
fi
