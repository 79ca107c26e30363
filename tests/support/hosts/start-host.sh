# First process of one host: builds its root folder, then becomes systemd. Waits for a line on standard input before that,
# in which time the network is connected. Arguments: folder of its disk, host name.
# shellcheck shell=bash
set -euo pipefail
disk=$1
name=$2
read -r _
hostname "$name"

# Relative names: a colon or comma in the path would be read as a part of the options.
cd "$disk"
mkdir -p root work
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root

# What this machine was set up for is not the host's business.
if [ ! -e "$disk/booted" ]; then
  rm -rf root/etc/{systemd/system,ssh/sshd_config.d,sudoers.d,cron.d,sysctl.d} root/etc/apt/{sources.list,sources.list.d} root/var/log/journal
  rm -rf root/etc/postgresql/* root/var/lib/postgresql/* root/var/log/postgresql/*
  mkdir -p root/etc/systemd/system/multi-user.target.wants root/etc/{ssh/sshd_config.d,sudoers.d,sysctl.d} root/etc/apt/sources.list.d
  ln -s /usr/lib/systemd/system/ssh.service root/etc/systemd/system/multi-user.target.wants/ssh.service
  ln -s /usr/lib/systemd/system/multi-user.target root/etc/systemd/system/default.target
  touch "$disk/booted"
fi
for folder in /*/; do
  case "$folder" in
    /bin/ | /boot/ | /dev/ | /etc/ | /lib*/ | /media/ | /mnt/ | /opt/ | /proc/ | /run/ | /sbin/ | /srv/ | /sys/ | /tmp/ | /usr/ | /var/) ;;
    *) [ -L "${folder%/}" ] || mount -t tmpfs -o mode=755 hidden "root$folder" ;;
  esac
done

mount -t proc proc root/proc
# Settings of the kernel are those of the whole machine, except for the network's.
mount --bind root/proc/sys root/proc/sys
mount -o remount,ro,bind root/proc/sys
mount --bind /proc/sys/net root/proc/sys/net
mount -t sysfs -o ro sysfs root/sys
mount -t cgroup2 cgroup2 root/sys/fs/cgroup
mount -t tmpfs -o mode=755 dev root/dev
for device in null zero full random urandom tty; do
  : >"root/dev/$device"
  mount --bind "/dev/$device" "root/dev/$device"
done
mkdir root/dev/pts root/dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts root/dev/pts
mount -t tmpfs -o mode=1777 shm root/dev/shm
ln -s pts/ptmx root/dev/ptmx
ln -s /proc/self/fd root/dev/fd
ln -s fd/0 root/dev/stdin
ln -s fd/1 root/dev/stdout
ln -s fd/2 root/dev/stderr
mount -t tmpfs -o mode=755 run root/run
for folder in tmp var/tmp; do mount -t tmpfs -o mode=1777 tmp "root/$folder"; done

mount -t tmpfs former root/mnt
mkdir root/mnt/former
cd root
pivot_root . mnt/former
umount -l /mnt/former
umount /mnt
cd /
# systemd takes the variable for the sign of a container and leaves the hardware alone.
exec env -i container=pulumi-citus PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  /usr/lib/systemd/systemd --log-target=journal --show-status=0
