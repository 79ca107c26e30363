# Configures the PostgreSQL server of one node and puts that in force: start, reload, or one restart where PostgreSQL
# asks for it. Prints which. Values: ADDRESS, PORT, SETTINGS, HBA, IDENT (PostgreSQL 16 and newer), IDENT_15,
# NODE_CONNINFO, CA, CERTIFICATE, PRIVATE_KEY, REVOCATION_LIST. Sources: postgresql.org/docs, Citus' shared_library_init.c
# shellcheck shell=bash disable=SC2016,SC2153 # inner scripts get words as arguments; values come in capitals
need_postgres
as_postgres test -s "$DATA/PG_VERSION" || fail "$DATA holds no PostgreSQL cluster"

# A quoted value of a configuration file.
setting() { printf "%s = '%s'" "$1" "$(printf '%s' "$2" | sed "s/\\\\/\\\\\\\\/g; s/'/''/g")"; }

# What only the host knows. Minor releases from August 2026 on list the output plugins that may be used,
# and shard splits need citus among them; older ones do not start with an unknown name.
settings_text() {
  printf '%s\n' "$SETTINGS"
  setting unix_socket_directories "$SOCKET_FOLDER"
  case "$SETTINGS" in *"output_plugin_libraries = "*) return 0 ;; esac
  case "$(as_postgres "$PG_BIN/postgres" --describe-config 2>/dev/null)" in
    *output_plugin_libraries*) printf '\n%s' "output_plugin_libraries = 'pgoutput, test_decoding, citus'" ;;
  esac
}

# A leaving node must be let in until it is drained: its line stays until fencing writes the exact file.
hba_text() {
  local kept=""
  if same_file ca.crt "$CA"; then kept=$(read_file pg_hba.conf | grep '^hostssl all all .* cert map=cluster$' || true); fi
  hba_with "$HBA" "$kept"
}

postgresql_conf() {
  local text
  text=$(read_file postgresql.conf)
  case $'\n'"$text"$'\n' in
    *$'\n'"include_if_exists = 'citus.conf'"$'\n'*) printf '%s' "$text" ;;
    *) printf '%s\n%s' "$text" "include_if_exists = 'citus.conf'" ;;
  esac
}

# A fresh process reads the files as a restart would; it knows no setting of Citus.
check_files() {
  local lines
  lines=$(as_postgres "$PG_BIN/postgres" -D "$DATA" -C data_directory 2>&1 >/dev/null) ||
    refuse_files "PostgreSQL refuses the settings:
$lines"
}

# The views read the files, not what is in force. "$1" excludes what only a restart can judge.
check_files_on_server() {
  local lines
  lines=$(
    sql <<EOF
SELECT format('%s line %s: %s = %s: %s', f.sourcefile, f.sourceline, f.name, f.setting, f.error)
  FROM pg_file_settings f LEFT JOIN pg_settings s ON s.name = f.name
  WHERE f.error IS NOT NULL AND ('$1' = '' OR s.context IS DISTINCT FROM '$1')
UNION ALL SELECT format('pg_hba.conf line %s: %s', line_number, error) FROM pg_hba_file_rules WHERE error IS NOT NULL
UNION ALL SELECT format('pg_ident.conf line %s: %s', line_number, error) FROM pg_ident_file_mappings WHERE error IS NOT NULL;
EOF
  ) || refuse_files "the server does not answer"
  [ -z "$lines" ] || refuse_files "PostgreSQL refuses the files:
$lines"
}

# Dials the node as its peers will: address, certificate, revocation list, pg_hba.conf and pg_ident.conf in one proof.
check_address() {
  local answer
  answer=$(as_postgres sh -c 'cd "$1" && exec "$2" -XAtq -d "$3" -c "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"' \
    sh "$DATA" "$(find_psql)" \
    "host=$ADDRESS port=$PORT user=postgres dbname=postgres connect_timeout=10 $NODE_CONNINFO" 2>&1) ||
    refuse_files "it does not let in its own certificate: $answer"
  [ "$answer" = TLSv1.3 ] || refuse_files "the connection to $ADDRESS is not TLSv1.3: $answer"
}

fail_start() {
  say "host \"$KEY\": PostgreSQL does not $1; the last lines of $SERVER_LOG:"
  last_log_lines
  if files_changed; then
    restore_files
    [ "$1" = restart ] && start_server && say "host \"$KEY\": it runs again with the former settings"
  fi
  exit 1
}

revocation_list=$(read_file ca.crl)
# Fencing wrote a newer list; only a new authority makes it useless.
if [ -z "$revocation_list" ] || ! same_file ca.crt "$CA"; then revocation_list="$REVOCATION_LIST"; fi
hba=$(hba_text)
if [ "$(as_postgres cat "$DATA/PG_VERSION")" -lt 16 ]; then IDENT="$IDENT_15"; fi

# postgresql.conf is the last: from there on a start uses the others.
write_files citus.conf "$(settings_text)" pg_hba.conf "$hba" pg_ident.conf "$IDENT" ca.crl "$revocation_list" ca.crt "$CA" \
  server.key "$PRIVATE_KEY" server.crt "$CERTIFICATE" postgresql.conf "$(postgresql_conf)"

if ! server_is_running; then
  if files_changed; then check_files; fi
  say "starts the server"
  start_server || fail_start start
  # shellcheck disable=SC2034 # read by refuse_files
  started=yes
  check_files_on_server ""
  check_address
  keep_files
  printf 'started\n'
  exit 0
fi

if ! files_changed; then
  check_address
  printf 'unchanged\n'
  exit 0
fi

check_files
check_files_on_server postmaster
reload_files
pending=$(sql <<<"SELECT string_agg(name, ', ' ORDER BY name) FROM pg_settings WHERE pending_restart") ||
  refuse_files "the server does not answer"
outcome=reloaded
if [ -n "$pending" ]; then
  say "restarts the server for $pending"
  restart_server || fail_start restart
  check_files_on_server ""
  outcome="restarted: $pending"
fi
check_address
keep_files
printf '%s\n' "$outcome"
