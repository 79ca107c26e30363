# Stops the server of a local host. Keeps its data unless DELETE_DATA is "yes". Done already is fine.
# shellcheck shell=bash
if [ ! -d "$HOST_FOLDER" ]; then
  say "$HOST_FOLDER is gone already"
  exit 0
fi

if as_postgres test -e "$DATA/postmaster.pid"; then
  need_postgres
  if server_is_running; then
    say "stops the server"
    stop_server || fail "the server does not stop; look at $SERVER_LOG"
  fi
fi

if [ "$DELETE_DATA" = yes ]; then
  # Never anything but <absolute folder>/<key>.
  case "$HOST_FOLDER" in
    /*/"$KEY") rm -rf -- "$HOST_FOLDER" ;;
    *) fail "refuses to delete $HOST_FOLDER" ;;
  esac
  say "deleted $HOST_FOLDER"
else
  say "kept the data folder $DATA"
fi
