#!/bin/bash
# Starts PostgreSQL by the contract of the official image's entry point: an empty PGDATA is
# initialised from POSTGRES_* variables (or *_FILE) and /docker-entrypoint-initdb.d, as the
# user postgres.
set -Eeo pipefail
shopt -s nullglob

main() {
  case ${1:-} in
    -*) set -- postgres "$@" ;;
  esac
  if [ "${1:-}" != postgres ] || asks_for_help "$@"; then
    exec "$@"
  fi
  prepare_folders
  if [ "$(id --user)" = 0 ]; then
    exec setpriv --reuid=postgres --regid=postgres --init-groups \
      env HOME=/var/lib/postgresql "${BASH_SOURCE[0]}" "$@"
  fi
  # Where this build, unlike Debian's, has its socket in /tmp.
  set -- postgres -c unix_socket_directories=/var/run/postgresql "${@:2}"
  if [ -s "$PGDATA/PG_VERSION" ]; then
    echo 'PostgreSQL Database directory appears to contain a database; Skipping initialization'
  else
    initialise "$@"
    echo 'PostgreSQL init process complete; ready for start up.'
  fi
  exec "$@"
}

asks_for_help() {
  local argument
  for argument; do
    case $argument in
      -'?' | --help | --describe-config | -V | --version) return 0 ;;
    esac
  done
  return 1
}

prepare_folders() {
  mkdir --parents "$PGDATA"
  chmod 00700 "$PGDATA" || :
  mkdir --parents /var/run/postgresql || :
  chmod 03775 /var/run/postgresql || :
  if [ "$(id --user)" = 0 ]; then
    find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
  fi
}

initialise() {
  read_setting POSTGRES_PASSWORD ''
  read_setting POSTGRES_USER postgres
  read_setting POSTGRES_DB "$POSTGRES_USER"
  read_setting POSTGRES_INITDB_ARGS ''
  : "${POSTGRES_HOST_AUTH_METHOD:=}"
  if [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ]; then
    fail 'Error: Database is uninitialized and superuser password is not specified.' \
      'You must specify POSTGRES_PASSWORD to a non-empty value for the superuser.'
  fi
  eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") --pgdata="$PGDATA" '"$POSTGRES_INITDB_ARGS"
  local method=${POSTGRES_HOST_AUTH_METHOD:-$(postgres -C password_encryption -D "$PGDATA" "${@:2}")}
  printf '\nhost all all all %s\n' "$method" >> "$PGDATA/pg_hba.conf"

  # Nobody can reach the server by the network while it is being set up.
  local arguments
  arguments=$(printf '%q ' "${@:2}" -c listen_addresses= -p "${PGPORT:-5432}")
  pg_ctl --pgdata="$PGDATA" --options="$arguments" --wait start
  export PGPASSWORD=$POSTGRES_PASSWORD
  if [ "$POSTGRES_DB" != postgres ]; then
    POSTGRES_DB=postgres run_sql --variable=name="$POSTGRES_DB" <<< 'CREATE DATABASE :"name";'
  fi
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    run_file "$file"
  done
  unset PGPASSWORD
  pg_ctl --pgdata="$PGDATA" --mode=fast --wait stop
}

# read_setting NAME DEFAULT: the variable NAME, or the content of the file that NAME_FILE tells.
read_setting() {
  local file_variable=$1_FILE
  local value=${!1:-} file=${!file_variable:-}
  if [ -n "$value" ] && [ -n "$file" ]; then
    fail "error: both $1 and $file_variable are set (but are exclusive)"
  fi
  if [ -n "$file" ]; then
    value=$(< "$file")
  fi
  unset "$file_variable"
  export "$1=${value:-$2}"
}

run_file() {
  case $1 in
    *.sh)
      if [ -x "$1" ]; then
        echo "running $1"
        "$1"
      else
        echo "sourcing $1"
        . "$1"
      fi
      ;;
    *.sql) echo "running $1" && run_sql --file="$1" ;;
    *.sql.gz) echo "running $1" && gunzip --stdout "$1" | run_sql ;;
    *.sql.xz) echo "running $1" && xzcat "$1" | run_sql ;;
    *.sql.zst) echo "running $1" && zstd --decompress --stdout "$1" | run_sql ;;
    *) echo "ignoring $1" ;;
  esac
}

run_sql() {
  PGHOST='' PGHOSTADDR='' psql --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
    --no-password --no-psqlrc "$@"
}

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

main "$@"
