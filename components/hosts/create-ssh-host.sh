# Makes the cluster of a machine, after data-folder.sh, and has it started at boot. Leaves it stopped; keeps one that exists.
# Debian's tools know it by a link: its settings lie in the data folder, as on every other kind of host. Value: FIREWALL.
# shellcheck shell=bash disable=SC2016 # inner scripts get their words as arguments
need_postgres
if [ -e "$SETTINGS_FOLDER" ] && [ "$(readlink "$SETTINGS_FOLDER")" != "$DATA" ]; then
  fail "the cluster $MAJOR/$CLUSTER is not one of ours: $SETTINGS_FOLDER is a folder of its own; choose another name for the cluster"
fi

if [ "$FIREWALL" != nftables ]; then remove_firewall; fi

outcome=kept
if data_is_there; then
  say "keeps the data folder $DATA"
else
  as_postgres install -d -m 755 "$HOST_FOLDER"
  make_data "data_directory = '$DATA'
external_pid_file = '/run/postgresql/$MAJOR-$CLUSTER.pid'
cluster_name = '$MAJOR/$CLUSTER'
"
  outcome=created
fi

as_postgres sh -ec 'umask 022; mkdir -p "${2%/*}"; printf "auto\n" >"$1/start.conf"; ln -sfn "$1" "$2"' sh "$DATA" "$SETTINGS_FOLDER"
# "enabled-runtime" is what Debian's generator makes of start.conf, where PostgreSQL as a whole is enabled.
# Without a reload, which runs every generator: the link counts at boot.
if [ "$(systemctl is-enabled "$UNIT" 2>/dev/null)" != enabled ]; then as_root systemctl enable --quiet --no-reload "$UNIT" >&2; fi
printf '%s\n' "$outcome"
