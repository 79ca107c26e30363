# Changes files of a server so that neither a kill nor a refusal leaves it half done: the former files stay in $BEFORE
# until the new ones are in force. Needs a prelude that sets DATA and defines as_postgres, sql, reload_server, log_….
# shellcheck shell=bash disable=SC2016 # the inner scripts get their words as arguments
BEFORE="$DATA/citus.before"
started=""

# Is there something to put in force: files of this run, or of one that was killed?
files_changed() { as_postgres test -d "$BEFORE"; }

read_file() { as_postgres cat "$DATA/$1" 2>/dev/null || true; }

# Text with one line end after it, whatever it came with.
text_of() { printf '%s\n' "$(printf '%s' "$1")"; }

same_file() { text_of "$2" | as_postgres cmp -s - "$DATA/$1" 2>/dev/null; }

# hba_with TEXT LINES: the text of a pg_hba.conf, and before its first line for TLS those of the lines that it lacks, since the first match decides.
hba_with() {
  local line missing="" placed=""
  while IFS= read -r line; do
    case $'\n\n'"$1"$'\n' in *$'\n'"$line"$'\n'*) ;; *) missing="$missing$line"$'\n' ;; esac
  done <<<"$2"
  while IFS= read -r line; do
    case "$line" in
      hostssl*)
        [ -n "$placed" ] || printf '%s' "$missing"
        placed=yes
        ;;
    esac
    printf '%s\n' "$line"
  done <<<"$1"
  [ -n "$placed" ] || printf '%s' "$missing"
}

# One file, in the process that write_files starts. The oldest copy wins: after a killed run that is the one that was in force.
put_file() {
  local text
  text=$(printf '%s' "$2")
  if [ -e "$DATA/$1" ] && [ "$(<"$DATA/$1")" = "$text" ]; then return 0; fi
  [ -d "$BEFORE" ] || mkdir "$BEFORE"
  if [ ! -e "$BEFORE/$1" ] && [ ! -e "$BEFORE/$1.absent" ]; then
    if [ -e "$DATA/$1" ]; then
      cp -p "$DATA/$1" "$BEFORE/.copy"
      mv -f "$BEFORE/.copy" "$BEFORE/$1"
    else
      : >"$BEFORE/$1.absent"
    fi
  fi
  printf '%s\n' "$text" >"$DATA/$1.new"
  mv -f "$DATA/$1.new" "$DATA/$1"
  printf ' %s' "$1"
}

# write_files NAME TEXT …: what differs, in this order, each never half, readable by the server's user only. One process for all:
# starting one costs more than its work. What it does travels through a pipe, so that a private key is in no argument list.
write_files() {
  local steps
  steps=$(
    printf 'set -eu; umask 077; DATA=%q BEFORE=%q\n' "$DATA" "$BEFORE"
    declare -f put_file
    while [ $# -gt 0 ]; do
      printf 'put_file %q %q\n' "$1" "$2"
      shift 2
    done
  )
  written=$(printf '%s\n' "$steps" | as_postgres bash -s)
  [ -z "$written" ] || say "wrote$written"
}

keep_files() { as_postgres rm -rf "$BEFORE"; }

restore_files() {
  as_postgres sh -c 'cd "$2" || exit 0
    for file in *; do
      case "$file" in
        *.absent) rm -f "$1/${file%.absent}" ;;
        *) cp -p "$file" "$1/$file.new" && mv -f "$1/$file.new" "$1/$file" ;;
      esac
    done
    rm -rf "$2"' sh "$DATA" "$BEFORE"
}

# Puts the former files back, in force too where a server ran before, then fails.
refuse_files() {
  if files_changed; then
    restore_files
    if [ -n "$started" ]; then
      stop_server
    elif server_is_running; then
      reload_server
      say "host \"$KEY\": the former files are back"
    fi
  fi
  fail "$@"
}

# Reloads and waits until new sessions see it.
reload_files() {
  local before now size lines
  before=$(sql <<<"SELECT pg_conf_load_time()") || refuse_files "the server does not answer"
  size=$(log_size)
  reload_server || refuse_files "the server does not take a reload"
  local end=$((SECONDS + 20))
  while now=$(sql <<<"SELECT pg_conf_load_time()") && [ "$now" = "$before" ]; do
    [ "$SECONDS" -lt "$end" ] || refuse_files "the reload took no effect within 20 s"
    sleep 0.05
  done
  # Certificates and pg_hba.conf that cannot be loaded are only logged; the old ones stay in force.
  lines=$(log_since "$size" | grep -E -B 3 'was not reloaded|not reloaded' || true)
  [ -z "$lines" ] || refuse_files "the new files were not loaded:
$lines"
}
