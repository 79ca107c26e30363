# Looks at a host and changes nothing, after report.sh.
# Values: ADDRESS, PORT, EXTENSIONS (blanks between), POSTGRES_VERSION, CITUS_VERSION, SUPPORTED ("15/13.2 16/13.2").
# shellcheck shell=bash disable=SC2016,SC2153 # inner scripts get words as arguments; values come in capitals
check_user() {
  if ! id -u "$OS_USER" >/dev/null 2>&1; then
    problem "the operating-system user \"$OS_USER\" does not exist; create it, or name another one"
  elif [ "$(id -u "$OS_USER")" = 0 ]; then
    problem "PostgreSQL does not run as \"$OS_USER\", who is root; name an unprivileged user"
  elif ! as_postgres true 2>/dev/null; then
    problem "nothing can be run as the user \"$OS_USER\""
  else
    user_is_there=yes
  fi
}

check_postgres() {
  if [ ! -x "$PG_BIN/postgres" ] || [ ! -x "$PG_BIN/initdb" ] || [ ! -x "$PG_BIN/pg_ctl" ]; then
    problem "PostgreSQL${POSTGRES_VERSION:+ $POSTGRES_VERSION} was not found${PG_BIN:+ in $PG_BIN}; install it (Debian: postgresql-${POSTGRES_VERSION:-17}), or name its bin folder"
    return
  fi
  major=$(postgres_major "$PG_BIN")
  fact postgresVersion "$("$PG_BIN/postgres" --version | sed -E 's/^[^0-9]*([0-9.]+).*/\1/')"
  fact bin "$PG_BIN"
  if [ -n "$POSTGRES_VERSION" ] && [ "$major" != "$POSTGRES_VERSION" ]; then
    problem "PostgreSQL $POSTGRES_VERSION is asked for, $PG_BIN has $major; install postgresql-$POSTGRES_VERSION"
  fi
  [ -n "$(find_psql)" ] || problem "psql was not found; install postgresql-client-$major"
  extension_folder
  check_extensions
  case "$(as_postgres "$PG_BIN/postgres" --describe-config 2>/dev/null)" in
    *output_plugin_libraries*) fact knowsOutputPluginLibraries true ;;
    *) fact knowsOutputPluginLibraries false ;;
  esac
}

extension_folder() {
  local share
  share=$("$PG_BIN/pg_config" --sharedir 2>/dev/null)
  for extensions in "$share/extension" "/usr/share/postgresql/$major/extension" "$PG_BIN/../share/extension" \
    "$PG_BIN/../share/postgresql/extension"; do
    if [ -d "$extensions" ]; then return; fi
  done
}

check_extensions() {
  local name version pair
  version=$(sed -n -E "s/^default_version *= *'([0-9]+\.[0-9]+).*/\1/p" "$extensions/citus.control" 2>/dev/null)
  if [ -z "$version" ]; then
    problem "Citus is not installed for PostgreSQL $major; install it (Debian: postgresql-$major-citus-${CITUS_VERSION:-13.2})"
  else
    fact citusVersion "$version"
    if [ -n "$CITUS_VERSION" ] && [ "$version" != "$CITUS_VERSION" ]; then
      problem "Citus $CITUS_VERSION is asked for, $version is installed"
    fi
    pair="$major/$version"
    case " $SUPPORTED " in
      "  " | *" $pair "*) ;;
      *) problem "Citus $version on PostgreSQL $major is not a supported pair; supported: ${SUPPORTED// /, }" ;;
    esac
  fi
  for name in $EXTENSIONS; do
    if [ ! -f "$extensions/$name.control" ]; then
      problem "the extension \"$name\" is not installed for PostgreSQL $major; install it (Debian: $(package_of "$name"))"
    fi
  done
}

