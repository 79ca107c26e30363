# What the prelude of every kind of host builds on: how its server is found, asked and followed. Before the prelude that sets
# DATA, HOST_FOLDER, SOCKET_FOLDER, SERVER_LOG and defines as_postgres. Values: KEY, OS_USER, PG_BIN, POSTGRES_VERSION.
# Needs bash 3.2 or newer.
# shellcheck shell=bash disable=SC2034,SC2153,SC2154 # variables are for the scripts that follow; values come in capitals
set -euo pipefail
umask 077
# The server's user may not be allowed to enter the folder that the caller stands in.
cd /

# Progress and errors go to standard error, the outcome to standard output.
say() { printf '%s\n' "$*" >&2; }
fail() {
  say "host \"$KEY\": $*"
  exit 1
}

postgres_major() { "$1/postgres" --version 2>/dev/null | sed -E 's/^[^0-9]*([0-9]+).*/\1/'; }

# Sets PG_BIN to the first folder that holds the version asked for, else to the first with any version.
find_postgres() {
  [ -z "$PG_BIN" ] || return 0
  local folder asked="$POSTGRES_VERSION" other=""
  # A kept data folder goes on with its version after a newer one was installed.
  [ -n "$asked" ] || asked=$(as_postgres cat "$DATA/PG_VERSION" 2>/dev/null || true)
  while IFS= read -r folder; do
    if [ ! -x "$folder/postgres" ] || [ ! -x "$folder/initdb" ]; then continue; fi
    [ -n "$other" ] || other="$folder"
    if [ -z "$asked" ] || [ "$(postgres_major "$folder")" = "$asked" ]; then
      PG_BIN="$folder"
      return 0
    fi
  done <<<"$(
    pg_config --bindir 2>/dev/null || true
    printf '%s\n' /usr/lib/postgresql/*/bin | sort -t/ -k5,5nr
    printf '%s\n' /usr/local/pgsql/bin
  )"
  PG_BIN="$other"
}
need_postgres() {
  [ -x "$PG_BIN/postgres" ] || fail "PostgreSQL was not found${PG_BIN:+ in $PG_BIN}; install it, or name its bin folder"
}

server_is_running() { as_postgres "$PG_BIN/pg_ctl" status -D "$DATA" >/dev/null 2>&1; }

reload_server() { as_postgres "$PG_BIN/pg_ctl" reload -D "$DATA" >/dev/null 2>&1 </dev/null; }

# Runs the SQL on standard input as postgres over the socket, on the port that the server has at this moment.
sql() {
  local port
  port=$(as_postgres sed -n 4p "$DATA/postmaster.pid") || return 1
  as_postgres env PGCONNECT_TIMEOUT=10 PGOPTIONS='-c statement_timeout=60s' \
    "$(find_psql)" -XAtq -v ON_ERROR_STOP=1 -h "$SOCKET_FOLDER" -p "$port" -U postgres -d postgres
}

find_psql() { if [ -x "$PG_BIN/psql" ]; then printf '%s' "$PG_BIN/psql"; else command -v psql; fi; }

# Lines are cut: whoever shows our output reads lines of bounded length only.
last_log_lines() { as_postgres tail -n 20 "$SERVER_LOG" 2>/dev/null | cut -c 1-500 >&2 || true; }

log_size() { as_postgres cat "$SERVER_LOG" 2>/dev/null | wc -c | tr -d ' '; }
log_since() { as_postgres tail -c "+$(($1 + 1))" "$SERVER_LOG" 2>/dev/null | cut -c 1-500; }
