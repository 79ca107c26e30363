# Packages of a machine, after root-commands.sh: which are asked for, and the commands that bring them.
# Values: POSTGRES_VERSION, CITUS_VERSION (without a patch number), PACKAGES (others, blanks between).
# shellcheck shell=bash disable=SC2034,SC2153,SC2206 # arrays are for the scripts that follow; names of packages hold no blanks
POSTGRES_KEYRING=/etc/apt/keyrings/pulumi-citus-postgresql.asc
CITUS_KEYRING=/etc/apt/keyrings/pulumi-citus-citus.asc
APT_SOURCES=/etc/apt/sources.list.d/pulumi-citus.sources
CREATE_CLUSTER=/etc/postgresql-common/createcluster.d/pulumi-citus.conf
POSTGRES_PACKAGE="postgresql-$POSTGRES_VERSION"
CITUS_PACKAGE="postgresql-$POSTGRES_VERSION-citus-$CITUS_VERSION"

# needrestart would restart services that use an upgraded library, other servers among them.
quietly=(env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1)
configure_packages=("${quietly[@]}" dpkg --force-confold --configure -a)
update_lists=("${quietly[@]}" apt-get -q update)
install_packages=("${quietly[@]}" apt-get -q -y --fix-broken --no-install-recommends --no-remove --no-upgrade
  -o Dpkg::Options::=--force-confold install "$POSTGRES_PACKAGE" "$CITUS_PACKAGE" $PACKAGES)

# Whether the server's package would make a cluster called main in spite of our file, as postgresql-common's settings stand. They stay when
# it is removed without being purged, and pg_conftool does not.
CREATE_CLUSTER_SETTINGS=/etc/postgresql-common/createcluster.conf
main_would_be_made() {
  [ -e "$CREATE_CLUSTER_SETTINGS" ] || return 1
  if [ -e "$CREATE_CLUSTER" ] && command -v pg_conftool >/dev/null; then
    [ "$(pg_conftool "$CREATE_CLUSTER_SETTINGS" show -bs create_main_cluster 2>/dev/null)" != off ]
  else
    ! grep -E '^ *(include_dir|create_main_cluster)\b' "$CREATE_CLUSTER_SETTINGS" | tail -n 1 |
      grep -Eq "createcluster\.d|create_main_cluster *=? *'?(false|off|no|0)\b"
  fi
}

# Servers that somebody else's installation left half done. dpkg and apt complete whatever is, and a server's script then restarts its clusters.
# What is half done of the version asked for is ours to complete, unless clusters of that version are there.
half_installed_servers() {
  local name state
  # shellcheck disable=SC2016 # dpkg's own variables
  { dpkg-query -W -f '${Package} ${db:Status-Status}\n' 'postgresql-[0-9]*' 2>/dev/null || true; } | while read -r name state; do
    case "$state" in unpacked | half-configured | half-installed) ;; *) continue ;; esac
    case "$name" in
      "$POSTGRES_PACKAGE") if [ -z "$(ls -A "/etc/postgresql/$POSTGRES_VERSION" 2>/dev/null)" ]; then continue; fi ;;
      "$POSTGRES_PACKAGE"-*) continue ;;
    esac
    case " $PACKAGES " in *" $name "*) ;; *) printf '%s\n' "$name" ;; esac
  done | xargs
}

# Prints what of this machine has to be mended by hand before packages are installed.
installation_problems() {
  local half
  if main_would_be_made; then
    printf '%s\n' "$CREATE_CLUSTER_SETTINGS does not read $CREATE_CLUSTER, so that the package would make a cluster called main; let it say: create_main_cluster = false"
  fi
  half=$(half_installed_servers)
  if [ -n "$half" ]; then
    printf '%s\n' "packages are half installed, and completing them may restart servers: $half; run dpkg --configure -a there when it suits"
  fi
}

packages_are_there() {
  local states
  # shellcheck disable=SC2016,SC2086 # dpkg's own variables; names of packages
  states=$(dpkg-query -W -f '${db:Status-Abbrev}\n' "$POSTGRES_PACKAGE" "$CITUS_PACKAGE" $PACKAGES 2>/dev/null) || return 1
  ! printf '%s\n' "$states" | grep -qv '^[ih]i *$'
}
