# What a machine has to have whether packages are installed or are there, after package-commands.sh, overcommit.sh and report.sh. Changes nothing.
# Values: INSTALL and TUNE, "yes" where packages are installed and the operating system is set; FIREWALL, "nftables" where it gets one; PORT.
# shellcheck shell=bash disable=SC2154 # arrays of root-commands.sh and package-commands.sh
check_system() {
  local kind
  kind=$(sed -n -E 's/^(ID|ID_LIKE)="?([^"]*)"?$/\2/p' /etc/os-release 2>/dev/null | tr '\n' ' ')
  case " $kind " in
    *" debian "* | *" ubuntu "*) ;;
    *) problem "it is neither Debian nor Ubuntu; use one of these" ;;
  esac
  [ -d /run/systemd/system ] || problem "systemd does not run there; the server is started by it"
  if [ "$TUNE" = yes ]; then check_kernel; fi
  if [ "$FIREWALL" = nftables ]; then check_firewall; fi
  check_other_firewalls
}

check_kernel() {
  local reason
  if ! command -v sysctl >/dev/null; then problem "sysctl is not installed; install procps"; fi
  reason=$(overcommit_problem)
  [ -z "$reason" ] || problem "$reason"
}

# A table that is not loaded at boot would leave the port open after one; and a reload of nftables removes what its files do not name.
check_firewall() {
  local folder="${FIREWALL_FILE%/*}" enabled="" other=""
  if systemctl is-enabled --quiet nftables 2>/dev/null; then enabled=yes; fi
  if grep -qi '^ENABLED=yes' /etc/ufw/ufw.conf 2>/dev/null; then other=ufw; fi
  if systemctl is-active --quiet firewalld 2>/dev/null; then other=firewalld; fi
  if [ ! -x /usr/sbin/nft ]; then
    problem "nftables is not installed; install it, or leave firewall out"
  elif [ -z "$enabled" ] && [ -n "$other" ] && grep -q '^ *flush ruleset' /etc/nftables.conf 2>/dev/null; then
    problem "$other is active there, whose rules nftables.service may remove at boot; take the line \"flush ruleset\" out of /etc/nftables.conf, or leave firewall out and have $other guard port $PORT"
  elif [ -z "$enabled" ] || [ ! -x "$folder" ] ||
    ! grep -Eq "^ *include *\"$folder/\*\.nft\"" /etc/nftables.conf 2>/dev/null; then
    problem "nftables does not load $folder at boot; run there as root: install -d -m 755 $folder && echo 'include \"$folder/*.nft\"' >>/etc/nftables.conf && systemctl enable nftables"
  fi
}

# Of a cluster that had another name: nobody would write it anew or remove it.
check_other_firewalls() {
  local file name
  for file in "${FIREWALL_FILE%/*}"/pulumi-citus-*.nft; do
    if [ "$file" = "$FIREWALL_FILE" ] || ! grep -q "^ *tcp dport $PORT drop$" "$file" 2>/dev/null; then continue; fi
    name=$(basename "$file" .nft)
    name="${name#pulumi-citus-}"
    problem "the firewall of the cluster \"$name\" closes port $PORT; where that cluster is gone, run there as root: nft delete table inet pulumi_citus_$name; rm $file"
  done
}

# need_root WORD …: adds the line for sudoers where the right is missing. Asked of sudo's list, so that nothing is done.
need_root() {
  local words
  sudo -n -l -- "$@" >/dev/null 2>&1 && return
  words=$(printf '%s ' "${@:2}" | sed 's/[\\,:=]/\\&/g')
  missing="$missing; $user ALL=(root) NOPASSWD: $(command -v "$1") ${words% }"
}

# The server's user comes with the packages; whole lists of rights name users that do not exist yet.
may_be_server_user() {
  if id -u "$OS_USER" >/dev/null 2>&1; then
    sudo -n -u "$OS_USER" -l -- env >/dev/null 2>&1
  else
    sudo -n -l 2>/dev/null | grep -qE "\(.*($OS_USER|ALL).*\) NOPASSWD: ALL"
  fi
}

check_rights() {
  local verb file user missing=""
  [ "$EUID" != 0 ] || return 0
  if ! command -v sudo >/dev/null; then
    problem "sudo is not installed; install it, or log in as root"
    return
  fi
  user=$(id -un)
  may_be_server_user || missing="; $user ALL=($OS_USER) NOPASSWD: ALL"
  for verb in start stop restart "enable --quiet --no-reload" "disable --quiet --no-reload"; do
    # shellcheck disable=SC2086 # a verb and its option are two words
    need_root systemctl $verb "$UNIT"
  done
  if [ "$FIREWALL" = nftables ]; then
    need_root /usr/bin/install -m 644 /dev/stdin "$FIREWALL_FILE.new"
    need_root /usr/sbin/nft -f "$FIREWALL_FILE.new"
    need_root /usr/bin/mv -f "$FIREWALL_FILE.new" "$FIREWALL_FILE"
    need_root /usr/bin/rm -f "$FIREWALL_FILE" "$FIREWALL_FILE.new"
    need_root /usr/sbin/nft delete table inet "$FIREWALL_TABLE"
  fi
  if [ "$TUNE" = yes ]; then
    for file in "$KERNEL_FILE" "$UNIT_FILE"; do need_root "${write_file[@]}" "$file"; done
    need_root "${apply_kernel_file[@]}"
    need_root "${reload_units[@]}"
  fi
  if [ "$INSTALL" = yes ]; then
    for file in "$POSTGRES_KEYRING" "$CITUS_KEYRING" "$APT_SOURCES" "$CREATE_CLUSTER"; do need_root "${write_file[@]}" "$file"; done
    need_root "${configure_packages[@]}"
    need_root "${update_lists[@]}"
    need_root "${install_packages[@]}"
  fi
  [ -z "$missing" ] || problem "$user lacks rights by sudo; log in as root, or let these lines be in a file under /etc/sudoers.d there: ${missing#; }"
}
