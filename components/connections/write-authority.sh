# Makes the folder of client files and writes the authority's certificate into it. Values: CLIENT_FOLDER, CA.
# shellcheck shell=bash
set -euo pipefail
umask 077
mkdir -p -- "$CLIENT_FOLDER"
# A file is there as a whole or not at all, also when we are killed.
printf '%s\n' "$CA" >"$CLIENT_FOLDER/.ca.crt.new"
mv -f -- "$CLIENT_FOLDER/.ca.crt.new" "$CLIENT_FOLDER/ca.crt"
printf 'wrote %s\n' "$CLIENT_FOLDER/ca.crt"
