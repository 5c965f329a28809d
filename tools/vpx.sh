#!/bin/sh
# The name that libvpx is loaded by, like libvpx.so.7, when its headers are here and new enough; else nothing. setup.py and c.mk ask so.
# Usage: tools/vpx.sh COMPILER [its options]
cd "$(dirname "$0")" || exit 0
"$@" -fsyntax-only vpx.c 2>/dev/null || exit 0
objdump -p "$("$@" -print-file-name=libvpx.so)" 2>/dev/null | sed -n 's/^ *SONAME *//p'
