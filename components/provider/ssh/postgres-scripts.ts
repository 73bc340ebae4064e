import { SAY } from "./observation.ts";

/**
 * The scripts by which a Debian cluster of PostgreSQL is looked after. "$1" and "$2" of each are its
 * version and its name.
 */

const PLACES = `
version=$1 cluster=$2
configuration=/etc/postgresql/$version/$cluster
programs=/usr/lib/postgresql/$version/bin
unit=postgresql@$version-$cluster.service
log=/var/log/postgresql/postgresql-$version-$cluster.log
making=/var/lib/postgresql/.litellm-making-$version-$cluster
own_data=/var/lib/postgresql/$version/$cluster
data=$(sed -n "s/^[[:space:]]*data_directory[[:space:]]*=[[:space:]]*'\\([^']*\\)'.*/\\1/p" "$configuration/postgresql.conf" 2>/dev/null | tail -n 1)
data=\${data:-$own_data}
as_postgres() { runuser -u postgres -- "$@"; }
# Where the server that runs listens, whatever the files say by now.
sql() {
  [ -f "$data/postmaster.pid" ] || return 2
  PGCONNECT_TIMEOUT=10 as_postgres "$programs/psql" -XAtq -v ON_ERROR_STOP=1 -d postgres \\
    -h "$(sed -n 5p "$data/postmaster.pid")" -p "$(sed -n 4p "$data/postmaster.pid")"
}
place() {
  cat >"$1.new" && chown "$2" "$1.new" && chmod "$3" "$1.new" && mv -f "$1.new" "$1"
}
`;

/** Everything about the cluster, in one go. */
export const OBSERVE = `${SAY}${PLACES}
umask 077
say memory </proc/meminfo
[ ! -r /sys/fs/cgroup/memory.max ] || say limit </sys/fs/cgroup/memory.max
[ ! -x "$programs/postgres" ] || echo yes | say installed
[ ! -f "$configuration/postgresql.conf" ] || [ -e "$making" ] || echo yes | say cluster
[ ! -f "$configuration/conf.d/litellm.conf" ] || say settings <"$configuration/conf.d/litellm.conf"
[ ! -f "$configuration/pg_hba.conf" ] || say hba <"$configuration/pg_hba.conf"
[ ! -f "$configuration/pg_hba.conf.before-litellm" ] || echo yes | say ours
[ ! -f "$configuration/litellm.crt" ] || say certificate <"$configuration/litellm.crt"
[ ! -f "$configuration/litellm.key" ] || sha256sum <"$configuration/litellm.key" | say key
sed 's/#.*//' "$configuration/start.conf" 2>/dev/null | tr -d '[:space:]' | say start
ls "$configuration/conf.d" 2>/dev/null | say files
echo "$data" | say data
"$programs/pg_controldata" "$data" 2>/dev/null | sed -n 's/^Database system identifier: *//p' | say identifier
systemctl show "$unit" -p ActiveState,NeedDaemonReload,FragmentPath,DropInPaths | say unit
systemctl is-enabled postgresql.service 2>/dev/null | say enabled
[ ! -f "/etc/systemd/system/$unit.d/litellm.conf" ] || say restart <"/etc/systemd/system/$unit.d/litellm.conf"
{
  for folder in /etc/systemd/system.control /run/systemd/system.control /etc/systemd/system /run/systemd/system; do
    for path in "$folder/$unit.d"/*.conf "$folder/$unit"; do
      [ "$path" = "/etc/systemd/system/$unit.d/litellm.conf" ] || { [ ! -e "$path" ] && [ ! -L "$path" ]; } || echo "$path"
    done
  done
} | say overrides
sql 2>/dev/null <<'END' | say server
SELECT json_build_object(
  'version', current_setting('server_version'),
  'checksums', current_setting('data_checksums'),
  'encoding', (SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'template0'),
  'collation', (SELECT datcollate FROM pg_database WHERE datname = 'template0'),
  'verifier', coalesce((SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'), ''),
  'databases', (SELECT coalesce(json_agg(datname), '[]') FROM pg_database
    WHERE datname NOT IN ('postgres', 'template0', 'template1')),
  'objects', (SELECT count(*) FROM pg_class WHERE oid >= 16384)
    + (SELECT count(*) FROM pg_roles WHERE oid >= 16384),
  'errors', (SELECT coalesce(json_agg(format('%s, line %s: %s %s', sourcefile, sourceline, name, error)), '[]')
    FROM pg_file_settings WHERE error IS NOT NULL AND error <> 'setting could not be applied'),
  'hbaErrors', (SELECT coalesce(json_agg(format('line %s: %s', line_number, error)), '[]')
    FROM pg_hba_file_rules WHERE error IS NOT NULL),
  'waiting', (SELECT coalesce(json_agg(name), '[]') FROM (
    SELECT name FROM pg_file_settings WHERE error = 'setting could not be applied'
    UNION SELECT name FROM pg_settings WHERE pending_restart) AS names),
  'altered', (SELECT coalesce(json_agg(name), '[]') FROM pg_file_settings
    WHERE sourcefile LIKE '%/postgresql.auto.conf'),
  'overriding', (SELECT coalesce(json_agg(json_build_object(
      'name', other.name, 'file', other.sourcefile, 'line', other.sourceline)), '[]')
    FROM pg_file_settings AS other
    WHERE other.sourcefile NOT LIKE '%/conf.d/litellm.conf'
      AND other.sourcefile NOT LIKE '%/postgresql.auto.conf'
      AND EXISTS (SELECT FROM pg_file_settings AS ours WHERE ours.name = other.name
        AND ours.sourcefile LIKE '%/conf.d/litellm.conf' AND ours.seqno < other.seqno))
);
END
:
`;

