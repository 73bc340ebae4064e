#!/usr/bin/env bash
# What a platform engineer would type to get the gateway on two machines, after the usual runbook: the
# baseline of the benchmark of two machines. Runs in a folder with an ssh_config that names `database`
# and `gateway`, and with what goes to the latter in the folder `gateway`. Settings and secrets come in
# the environment; to the machines they go by standard input.
set -euo pipefail

# Runs the script that comes on standard input, which no command in it may read.
on() {
  ssh -F ssh_config "$1" bash -euo pipefail -s
}

# PostgreSQL
on database <<END
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --yes --no-install-recommends postgresql-17 postgresql-client-17 </dev/null >/dev/null
runuser -u postgres -- psql --quiet --set=ON_ERROR_STOP=1 <<'SQL'
ALTER SYSTEM SET password_encryption = 'scram-sha-256';
CREATE DATABASE $DATABASE_NAME WITH OWNER = postgres ENCODING = 'UTF8'
  LC_COLLATE = 'C' LC_CTYPE = 'C' TEMPLATE = template0;
CREATE ROLE $DATABASE_ROLE LOGIN;
ALTER ROLE $DATABASE_ROLE WITH PASSWORD '$DATABASE_PASSWORD';
GRANT CONNECT, CREATE ON DATABASE $DATABASE_NAME TO $DATABASE_ROLE;
\c $DATABASE_NAME
GRANT CREATE, USAGE ON SCHEMA public TO $DATABASE_ROLE;
GRANT ALL PRIVILEGES ON ALL TABLES IN SCHEMA public TO $DATABASE_ROLE;
GRANT ALL PRIVILEGES ON ALL SEQUENCES IN SCHEMA public TO $DATABASE_ROLE;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO $DATABASE_ROLE;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO $DATABASE_ROLE;
SQL
sed -i "s/#listen_addresses = 'localhost'/listen_addresses = '*'/" /etc/postgresql/17/main/postgresql.conf
echo "host $DATABASE_NAME $DATABASE_ROLE $GATEWAY_ADDRESS/32 scram-sha-256" >>/etc/postgresql/17/main/pg_hba.conf
systemctl restart postgresql
END

# Python, user and folders
on gateway <<'END'
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --yes --no-install-recommends ca-certificates python3 python3-venv </dev/null >/dev/null
useradd --system --create-home --shell=/bin/bash litellm
mkdir -p /opt/litellm /etc/litellm /var/log/litellm
chown litellm:litellm /var/log/litellm
chown root:litellm /etc/litellm
chmod 750 /etc/litellm
END

# Files
tar --create --directory=gateway --owner=root --group=root . |
  ssh -F ssh_config gateway tar --extract --no-overwrite-dir --directory=/

# Packages, tables and service
on gateway <<'END'
chown -R root:litellm /etc/litellm
chmod 640 /etc/litellm/*
python3 -m venv /opt/litellm/venv
/opt/litellm/venv/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
  --requirement=/opt/litellm/requirements.lock
systemd-run --quiet --wait --pipe --uid=litellm --property=EnvironmentFile=/etc/litellm/litellm.env \
  /opt/litellm/venv/bin/python -m litellm_request_log migrate </dev/null
systemctl daemon-reload
systemctl enable --now --quiet litellm-gateway
END
