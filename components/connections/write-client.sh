# Writes one role's certificate and key. Values: CLIENT_FOLDER, CLIENT, CERTIFICATE, PRIVATE_KEY.
# shellcheck shell=bash
mkdir -p -- "$CLIENT_FOLDER"
write_client_file "$CLIENT.key" "$PRIVATE_KEY"
write_client_file "$CLIENT.crt" "$CERTIFICATE"
printf 'wrote %s\n' "$CLIENT_FOLDER/$CLIENT.crt"