# Debian builds contrib into the server's package and names the others by the extension.
package_of() {
  case "$1" in
    postgis*) printf 'postgresql-%s-postgis-3' "$major" ;;
    vector) printf 'postgresql-%s-pgvector' "$major" ;;
    pg_* | hstore | ltree | citext | cube | btree_* | dblink | postgres_fdw | tablefunc | unaccent | uuid-ossp | pgcrypto | intarray)
      case "$1" in
        pg_stat_statements | pg_trgm | pg_prewarm | pg_buffercache | pg_freespacemap | pg_visibility | pg_walinspect) ;;
        pg_*)
          printf 'postgresql-%s-%s' "$major" "$(printf '%s' "${1#pg_}" | tr _ -)"
          return
          ;;
      esac
      printf 'postgresql-%s' "$major"
      ;;
    *) printf 'postgresql-%s-%s' "$major" "$(printf '%s' "$1" | tr _ -)" ;;
  esac
}

check_folder() {
  local there="$HOST_FOLDER" maker=as_postgres
  while [ ! -e "$there" ]; do there=$(dirname "$there"); done
  free=$(($(df -Pk "$there" | awk 'NR == 2 { print $4 }') / 1024))
  fact freeDiskMiB "$free"
  [ -n "$user_is_there" ] || return
  # As root we make missing folders ourselves; the server's user needs a way to them all the same.
  if [ "$EUID" = 0 ] && [ "$there" != "$HOST_FOLDER" ]; then maker=""; fi
  if [ ! -d "$there" ]; then
    problem "$there is not a folder"
  elif ! as_postgres test -x "$there"; then
    problem "$FOLDER cannot be reached by the user \"$OS_USER\": $there is closed to it; choose another folder"
  elif ! $maker test -w "$there"; then
    problem "$there is not writable by the user \"$(if [ -n "$maker" ]; then printf '%s' "$OS_USER"; else id -un; fi)\"; change its owner or choose another folder"
  fi
  check_data
}

check_data() {
  local version
  if ! as_postgres test -e "$DATA"; then
    fact data absent
    check_room
  elif version=$(as_postgres cat "$DATA/PG_VERSION" 2>/dev/null) && [ -n "$version" ]; then
    fact data "cluster $version"
    if [ -n "$major" ] && [ "$version" != "$major" ]; then
      problem "$DATA was made by PostgreSQL $version, $PG_BIN has $major; install postgresql-$version, upgrade the data with pg_upgrade, or choose another folder"
    fi
    if [ "$(as_postgres sh -c 'stat -c %U "$1" 2>/dev/null || stat -f %Su "$1"' sh "$DATA")" != "$OS_USER" ]; then
      problem "$DATA does not belong to the user \"$OS_USER\"; change its owner"
    fi
  elif [ -z "$(as_postgres ls -A "$DATA" 2>/dev/null)" ]; then
    fact data empty
    check_room
  else
    fact data other
    problem "$DATA is not empty and holds no PostgreSQL cluster; move it away or choose another folder"
  fi
}

# An empty cluster with its write-ahead log and two databases takes about 120 MiB; a start that fails for want of room is hard to read.
check_room() {
  [ "$free" -ge 200 ] || problem "only $free MiB are free for $DATA, an empty node needs 200; free some, or use a larger disk"
}

check_port() {
  local holder
  # A server of ours moves by itself when its port changes; any other one on the new port is in the way.
  if [ -n "$user_is_there" ] && as_postgres test -e "$DATA/postmaster.pid" &&
    [ "$(as_postgres sed -n 4p "$DATA/postmaster.pid")" = "$PORT" ] && server_is_running; then
    fact port ours
  elif (exec 3<>"/dev/tcp/$ADDRESS/$PORT") 2>/dev/null; then
    fact port taken
    holder=$(ss -Hltnp "sport = :$PORT" 2>/dev/null | sed -n -E 's/.*users:\(\("([^"]*)",pid=([0-9]+).*/\1, process \2/p' | head -n 1)
    problem "port $PORT on $ADDRESS is taken${holder:+ by $holder}; stop that process or choose another port"
  else
    fact port free
  fi
}

user_is_there="" major="" extensions="" free=0
fact os "$(sed -n -E 's/^PRETTY_NAME="?([^"]*)"?$/\1/p' /etc/os-release 2>/dev/null | grep . || uname -sr)"
fact clock "$(date +%s)"
check_user
check_postgres
check_folder
check_port
