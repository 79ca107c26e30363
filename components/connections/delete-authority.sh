# Removes the authority's certificate, and the folder where nothing else is left in it. Value: CLIENT_FOLDER.
# shellcheck shell=bash
rm -f -- "$CLIENT_FOLDER/ca.crt" "$CLIENT_FOLDER"/.ca.crt.*
# Files that somebody else put there keep the folder.
rmdir -- "$CLIENT_FOLDER" 2>/dev/null || true
printf 'removed %s\n' "$CLIENT_FOLDER/ca.crt"
