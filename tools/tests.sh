#!/usr/bin/env bash
# All tests but the long ones: first those that share the machine, one worker a core; then by themselves, one after another,
# those that use all cores or have little to spare (fuzzing, attacks, browsers).
# Usage: tools/tests.sh PYTHON WORKERS [what pytest takes to choose among them]
set -uo pipefail

python=$1 workers=$2
shift 2
alone='fuzz or attack or browser'
none=5 # pytest: nothing was chosen
slowest=(--durations=15 --durations-min=3) # who wants more time than its share

"$python" -m pytest -n "$workers" --dist worksteal "${slowest[@]}" -m "not long and not ($alone)" "$@"
first=$?
"$python" -m pytest "${slowest[@]}" -m "not long and ($alone)" "$@"
second=$?

if [ $first = $none ]; then exit $second; fi
if [ $second = $none ]; then exit $first; fi
exit $((first ? first : second))
