#!/bin/sh
# Starts Traefik by the contract of the official image's entry point: options and Traefik's own
# commands are given to Traefik, everything else is run as it is.
set -e
case ${1:-} in
  -* | healthcheck | version) set -- traefik "$@" ;;
esac
exec "$@"
