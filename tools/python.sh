#!/bin/sh
# Prints the Python that the virtual environment is made with: the first that runs, is 3.11 or later and has venv.
# A name in PATH proves nothing (version managers leave shims for versions that are not active), so each is run.
for candidate in python3.13 python3.12 python3.11 python3; do
  if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
    command -v "$candidate"
    exit 0
  fi
done
echo "rtcengine needs Python 3.11 or later with venv; none was found (Debian, Ubuntu: apt install python3-venv)," \
  "or name one: make PYTHON=/path/to/python ..." >&2
exit 1
