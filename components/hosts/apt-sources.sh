# The repositories as apt's sources. Values, for POSTGRES and CITUS each: …_URL, …_SUITE, …_COMPONENT, …_KEY.
# After package-commands.sh.
# shellcheck shell=bash disable=SC2153,SC2154 # values come in capitals; paths of package-commands.sh
of_release() { sed -n -E "s/^$1=\"?([^\"]*)\"?\$/\1/p" /etc/os-release; }

# {distribution} and {codename} of this machine; a distribution made from Ubuntu names the release that it was made from.
filled() {
  local distribution codename
  codename=$(of_release UBUNTU_CODENAME)
  if [ -n "$codename" ]; then
    distribution=ubuntu
  else
    distribution=debian
    codename=$(of_release VERSION_CODENAME)
  fi
  printf '%s' "$1" | sed "s/{distribution}/$distribution/g; s/{codename}/$codename/g"
}

source_text() {
  printf 'Types: deb\nURIs: %s\nSuites: %s\n' "$(filled "$1")" "$(filled "$2")"
  # A suite that is a folder has no components.
  case "$2" in */) ;; *) printf 'Components: %s\n' "$3" ;; esac
  printf 'Signed-By: %s\n' "$4"
}

# sources_text KEYRING-OF-POSTGRESQL KEYRING-OF-CITUS. apt refuses one repository with two keyrings.
sources_text() {
  if [ "$POSTGRES_URL $POSTGRES_SUITE" = "$CITUS_URL $CITUS_SUITE" ]; then
    source_text "$POSTGRES_URL" "$POSTGRES_SUITE" "$(printf '%s\n' "$POSTGRES_COMPONENT" "$CITUS_COMPONENT" | sort -u | xargs)" "$1"
  else
    source_text "$POSTGRES_URL" "$POSTGRES_SUITE" "$POSTGRES_COMPONENT" "$1"
    printf '\n'
    source_text "$CITUS_URL" "$CITUS_SUITE" "$CITUS_COMPONENT" "$2"
  fi
}

# A rotated key or another address is written also where the packages are there.
sources_are_there() {
  holds "$POSTGRES_KEYRING" "$POSTGRES_KEY" && holds "$CITUS_KEYRING" "$CITUS_KEY" &&
    holds "$APT_SOURCES" "$(sources_text "$POSTGRES_KEYRING" "$CITUS_KEYRING")"
}
