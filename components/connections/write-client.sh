# Writes one role's certificate and key. Values: CLIENT_FOLDER, CLIENT, CERTIFICATE, PRIVATE_KEY.
# shellcheck shell=bash
set -euo pipefail
# libpq refuses a key that others can read.
umask 077
mkdir -p -- "$CLIENT_FOLDER"
# From a shell builtin: the key is in no argument list.
printf '%s\n' "$PRIVATE_KEY" >"$CLIENT_FOLDER/.$CLIENT.key.new"
printf '%s\n' "$CERTIFICATE" >"$CLIENT_FOLDER/.$CLIENT.crt.new"
mv -f -- "$CLIENT_FOLDER/.$CLIENT.key.new" "$CLIENT_FOLDER/$CLIENT.key"
mv -f -- "$CLIENT_FOLDER/.$CLIENT.crt.new" "$CLIENT_FOLDER/$CLIENT.crt"
printf 'wrote %s\n' "$CLIENT_FOLDER/$CLIENT.crt"
