/** Settings of the kernel on test hosts, whose kernel is this machine's: only those of the network are a host's own. */

/** Script of a host that puts a recorder in place of sysctl: it sets and reads the network for real, says of memory what it was told, and
 *  writes down in /srv/sysctl.calls what it is called with. */
export const recordedSysctl = `
mv /usr/sbin/sysctl /usr/sbin/sysctl.real
cat >/usr/sbin/sysctl <<'RECORDER'
#!/bin/sh
echo "$*" >>/srv/sysctl.calls
case "$1 $2" in
  "-n vm."*) sed -n "s/^$2 = //p" /srv/sysctl.memory 2>/dev/null ;;
  "-n "*) exec /usr/sbin/sysctl.real "$@" ;;
  *) cp "$3" /srv/sysctl.memory; chmod 644 /srv/sysctl.memory; sed -n '/^net/p' "$3" | exec /usr/sbin/sysctl.real -q -p - ;;
esac
RECORDER
chmod 755 /usr/sbin/sysctl
touch /srv/sysctl.calls
chmod 666 /srv/sysctl.calls`;
