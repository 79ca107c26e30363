# Makes the folder of client files and writes the authority's certificate into it. Values: CLIENT_FOLDER, CA.
# shellcheck shell=bash
mkdir -p -- "$CLIENT_FOLDER"
write_client_file ca.crt "$CA"
printf 'wrote %s\n' "$CLIENT_FOLDER/ca.crt"
