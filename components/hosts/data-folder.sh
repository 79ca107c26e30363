# Makes the data folder of a server. Needs a prelude.
# shellcheck shell=bash disable=SC2016 # inner scripts get their words as arguments
data_is_there() { as_postgres test -s "$DATA/PG_VERSION"; }

# make_data TEXT: an empty cluster with that text at the end of its postgresql.conf. The folder appears complete or not at all.
make_data() {
  if as_postgres test -e "$DATA" && [ -n "$(as_postgres ls -A "$DATA")" ]; then
    fail "$DATA is not empty and holds no PostgreSQL cluster; move it away"
  fi

  # What a killed run left. Its initdb may still be writing, so each run uses a folder of its own.
  as_postgres sh -c 'rm -rf "$1".new.*' sh "$DATA" 2>/dev/null || true
  local fresh locale output
  fresh=$(as_postgres mktemp -d "$DATA.new.XXXXXX")

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
  [ -z "$1" ] || printf "%s" "$1" | as_postgres sh -ec 'cat >>"$1/postgresql.conf"' sh "$fresh"

  # A rename makes the folder appear complete or not at all.
  as_postgres sh -ec 'if [ -d "$2" ]; then rmdir "$2"; fi; mv "$1" "$2"' sh "$fresh" "$DATA" ||
    fail "$DATA cannot be put in place"
}
