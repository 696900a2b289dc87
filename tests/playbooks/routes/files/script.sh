#!/bin/sh
echo "$# $1 $2"
pwd
echo error >&2
