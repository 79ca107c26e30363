# Goes on as the server's user with the rest of standard input, where this is root: one change of user for a whole script
# costs less than one per command, and nothing is done as root that need not be. Bash reads a pipe byte by byte, so the rest is
# all there. The environment is emptied: a server would keep the caller's passphrases for all its life. Value: OS_USER.
# shellcheck shell=bash disable=SC2153 # values come in capitals
if [ "$EUID" = 0 ]; then
  # The server's user may not be allowed to enter the folder that the caller stands in.
  cd /
  clean=(env -i "PATH=$PATH" LC_ALL=C HOME=/)
  [ -z "${LD_LIBRARY_PATH:-}" ] || clean+=("LD_LIBRARY_PATH=$LD_LIBRARY_PATH")
  exec runuser -u "$OS_USER" -- "${clean[@]}" bash -s "$@"
fi
