# What is done as root on a machine besides starting and stopping its server, after ssh.sh: each command word for word, since
# sudo is asked for these words before anything is done.
# shellcheck shell=bash disable=SC2034 # variables are for the scripts that follow
# Debian's administrators have programs there that other users do not find.
PATH="$PATH:/usr/sbin:/sbin"
export LC_ALL=C

KERNEL_FILE=/etc/sysctl.d/60-pulumi-citus.conf
UNIT_FILE="/etc/systemd/system/$UNIT.d/pulumi-citus.conf"
write_file=(install -D -m 644 /dev/stdin)
apply_kernel_file=(sysctl -q -p "$KERNEL_FILE")
reload_units=(systemctl daemon-reload)

# holds PATH TEXT
holds() { [ "$(cat "$1" 2>/dev/null)" = "$(printf '%s' "$2")" ]; }

# put PATH TEXT: what differs only, and then "written" is not empty.
written=""
put() {
  if holds "$1" "$2"; then return 0; fi
  as_root "${write_file[@]}" "$1" <<<"$2" || fail "$1 cannot be written"
  written=yes
  say "wrote $1"
}
