# Prelude of the scripts for client files. Value: CLIENT_FOLDER.
# shellcheck shell=bash disable=SC2329 # functions are for the scripts that follow
set -euo pipefail
# libpq refuses a key that others can read.
umask 077

# Whoever owns the folder could swap what we write there for a link.
if [ -e "$CLIENT_FOLDER" ] && [ ! -O "$CLIENT_FOLDER" ]; then
  printf '%s belongs to another user; name a folder of your own for client files\n' "$CLIENT_FOLDER" >&2
  exit 1
fi

# A file is there as a whole or not at all, also when we are killed. Text from a shell builtin: it is in no argument list.
write_client_file() {
  local fresh
  fresh=$(mktemp "$CLIENT_FOLDER/.$1.XXXXXX")
  printf '%s\n' "$2" >"$fresh"
  mv -f -- "$fresh" "$CLIENT_FOLDER/$1"
}
