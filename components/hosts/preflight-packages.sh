# Looks whether packages can be installed on a machine, after preflight-machine.sh and apt-sources.sh. Reads the repositories into a folder of
# its own and changes nothing else, so that a wrong key or a missing version is known before any machine is changed.
# shellcheck shell=bash disable=SC2016 # dpkg's own variables
check_other_citus() {
  local other control="/usr/share/postgresql/$POSTGRES_VERSION/extension/citus.control"
  other=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "postgresql-$POSTGRES_VERSION-citus*" 2>/dev/null |
    awk -v asked="$CITUS_PACKAGE" '$2 == "installed" && $1 != asked { print $1 }' | xargs)
  if [ -n "$other" ]; then
    problem "$CITUS_PACKAGE is asked for and $other is installed, which is never replaced here; ask for its version, or upgrade it there"
  elif [ -e "$control" ] && ! dpkg-query -S "$control" >/dev/null 2>&1; then
    problem "Citus is there without a package: $control; remove it, or take what is there with install: \"present\""
  fi
}

# What apt complains of, in one line.
complaints() { printf '%s\n' "$1" | sed -n -E 's/^[EW]: //p' | sort -u | head -n 5 | cut -c 1-300 | tr '\n' ' '; }

check_repositories() {
  local folder output name found options
  folder=$(mktemp -d) || return
  mkdir -p "$folder"/{parts,lists/partial,cache/archives/partial}
  printf '%s\n' "$POSTGRES_KEY" >"$folder/postgresql.asc"
  printf '%s\n' "$CITUS_KEY" >"$folder/citus.asc"
  sources_text "$folder/postgresql.asc" "$folder/citus.asc" >"$folder/own.sources"
  sources_text "$POSTGRES_KEYRING" "$CITUS_KEYRING" >"$folder/parts/pulumi-citus.sources"
  for name in /etc/apt/sources.list.d/*; do
    if [ "$name" != "$APT_SOURCES" ]; then ln -s "$name" "$folder/parts/" 2>/dev/null; fi
  done
  # apt reads no source at all once two of them contradict each other.
  output=$(apt-get -o Dir::Etc::sourceparts="$folder/parts" indextargets 2>&1 >/dev/null) ||
    problem "its sources for apt would contradict each other: $(complaints "$output"); take the other source out there"

  options=(-q -o "Dir::Etc::sourcelist=$folder/own.sources" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$folder/lists"
    -o "Dir::Cache=$folder/cache" -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any -o Acquire::Retries=1)
  output=$(timeout 40 apt-get "${options[@]}" update 2>&1 </dev/null)
  case $? in
    # What is installed stays, also where the repository has gone on to other versions.
    0) packages_are_there || check_versions ;;
    124) problem "the package repositories ($POSTGRES_URL, $CITUS_URL) did not answer within 40 s; look at the machine's way to them" ;;
    *) problem "the package repositories cannot be used: $(complaints "$output"); look at url, suite and key of install" ;;
  esac
  rm -rf "$folder"
}

check_versions() {
  for name in "$POSTGRES_PACKAGE" "$CITUS_PACKAGE"; do
    [ -z "$(apt-cache "${options[@]}" madison "$name" 2>/dev/null)" ] || continue
    found=$(apt-cache "${options[@]}" pkgnames 2>/dev/null | grep -E '^postgresql-[0-9]+(-citus-[0-9.]+)?$' | sort -V |
      xargs apt-cache "${options[@]}" madison 2>/dev/null | awk '{ print $1 }' | uniq | xargs)
    problem "$name is not in the repositories for $(filled '{distribution} {codename}') on $(dpkg --print-architecture); they have: ${found:-none}"
  done
}

fact os "$(of_release PRETTY_NAME)"
fact clock "$(date +%s)"
check_system
check_rights
if packages_are_there; then
  fact packages installed
  sources_are_there || check_repositories
else
  fact packages absent
  check_other_citus
  while IFS= read -r reason; do
    [ -z "$reason" ] || problem "$reason"
  done <<<"$(installation_problems)"
  check_repositories
fi
