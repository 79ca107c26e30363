# Runs one statement as postgres over the socket. Value: STATEMENT.
# shellcheck shell=bash
printf '%s' "$STATEMENT" | sql
