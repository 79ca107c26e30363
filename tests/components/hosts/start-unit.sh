# Starts the server of a machine as it was made.
# shellcheck shell=bash
start_server || {
  last_log_lines
  exit 1
}
printf 'started\n'
