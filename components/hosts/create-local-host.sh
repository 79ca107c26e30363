# Makes the data folder of a local host, after data-folder.sh. Leaves the server stopped; keeps a data folder that exists.
# shellcheck shell=bash
need_postgres

if data_is_there; then
  say "keeps the data folder $DATA"
  printf 'kept\n'
  exit 0
fi

# Others need to pass through the shared folder, nobody else may enter the host's own.
(umask 022 && mkdir -p "$FOLDER")
if [ ! -d "$HOST_FOLDER" ]; then
  if [ "$EUID" = 0 ]; then
    install -d -m 700 -o "$OS_USER" -g "$(id -gn "$OS_USER")" "$HOST_FOLDER"
  else
    mkdir "$HOST_FOLDER"
  fi
fi

make_data ""
printf 'created\n'
