#!/usr/bin/env bash
# What a platform engineer would type to get the gateway that the product deploys: the
# baseline of the benchmarks. Runs in an empty folder with the configuration files in
# $STACK, until it gets SIGTERM; settings and secrets come in the environment, and
# LiteLLM's arguments as its own.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
python=$STACK/python/bin/python
postgresql=$PWD/$STACK/postgresql
litellm=

as_server_user() {
  if [ -n "$POSTGRESQL_USER" ]; then
    set -- setpriv --reuid="$POSTGRESQL_USER" --regid="$(id -g "$POSTGRESQL_USER")" --clear-groups -- "$@"
  fi
  env -i PATH="$PATH" LC_ALL=C "$@"
}

pg_ctl() {
  as_server_user "$POSTGRESQL/bin/pg_ctl" --silent --wait --pgdata="$postgresql/data" "$@"
}

stop() {
  status=$?
  trap '' INT TERM
  if [ -n "$litellm" ]; then
    kill -- "-$litellm" 2>/dev/null || true
    wait "$litellm" || true
    kill -KILL -- "-$litellm" 2>/dev/null || true
  fi
  if [ -e "$postgresql/data/postmaster.pid" ]; then
    pg_ctl --mode=fast stop
  fi
  exit "$status"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Python environment
"$UV" --quiet venv --python "$PYTHON_VERSION" --python-preference system "$STACK/python"
"$UV" --quiet pip sync --require-hashes --python "$python" "$REQUIREMENTS"

# PostgreSQL
(umask 077 && printf %s "$SUPERUSER_PASSWORD" >"$postgresql/password")
if [ -n "$POSTGRESQL_USER" ]; then
  chown -R "$POSTGRESQL_USER" "$postgresql"
fi
as_server_user "$POSTGRESQL/bin/initdb" --pgdata="$postgresql/data" --username="$SUPERUSER" \
  --pwfile="$postgresql/password" --auth=scram-sha-256 --encoding=UTF8 --locale=C \
  --data-checksums >/dev/null
rm "$postgresql/password"
pg_ctl --log="$postgresql/server.log" --options="--config-file='$postgresql/postgresql.conf' --hba-file='$postgresql/pg_hba.conf'" start
"$NODE" "$here/by-hand-database.ts"
export DATABASE_URL="postgresql://$DATABASE_ROLE:$DATABASE_PASSWORD@127.0.0.1:$DATABASE_PORT/$DATABASE_NAME"
unset SUPERUSER_PASSWORD DATABASE_PASSWORD

# Database client and schema
prisma=$("$NODE" "$here/by-hand-schema.ts" "$PWD/$python")
eval "$prisma"

# LiteLLM, in a process group of its own; the plain `litellm` command would show the
# database's password in the process list.
set -m
"$python" "$here/../../templates/start-litellm.py" "$@" >"$STACK/litellm.log" 2>&1 &
litellm=$!
set +m
wait "$litellm" || status=$?
echo "LiteLLM ended with exit code ${status:-0}:"
tail -n 20 "$STACK/litellm.log"
exit 1