/** Makes the cluster; what an interrupted try has left is cleared first. $3: port. */
export const MAKE = `${PLACES}
set -eu
if [ -e "$making" ]; then rm -rf "$configuration" "$own_data"; fi
if [ -d "$own_data" ] && [ -n "$(ls -A "$own_data")" ]; then
  echo "$own_data holds data already" >&2
  exit 3
fi
: >"$making"
rmdir "$configuration/conf.d" "$configuration" 2>/dev/null || :
pg_createcluster --port="$3" --encoding=UTF8 --locale=C --start-conf=auto "$version" "$cluster" \\
  -- --data-checksums --auth-local=peer --auth-host=scram-sha-256 >&2
rm "$making"
systemctl daemon-reload
`;

/** Stops and drops the cluster, with what pg_dropcluster does not know of. */
export const DROP = `${PLACES}
set -eu
rm -f "/etc/systemd/system/$unit.d/litellm.conf"
rmdir "/etc/systemd/system/$unit.d" 2>/dev/null || :
systemctl stop "$unit"
if [ -f "$configuration/postgresql.conf" ]; then
  rm -f "$configuration/litellm.key" "$configuration/litellm.crt" \\
    "$configuration/conf.d/litellm.conf" "$configuration/pg_hba.conf.before-litellm"
  pg_dropcluster --stop "$version" "$cluster" >&2
fi
rm -rf "$configuration" "$making"
systemctl daemon-reload
systemctl reset-failed "$unit" 2>/dev/null || :
`;

/** Stops the cluster, and keeps it from starting with the machine. */
export const RETIRE = `${PLACES}
set -eu
rm -f "/etc/systemd/system/$unit.d/litellm.conf"
rmdir "/etc/systemd/system/$unit.d" 2>/dev/null || :
systemctl stop "$unit"
if [ -f "$configuration/start.conf" ]; then echo manual >"$configuration/start.conf"; fi
systemctl daemon-reload
`;

/**
 * Puts files of the cluster in place: each line of standard input is the name of one and its content,
 * base64. Ends with 4, and what is wrong on standard error, where PostgreSQL would not start with its
 * settings; a server that runs has not noticed then.
 */
export const WRITE = `${PLACES}
set -eu
umask 077
tested=
while read -r file content; do
  case $file in
    key) path=$configuration/litellm.key mode=0600 ;;
    certificate) path=$configuration/litellm.crt mode=0644 ;;
    settings)
      path=$configuration/conf.d/litellm.conf mode=0644 tested=yes
      install -d -o postgres -g postgres -m 0755 "$configuration/conf.d"
      ;;
    hba)
      path=$configuration/pg_hba.conf mode=0640
      if [ -f "$path" ] && [ ! -f "$path.before-litellm" ]; then cp -p "$path" "$path.before-litellm"; fi
      ;;
  esac
  printf %s "$content" | base64 -d | place "$path" postgres:postgres "$mode"
done
[ -z "$tested" ] || runuser -u postgres -- "$programs/postgres" -D "$data" \\
  -c "config_file=$configuration/postgresql.conf" -C max_connections >/dev/null || exit 4
`;

/** The unit: restarted when it is killed, started with the machine. Standard input: the drop-in. $3…: overrides. */
export const SET_UP_UNIT = `${PLACES}
set -eu
shift 2
for path; do rm -f "$path"; done
mkdir -p "/etc/systemd/system/$unit.d"
place "/etc/systemd/system/$unit.d/litellm.conf" root:root 0644
echo auto >"$configuration/start.conf"
systemctl --quiet enable postgresql.service
systemctl daemon-reload
`;

/** Comments lines of other settings files out. $3…: path and number of each line. */
export const COMMENT_OUT = `set -eu
shift 2
while [ $# -gt 0 ]; do
  sed -i "$2s/^/#/" "$1"
  shift 2
done
`;

export const SQL = `${PLACES}
sql
`;

/** Has the server read its files again, and then looks. */
export const RELOAD_AND_OBSERVE = `${PLACES}
systemctl reload "$unit" || exit
${OBSERVE}`;

/** Starts or restarts, until the server answers; fails with what it has logged. $3: verb, $4: seconds. */
export const START = `${PLACES}
verb=$3 seconds=$4
size=$(stat -c %s "$log" 2>/dev/null || echo 0)
since=$(date '+%s')
systemctl reset-failed "$unit" 2>/dev/null
timeout "$seconds" systemctl "$verb" "$unit" >&2
code=$?
until [ "$code" != 0 ] || echo 'SELECT 1' | sql >/dev/null 2>&1; do
  if [ $(($(date '+%s') - since)) -ge "$seconds" ] || ! systemctl --quiet is-active "$unit"; then
    code=1
  else
    sleep 0.1
  fi
done
[ "$code" = 0 ] && exit
# Otherwise systemd would try again and again, with the same result.
systemctl stop "$unit"
messages=$(tail -c "+$((size + 1))" "$log" 2>/dev/null | tail -n 12)
if [ -n "$messages" ]; then
  printf '%s\\n' "$messages"
else
  journalctl --no-pager --output=cat --since="@$since" --lines=12 --unit="$unit"
fi
exit 1
`;
