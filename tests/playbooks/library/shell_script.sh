#!/bin/sh
# WANT_JSON: the one argument is a file with the parameters.
printf '{"changed": false, "asked": %s, "name": "%s"}' "$(grep -c '"word"' "$1")" "$(basename "$1")"
