# Lets the nodes of now in on a host that leaves, whose configuration is written no more. Only adds to its pg_hba.conf.
# After server-files.sh. Value: HBA_LINES.
# shellcheck shell=bash
if ! as_postgres test -s "$DATA/PG_VERSION"; then
  printf 'no data\n'
  exit 0
fi

hba_text() {
  local line former missing="" placed=""
  former=$(read_file pg_hba.conf)
  while IFS= read -r line; do
    case $'\n'"$former"$'\n' in *$'\n'"$line"$'\n'*) ;; *) missing="$missing$line"$'\n' ;; esac
  done <<<"$HBA_LINES"
  # The first line that matches decides.
  while IFS= read -r line; do
    case "$line" in
      hostssl*)
        [ -n "$placed" ] || printf '%s' "$missing"
        placed=yes
        ;;
    esac
    printf '%s\n' "$line"
  done <<<"$former"
  [ -n "$placed" ] || printf '%s' "$missing"
}

write_files pg_hba.conf "$(hba_text)"
if files_changed && server_is_running; then reload_files; fi
keep_files
printf 'admitted\n'
