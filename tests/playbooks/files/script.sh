#!/bin/sh
echo "script on $1"
echo oops >&2
