# Prints the environment of a process. Value: SERVER_PID.
# shellcheck shell=bash
as_postgres cat "/proc/$SERVER_PID/environ" | tr '\0' '\n'
