# Prelude of every script on a local host, after server.sh: where its data is, and how its server is started and stopped.
# Values besides those of server.sh: FOLDER.
# shellcheck shell=bash disable=SC2034,SC2153 # variables are for the scripts that follow; values come in capitals
HOST_FOLDER="$FOLDER/$KEY"
DATA="$HOST_FOLDER/data"
SOCKET_FOLDER="$HOST_FOLDER"
SERVER_LOG="$HOST_FOLDER/server.log"

# Runs a command as the server's user. The environment is emptied: a server would keep the caller's passphrases
# and PG… variables for all its life.
as_postgres() {
  local clean=(env -i "PATH=$PATH" LC_ALL=C "HOME=$HOST_FOLDER")
  [ -z "${LD_LIBRARY_PATH:-}" ] || clean+=("LD_LIBRARY_PATH=$LD_LIBRARY_PATH")
  if [ "$EUID" = 0 ]; then
    runuser -u "$OS_USER" -- "${clean[@]}" "$@"
  else
    "${clean[@]}" "$@"
  fi
}

# The server must not hold our standard output, or whoever waits for its end would wait for ever.
start_server() {
  as_postgres "$PG_BIN/pg_ctl" start -D "$DATA" -l "$SERVER_LOG" -w -t 120 >/dev/null 2>&1 </dev/null
}

stop_server() {
  as_postgres "$PG_BIN/pg_ctl" stop -D "$DATA" -m fast -w -t 60 >/dev/null 2>&1 </dev/null ||
    # Immediate loses no committed row: the next start recovers from the write-ahead log.
    as_postgres "$PG_BIN/pg_ctl" stop -D "$DATA" -m immediate -w -t 30 >/dev/null 2>&1 </dev/null
}

restart_server() { stop_server && start_server; }

find_postgres
