# Looks at what only a machine has, after preflight-machine.sh and preflight.sh, and changes nothing.
# shellcheck shell=bash
check_packages() {
  local broken
  if [ ! -x /usr/bin/pg_ctlcluster ]; then problem "postgresql-common is not installed; install it"; fi
  broken=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' 'postgresql*' 2>/dev/null |
    awk '$2 != "installed" && $2 != "not-installed" && $2 != "config-files" { printf "%s%s", sep, $1; sep = ", " }')
  [ -z "$broken" ] || problem "packages are half installed: $broken; run dpkg --configure -a and apt-get install --fix-broken there"
}

check_owner_of_settings() {
  if [ -e "$SETTINGS_FOLDER" ] && [ "$(readlink "$SETTINGS_FOLDER")" != "$DATA" ]; then
    problem "the cluster $MAJOR/$CLUSTER there is not one of ours: $SETTINGS_FOLDER is a folder of its own; choose another name for the cluster"
  fi
}

check_system
check_rights
check_packages
check_owner_of_settings
