# Lets the nodes of now in on a host that leaves, whose configuration is written no more. Only adds to its pg_hba.conf.
# After server-files.sh. Value: HBA_LINES.
# shellcheck shell=bash
if ! as_postgres test -s "$DATA/PG_VERSION"; then
  printf 'no data\n'
  exit 0
fi

write_files pg_hba.conf "$(hba_with "$(read_file pg_hba.conf)" "$HBA_LINES")"
if files_changed && server_is_running; then reload_files; fi
keep_files
printf 'admitted\n'
