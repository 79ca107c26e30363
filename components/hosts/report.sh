# How a script that only looks reports: "fact <name> <value>" and "problem <text>" lines, all of them.
# shellcheck shell=bash
set +e
fact() { printf 'fact %s %s\n' "$1" "$2"; }
problem() { printf 'problem %s\n' "$*"; }
