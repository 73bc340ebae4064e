#!/bin/sh
# Starts the proxy with the container's arguments, as the official image does.
exec litellm "$@"
