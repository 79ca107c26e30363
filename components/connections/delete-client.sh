# Removes one role's certificate and key. Values: CLIENT_FOLDER, CLIENT.
# shellcheck shell=bash
rm -f -- "$CLIENT_FOLDER/$CLIENT".{crt,key} "$CLIENT_FOLDER/.$CLIENT".{crt,key}.*
printf 'removed %s\n' "$CLIENT_FOLDER/$CLIENT.crt"
