/**
 * The journal of some units. Arguments: seconds to look back; `follow` or `once`; the units. Ends
 * when its standard input does, as a journal that nobody reads would be followed for ever.
 */
export const JOURNAL_LINES = `
export TZ=UTC
since=$(date -d "-$1 seconds" '+%F %T')
mode=$2
shift 2
for unit; do
  shift
  set -- "$@" --unit="$unit"
done
if [ "$mode" = once ]; then
  exec journalctl --quiet --no-pager --no-hostname --output=short-iso-precise --since="$since" "$@"
fi
journalctl --quiet --no-pager --no-hostname --output=short-iso-precise --since="$since" --lines=all --follow "$@" &
reader=$!
cat >/dev/null
kill "$reader"
`;

/**
 * PostgreSQL's own log, which Debian keeps in a file. Arguments: seconds to look back; `follow` or
 * `once`; the file.
 */
export const SERVER_LINES = `
date '+#offset %z'
since=$(date -d "-$1 seconds" '+%F %T')
for file in "$3.1" "$3"; do
  if [ -f "$file" ]; then
    awk -v since="$since" '/^[0-9-]+ [0-9:.]+ / { shown = (substr($0, 1, 19) >= since) } shown' "$file"
  fi
done
if [ "$2" = once ]; then exit 0; fi
tail -n 0 -F "$3" 2>/dev/null &
reader=$!
cat >/dev/null
kill "$reader"
`;
