# Starts the server on its socket only.
# shellcheck shell=bash disable=SC2016 # the inner script gets its words as arguments
as_postgres sh -c 'printf "%s\n" "listen_addresses = $3$3" "unix_socket_directories = $3$2$3" >>"$1/postgresql.conf"' \
  sh "$DATA" "$SOCKET_FOLDER" "'"
start_server || {
  last_log_lines
  exit 1
}
