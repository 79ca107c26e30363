# What remains of a firewall goes, as when a host is removed. After ssh.sh.
# shellcheck shell=bash
remove_firewall
