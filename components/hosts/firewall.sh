# Lets only some addresses reach this machine's server: a table of nftables of our own, of which a file under /etc/nftables.d is
# loaded at boot. It concerns PostgreSQL's port alone and opens nothing that other tables close. Before the script that puts
# pg_hba.conf in force. Values: PORT, ALLOWED (IP addresses, networks: one a line), EXACT ("yes" forgets former ones).
# shellcheck shell=bash disable=SC2153 # values come in capitals
# shellcheck disable=SC2154 # FIREWALL_… are set by the prelude

# What nftables compares with. What a name stands for changes, and would be asked once.
matches() {
  local address
  while IFS= read -r address; do
    case "$address" in
      *:*) printf 'ip6 saddr %s\n' "$address" ;;
      *[!0-9./]*) fail "the firewall compares IP addresses and cannot let in $address; give an IP address or a network in its place" ;;
      *) printf 'ip saddr %s\n' "$address" ;;
    esac
  done
}

rules=$(matches <<<"$ALLOWED" | sed "s/.*/tcp dport $PORT & accept/")
# A leaving node, and a server that still runs on its former port, are let in until fencing writes the exact file.
folder="${FIREWALL_FILE%/*}"
if [ "$EXACT" != yes ] && { [ -e "$FIREWALL_FILE" ] || [ ! -x "$folder" ]; }; then
  former=$(sed -n -E 's/^ *(tcp dport [0-9]+ ip6? saddr [^ ]+ accept)$/\1/p' "$FIREWALL_FILE") ||
    fail "who gets in until now cannot be read from $FIREWALL_FILE; run there as root: chmod 755 $folder; chmod 644 $FIREWALL_FILE"
  rules="$rules
$former"
fi
rules=$(sort -u <<<"$rules" | sed '/^$/d')
closed=$(cut -d ' ' -f 3 <<<"$rules" | sort -u | sed 's/.*/tcp dport & drop/')

text="# Of pulumi-citus: who reaches the PostgreSQL cluster \"$CLUSTER\". Written anew by every change of the configuration.
table inet $FIREWALL_TABLE
delete table inet $FIREWALL_TABLE
table inet $FIREWALL_TABLE {
  chain input {
    type filter hook input priority filter - 10; policy accept;
    iif lo accept
$(printf '%s\n%s\n' "$rules" "$closed" | sed 's/^/    /')
  }
}"
# Loaded before it is put in place, so that a boot never meets a text that cannot be loaded. Others than root read it above.
as_root install -m 644 /dev/stdin "$FIREWALL_FILE.new" <<<"$text"
as_root /usr/sbin/nft -f "$FIREWALL_FILE.new" >&2 || fail "nftables does not take the rules in $FIREWALL_FILE.new"
as_root mv -f "$FIREWALL_FILE.new" "$FIREWALL_FILE"
