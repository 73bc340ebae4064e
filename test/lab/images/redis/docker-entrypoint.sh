#!/bin/sh
# Starts Redis by the contract of the official image's entry point: options and a configuration
# file are given to the server, which runs as the user redis, without capabilities, where root
# may become another user.
set -e
case ${1:-} in
  -* | *.conf) set -- redis-server "$@" ;;
esac

may() {
  setpriv --dump | grep --quiet --word-regexp "bounding set:.*$1"
}

if [ "$1" = redis-server ] && [ "$(id --user)" = 0 ] && [ -z "${SKIP_DROP_PRIVS:-}" ] &&
  may setuid && may setgid; then
  if [ -z "${SKIP_FIX_PERMS:-}" ]; then
    find . \! -user redis -exec chown redis '{}' + || echo "Warning: $PWD cannot be given to redis" >&2
  fi
  exec setpriv --reuid=redis --regid=redis --clear-groups --nnp \
    --inh-caps=-all --ambient-caps=-all --bounding-set=-all "$0" "$@"
fi
if [ "$(umask)" = 0022 ]; then
  umask 0077
fi
# The official build is not protected by default: who reaches it is up to Docker.
case " $* " in
  *" --protected-mode "*) ;;
  " redis-server "*) set -- "$@" --protected-mode no ;;
esac
exec "$@"
