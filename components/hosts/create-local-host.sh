# Makes the data folder of a local host. Leaves the server stopped; keeps a data folder that exists.
# shellcheck shell=bash disable=SC2016 # inner scripts get their words as arguments
need_postgres

if as_postgres test -s "$DATA/PG_VERSION"; then
  say "keeps the data folder $DATA"
  printf 'kept\n'
  exit 0
fi

# Others need to pass through the shared folder, nobody else may enter the host's own.
(umask 022 && mkdir -p "$FOLDER")
if [ ! -d "$HOST_FOLDER" ]; then
  if [ "$(id -u)" = 0 ]; then
    install -d -m 700 -o "$OS_USER" -g "$(id -gn "$OS_USER")" "$HOST_FOLDER"
  else
    mkdir "$HOST_FOLDER"
  fi
fi

if as_postgres test -e "$DATA" && [ -n "$(as_postgres ls -A "$DATA")" ]; then
  fail "$DATA is not empty and holds no PostgreSQL cluster; move it away"
fi

# What a killed run left. Its initdb may still be writing, so each run uses a folder of its own.
as_postgres sh -c 'rm -rf "$1"/data.new.*' sh "$HOST_FOLDER" 2>/dev/null || true
fresh=$(as_postgres mktemp -d "$HOST_FOLDER/data.new.XXXXXX")

# The collation order must not change under an index when the operating system is upgraded: C.UTF-8 is stable.
case "$(locale -a 2>/dev/null)" in
  *C.utf8* | *C.UTF-8*) locale=C.UTF-8 ;;
  *) locale=C ;;
esac
say "initdb in $DATA"
output=$(as_postgres "$PG_BIN/initdb" -D "$fresh" -U postgres --auth-local=peer --auth-host=scram-sha-256 \
  --encoding=UTF8 --locale="$locale" --data-checksums 2>&1) || {
  printf '%s\n' "$output" | tail -n 20 >&2
  fail "initdb failed"
}

# A rename makes the folder appear complete or not at all.
as_postgres sh -ec 'if [ -d "$2" ]; then rmdir "$2"; fi; mv "$1" "$2"' sh "$fresh" "$DATA" ||
  fail "$DATA cannot be put in place"
printf 'created\n'
