# Shuts revoked nodes out of one server: writes the revocation list and the exact pg_hba.conf, reloads, and ends the
# connections that revoked certificates hold. Values: HBA, REVOCATION_LIST, REVOKED_SERIALS (decimal, blanks between).
# shellcheck shell=bash
need_postgres
case "$REVOKED_SERIALS" in *[!0-9\ ]*) fail "a serial is not a decimal number" ;; esac

write_files pg_hba.conf "$HBA" ca.crl "$REVOCATION_LIST"

if ! server_is_running; then
  # No connection to end, and the next start reads the files.
  keep_files
  printf 'fenced: the server is stopped\n'
  exit 0
fi

outcome=unchanged
if files_changed; then
  lines=$(sql <<<"SELECT format('pg_hba.conf line %s: %s', line_number, error) FROM pg_hba_file_rules WHERE error IS NOT NULL") ||
    refuse_files "the server does not answer"
  [ -z "$lines" ] || refuse_files "PostgreSQL refuses the files:
$lines"
  reload_files
  keep_files
  outcome="fenced: reloaded"
fi

# Sessions outlive a reload: whoever is in stays in until it is ended. client_serial is decimal as well.
serials="{${REVOKED_SERIALS// /,}}"
ended=0
end=$((SECONDS + 20))
while
  count=$(
    sql <<<"SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_ssl WHERE client_serial = ANY ('$serials'::numeric[])"
  ) || fail "the server does not answer"
  [ "$count" -gt 0 ]
do
  ended=$((ended + count))
  [ "$SECONDS" -lt "$end" ] || fail "connections of a revoked certificate do not end; look at pg_stat_ssl"
done
[ "$ended" = 0 ] || outcome="$outcome, ended $ended connections of revoked certificates"
printf '%s\n' "$outcome"
