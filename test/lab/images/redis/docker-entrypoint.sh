#!/bin/sh
# Starts Redis by the contract of the official image's entry point: options and a configuration
# file are given to the server, which runs as the user redis.
set -e
case ${1:-} in
  -* | *.conf) set -- redis-server "$@" ;;
esac
if [ "$1" = redis-server ] && [ "$(id --user)" = 0 ]; then
  find . \! -user redis -exec chown redis '{}' +
  exec setpriv --reuid=redis --regid=redis --clear-groups "$0" "$@"
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
