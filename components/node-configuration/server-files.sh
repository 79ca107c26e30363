# Changes files of a server so that neither a kill nor a refusal leaves it half done: the former files stay in $BEFORE
# until the new ones are in force. Needs a prelude that sets DATA and defines as_postgres, sql, reload_server, log_….
# shellcheck shell=bash disable=SC2016 # the inner scripts get their words as arguments
BEFORE="$DATA/citus.before"
written=""
started=""

# Is there something to put in force: files of this run, or of one that was killed?
files_changed() { as_postgres test -d "$BEFORE"; }

read_file() { as_postgres cat "$DATA/$1" 2>/dev/null || true; }

# Text with one line end after it, whatever it came with.
text_of() { printf '%s\n' "$(printf '%s' "$1")"; }

same_file() { text_of "$2" | as_postgres cmp -s - "$DATA/$1" 2>/dev/null; }

# write_file NAME TEXT: only if different, never half, readable by the server's user only.
# Text travels through a pipe from a builtin, so that a private key is in no argument list.
write_file() {
  if same_file "$1" "$2"; then return 0; fi
  # The oldest copy wins: after a killed run that is the one that was in force.
  as_postgres sh -c 'umask 077; mkdir -p "$2"
    if [ -e "$2/$3" ] || [ -e "$2/$3.absent" ]; then exit 0; fi
    if [ -e "$1/$3" ]; then cp -p "$1/$3" "$2/.copy" && mv -f "$2/.copy" "$2/$3"; else : >"$2/$3.absent"; fi' \
    sh "$DATA" "$BEFORE" "$1"
  text_of "$2" | as_postgres sh -c 'umask 077; cat >"$1.new" && mv -f "$1.new" "$1"' sh "$DATA/$1"
  written="$written $1"
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
