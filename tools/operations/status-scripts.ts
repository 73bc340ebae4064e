import { HOST_FACTS } from "./host-facts.ts";

/**
 * Tells of the gateway's machine. Arguments: the units, separated by blanks; the URL that says
 * whether the proxy is ready; its folders of configuration and state; the service's unit.
 */
export const GATEWAY_FACTS = `${HOST_FACTS}
for unit in $1; do tell_unit "$unit"; done
tell_disk /
if [ -d "$4" ]; then tell_disk "$4"; fi
python=$(systemctl show --property=ExecStart --value -- "$5" | sed -n 's/^{ path=\\([^ ;]*\\).*/\\1/p' | head -n 1)
case "$python" in */python*) ;; *) python=python3 ;; esac
say litellm "$("$python" -I -c 'from importlib.metadata import version; print(version("litellm"))' 2>/dev/null)"
"$python" -I - "$2" <<'PYTHON'
import sys, urllib.error, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    with opener.open(sys.argv[1], timeout=15) as response:
        status, body = response.status, response.read(2000)
except urllib.error.HTTPError as error:
    status, body = error.code, error.read(2000)
except OSError as error:
    status, body = 0, str(error).encode()
print("readiness", status, body.decode("utf-8", "replace").replace("\\n", " "), sep="\\t")
PYTHON
tell_file authority "$3/database-ca.pem"
tell_file backup "$4/last-backup.json"
say spill "$(find "$4" -maxdepth 2 -type f -name '*spill*' -printf '%s\\n' 2>/dev/null | awk '{sum+=$1} END {printf "%d %d", NR, sum}')"
`;

/** Rows of a name and a value, of what is to be known of a server and one of its databases. */
const DATABASE_SQL = `
\\set ON_ERROR_STOP on
SET statement_timeout = '20s';
SELECT 'server', current_setting('server_version');
SELECT 'started', round(extract(epoch FROM now() - pg_postmaster_start_time()));
SELECT 'size', pg_database_size(current_database());
SELECT 'connections', count(*) || ' ' || current_setting('max_connections') || ' ' ||
       count(*) FILTER (WHERE datname = current_database())
  FROM pg_stat_activity WHERE backend_type = 'client backend';
SELECT 'transactions', xact_commit || ' ' || xact_rollback || ' ' || deadlocks || ' ' ||
       coalesce(round(100.0 * blks_hit / nullif(blks_hit + blks_read, 0), 1)::text, '-')
  FROM pg_stat_database WHERE datname = current_database();
SELECT 'long', count(*) FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND state <> 'idle' AND now() - xact_start > interval '5 minutes';
SELECT 'unapplied', count(*) FROM pg_file_settings WHERE error IS NOT NULL OR NOT applied AND name NOT IN (
  SELECT name FROM pg_file_settings WHERE applied);
SELECT 'rules', count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL;
SELECT to_regclass('public.requests') IS NOT NULL AS logged \\gset
\\if :logged
SELECT 'logged', count(*) || ' ' || coalesce(round(extract(epoch FROM now() - max(created_at)))::text, '-')
  FROM public.requests;
\\endif
`;

/**
 * Tells of the database's machine. Arguments: the units; Debian's cluster, `17/main`; the database.
 */
export const DATABASE_FACTS = `${HOST_FACTS}
for unit in $1; do tell_unit "$unit"; done
tell_disk /
export PGCLUSTER="$2"
ask() { runuser -u postgres -- psql -X -A -t -q -F "$(printf '\\t')" -d "$1" -f -; }
if facts=$(ask "$3" 2>&1 <<'SQL'
${DATABASE_SQL}
SQL
); then printf '%s\\n' "$facts"; else say failure "$(printf '%s' "$facts" | tail -n 2 | tr '\\n' ' ')"; fi
places=$(printf '%s\\n' 'SHOW data_directory;' 'SHOW ssl_cert_file;' | ask postgres 2>/dev/null) || exit 0
data=$(printf '%s\\n' "$places" | sed -n 1p)
certificate=$(printf '%s\\n' "$places" | sed -n 2p)
tell_disk "$data"
case "$certificate" in /*) ;; *) certificate="$data/$certificate" ;; esac
tell_file certificate "$certificate"
`;
