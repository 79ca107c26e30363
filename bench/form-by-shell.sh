#!/usr/bin/env bash
# The cluster that the measurement "formation" forms, as a plain script: openssl, initdb, pg_ctl and psql, nothing of this package.
# Usage: form-by-shell.sh serial|parallel FOLDER BIN COORDINATOR_PORT A_PORT B_PORT
set -euo pipefail
umask 077
order=$1 folder=$2 bin=$3
keys=(coordinator a b)
ports=("$4" "$5" "$6")
address=127.0.0.1
if [ "$(id -u)" = 0 ]; then os_user=postgres; else os_user=$(id -un); fi
authority="$folder/authority"
clients="$folder/clients"
# The server's user may not enter the folder that the caller stands in.
cd /

as_server() {
  if [ "$(id -u)" = 0 ]; then runuser -u "$os_user" -- "$@"; else "$@"; fi
}

# As the operator over verified TLS, at port $1, in database $2; statements on standard input.
sql() {
  PGCONNECT_TIMEOUT=10 "$bin/psql" -XAtq -v ON_ERROR_STOP=1 \
    -d "host=$address port=$1 dbname=$2 user=postgres sslmode=verify-full sslrootcert=$clients/ca.crt sslcert=$clients/postgres.crt sslkey=$clients/postgres.key"
}

make_authority() {
  mkdir -p "$authority" "$clients"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days 3650 -subj "/CN=authority" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
    -keyout "$authority/ca.key" -out "$authority/ca.crt" 2>/dev/null
  : >"$authority/index.txt"
  printf '[ca]\ndefault_ca = own\n[own]\ndatabase = %s\ndefault_md = sha256\n' "$authority/index.txt" >"$authority/ca.cnf"
  openssl ca -gencrl -config "$authority/ca.cnf" -keyfile "$authority/ca.key" -cert "$authority/ca.crt" -crldays 3650 \
    -out "$authority/ca.crl" 2>/dev/null
  cp "$authority/ca.crt" "$clients/ca.crt"
}

# issue FILE COMMON_NAME DAYS EXTENSION…
issue() {
  local file=$1 name=$2 days=$3 extensions=() each
  shift 3
  for each in basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature "$@"; do extensions+=(-addext "$each"); done
  openssl req -x509 -CA "$authority/ca.crt" -CAkey "$authority/ca.key" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -sha256 -days "$days" -subj "/CN=$name" "${extensions[@]}" -keyout "$file.key" -out "$file.crt" 2>/dev/null
}

settings() {
  cat <<END
max_connections = '100'
max_prepared_transactions = '200'
max_worker_processes = '32'
max_logical_replication_workers = '16'
max_replication_slots = '32'
max_wal_senders = '32'
citus.max_background_task_executors = '8'
citus.max_background_task_executors_per_node = '4'
port = '$2'
listen_addresses = '$address'
unix_socket_directories = '$folder/$1'
ssl = 'on'
ssl_cert_file = 'server.crt'
ssl_key_file = 'server.key'
ssl_ca_file = 'ca.crt'
ssl_crl_file = 'ca.crl'
ssl_min_protocol_version = 'TLSv1.3'
password_encryption = 'scram-sha-256'
wal_level = 'logical'
shared_preload_libraries = 'citus, pg_stat_statements'
citus.local_hostname = '$address'
citus.node_conninfo = 'sslmode=verify-full sslrootcert=ca.crt sslcert=server.crt sslkey=server.key sslcrl=ca.crl tcp_user_timeout=4000 keepalives=1 keepalives_idle=2 keepalives_interval=1 keepalives_count=3'
END
  case "$(as_server "$bin/postgres" --describe-config 2>/dev/null)" in
    *output_plugin_libraries*) printf "output_plugin_libraries = 'pgoutput, test_decoding, citus'\n" ;;
  esac
}

access() {
  if [ "$os_user" = postgres ]; then echo "local all postgres peer"; else echo "local all postgres peer map=local"; fi
  cat <<END
local all all scram-sha-256
hostssl all all $address/32 cert map=cluster
hostssl all postgres $address/32 cert map=cluster
END
}

identities() {
  if [ "$os_user" != postgres ]; then echo "local $os_user postgres"; fi
  if [ "$(cat "$1/PG_VERSION")" -ge 16 ]; then
    echo 'cluster /^node:.*$ all'
  else
    printf 'cluster /^node:.*$ %s\n' postgres app
  fi
  echo 'cluster operator postgres'
  printf '%s\n' 'cluster /^([^:]*)$ \1'
}

# Certificate, data folder, configuration, start, role, database, citus.
form_node() {
  local key=$1 port=$2 home="$folder/$1" data="$folder/$1/data"
  issue "$authority/$key" "node:$key" 397 extendedKeyUsage=serverAuth,clientAuth "subjectAltName=IP:$address"
  install -d -m 700 -o "$os_user" "$home"
  as_server "$bin/initdb" -D "$data" -U postgres --auth-local=peer --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 \
    --data-checksums >/dev/null
  settings "$key" "$port" >"$data/citus.conf"
  access >"$data/pg_hba.conf"
  identities "$data" >"$data/pg_ident.conf"
  echo "include_if_exists = 'citus.conf'" >>"$data/postgresql.conf"
  cp "$authority/ca.crt" "$authority/ca.crl" "$data"
  cp "$authority/$key.crt" "$data/server.crt"
  cp "$authority/$key.key" "$data/server.key"
  if [ "$(id -u)" = 0 ]; then
    chown "$os_user" "$data"/{citus.conf,ca.crt,ca.crl,server.crt,server.key}
  fi
  as_server "$bin/pg_ctl" start -D "$data" -l "$home/server.log" -w -t 120 >/dev/null
  sql "$port" postgres <<<"CREATE ROLE app LOGIN; CREATE DATABASE app TEMPLATE template0 OWNER app;"
  sql "$port" app <<<"CREATE EXTENSION citus;"
}

make_authority
issue "$clients/postgres" operator 3650 extendedKeyUsage=clientAuth
issue "$clients/app" app 397 extendedKeyUsage=clientAuth

running=()
for at in "${!keys[@]}"; do
  if [ "$order" = parallel ]; then
    form_node "${keys[$at]}" "${ports[$at]}" &
    running+=($!)
  else
    form_node "${keys[$at]}" "${ports[$at]}"
  fi
done
for process in ${running[@]+"${running[@]}"}; do wait "$process"; done

sql "${ports[0]}" app >/dev/null <<END
SELECT citus_set_coordinator_host('$address', ${ports[0]});
SELECT citus_add_node('$address', ${ports[1]});
SELECT citus_add_node('$address', ${ports[2]});
CREATE EXTENSION pg_stat_statements;
END
unhealthy=$(sql "${ports[0]}" app <<<"SELECT count(*) FROM citus_check_cluster_node_health() WHERE result IS NOT TRUE")
if [ "$unhealthy" != 0 ]; then
  echo "$unhealthy connections between nodes do not work" >&2
  exit 1
fi
