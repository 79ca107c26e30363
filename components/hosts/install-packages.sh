# Installs PostgreSQL and Citus on a machine, after package-commands.sh and apt-sources.sh. Done already is "unchanged", or "repositories written"; what a killed run
# left half done is completed. Upgrades no server and makes none: a cluster of ours is made by the step after it.
# Source: postgresql-common's maintscripts-functions, man pg_createcluster, man apt-get.
# shellcheck shell=bash disable=SC2153,SC2154 # values come in capitals; arrays of package-commands.sh
put "$POSTGRES_KEYRING" "$POSTGRES_KEY"
put "$CITUS_KEYRING" "$CITUS_KEY"
put "$APT_SOURCES" "$(sources_text "$POSTGRES_KEYRING" "$CITUS_KEYRING")"
if packages_are_there; then
  if [ -z "$written" ]; then printf 'unchanged\n'; else printf 'repositories written\n'; fi
  exit 0
fi

# The package would make a cluster called main, and start it on our port.
put "$CREATE_CLUSTER" "create_main_cluster = false"
problems=$(installation_problems)
[ -z "$problems" ] || fail "$problems"

# Whoever upgrades the machine by night holds apt's lock for some minutes; so does what a killed run left.
lock_seconds=300
when_unlocked() {
  local deadline=$((SECONDS + lock_seconds))
  while ! output=$("$@" 2>&1 </dev/null); do
    case "$output" in
      *"Could not get lock"* | *"Unable to acquire the dpkg frontend lock"* | *"locked by another process"*) ;;
      *) return 1 ;;
    esac
    if [ "$SECONDS" -ge "$deadline" ]; then return 1; fi
    sleep 2
  done
}
last_lines() { printf '%s\n' "$output" | tail -n 20 | cut -c 1-500 >&2; }

# A killed dpkg leaves a journal, and then nothing else may be installed. What lacks a dependency is completed by apt below.
if [ -n "$(dpkg --audit 2>/dev/null)" ] || [ -n "$(ls -A /var/lib/dpkg/updates 2>/dev/null)" ]; then
  say "completes packages that are half installed"
  when_unlocked as_root "${configure_packages[@]}" || last_lines
fi

say "reads the package lists"
# Sources of others may be broken; ours show in what can be installed.
when_unlocked as_root "${update_lists[@]}" || last_lines
output=$("${install_packages[@]}" --simulate 2>&1) || {
  last_lines
  fail "the packages cannot be installed"
}
upgraded=$(printf '%s\n' "$output" | sed -n -E 's/^Inst (postgresql-[0-9]+[^ ]*) \[.*/\1/p' | xargs)
[ -z "$upgraded" ] || fail "these packages would be upgraded, which restarts servers: $upgraded; upgrade them there when it suits, then run again"

say "installs $POSTGRES_PACKAGE $CITUS_PACKAGE $PACKAGES"
when_unlocked as_root "${install_packages[@]}" || {
  last_lines
  fail "the installation failed; what is done stays, and the next run goes on from there"
}
packages_are_there || fail "apt-get says nothing and the packages are not there; look at /var/log/apt/term.log"
# shellcheck disable=SC2016 # dpkg's own variables
printf 'installed %s\n' "$(dpkg-query -W -f '${Package} ${Version}, ' "$POSTGRES_PACKAGE" "$CITUS_PACKAGE" | sed 's/, $//')"
