# Prelude of every script on a machine, after server.sh: its server is a cluster of Debian's postgresql-common, started and
# stopped by systemd. Values besides those of server.sh: CLUSTER, the cluster's name there. PG_BIN follows from the version.
# shellcheck shell=bash disable=SC2034,SC2153 # variables are for the scripts that follow; values come in capitals

# What needs root: systemd's unit, and what is asked of packages, tuning and firewall; the list for sudo is in the documentation.
as_root() {
  if [ "$EUID" = 0 ]; then "$@"; else sudo -n -- "$@"; fi
}

# Runs a command as the server's user, in an environment of its own.
as_postgres() {
  local clean=(env -i "PATH=$PATH" LC_ALL=C "HOME=$HOST_FOLDER")
  if [ "$EUID" = 0 ]; then
    runuser -u "$OS_USER" -- "${clean[@]}" "$@"
  elif [ "$(id -un)" = "$OS_USER" ]; then
    "${clean[@]}" "$@"
  else
    sudo -n -u "$OS_USER" -- "${clean[@]}" "$@"
  fi
}

# Highest version among paths that hold one as a folder's name.
newest_version() {
  local path
  for path in "$@"; do
    [ ! -e "$path" ] || printf '%s\n' "$path"
  done | sed -n -E 's|.*/([0-9]+)/.*|\1|p' | sort -n | tail -n 1
}

# The cluster that is there goes on with its version after a newer one was installed.
MAJOR="$POSTGRES_VERSION"
[ -n "$MAJOR" ] || MAJOR=$(newest_version /var/lib/postgresql/*/"$CLUSTER")
[ -n "$MAJOR" ] || MAJOR=$(newest_version /usr/lib/postgresql/*/bin/postgres)
PG_BIN=""
[ ! -x "/usr/lib/postgresql/$MAJOR/bin/postgres" ] || PG_BIN="/usr/lib/postgresql/$MAJOR/bin"

FOLDER=/var/lib/postgresql
HOST_FOLDER="$FOLDER/$MAJOR"
DATA="$HOST_FOLDER/$CLUSTER"
SETTINGS_FOLDER="/etc/postgresql/$MAJOR/$CLUSTER"
SOCKET_FOLDER=/run/postgresql
SERVER_LOG="/var/log/postgresql/postgresql-$MAJOR-$CLUSTER.log"
UNIT="postgresql@$MAJOR-$CLUSTER.service"
FIREWALL_FILE="/etc/nftables.d/pulumi-citus-$CLUSTER.nft"
FIREWALL_TABLE="pulumi_citus_$CLUSTER"

# The unit ignores a start that fails.
start_server() { as_root systemctl start "$UNIT" >&2 </dev/null && server_is_running; }
stop_server() { as_root systemctl stop "$UNIT" >&2 </dev/null; }
restart_server() { as_root systemctl restart "$UNIT" >&2 </dev/null && server_is_running; }

# Done already is fine. The files go last: without them nobody would look for the table again.
remove_firewall() {
  local output
  if [ ! -e "$FIREWALL_FILE" ] && [ ! -e "$FIREWALL_FILE.new" ]; then return 0; fi
  output=$(LC_ALL=C as_root /usr/sbin/nft delete table inet "$FIREWALL_TABLE" 2>&1) ||
    case "$output" in
      *"No such file or directory"*) ;;
      *) fail "the table $FIREWALL_TABLE of nftables cannot be deleted: $output" ;;
    esac
  as_root rm -f "$FIREWALL_FILE" "$FIREWALL_FILE.new"
  say "the port of $MAJOR/$CLUSTER is open to all again"
}
