#!/bin/sh
# The name that a codec's library (vpx, aom) is loaded by, like libvpx.so.7, when its headers are here and new enough; else nothing.
# setup.py and c.mk ask so. Usage: tools/soname.sh NAME COMPILER [its options]
cd "$(dirname "$0")" || exit 0
name=$1
shift
"$@" -fsyntax-only "$name.c" 2>/dev/null || exit 0
objdump -p "$("$@" -print-file-name="lib$name.so")" 2>/dev/null | sed -n 's/^ *SONAME *//p'
