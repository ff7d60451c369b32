#!/usr/bin/env bash
# collect.sh [ROWS.csv [SECONDS]]: a row for every kernel of the suite, counters and measured power;
# then a model is trained. About nine minutes; counters need root, or the driver's permission.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rows=${1:-rows.csv}
seconds=${2:-5}
suite=${POWER_SUITE:-$here/power-suite}
joulemeter=${JOULEMETER:-joulemeter}

[ -x "$suite" ] || { echo "there is no $suite: run make in $here" >&2 && exit 1; }
failed=0
while read -r name family; do
    echo "$name" >&2
    # The first launch fills memory.
    "$joulemeter" estimate collect -o "$rows" --program "$family" --kernel "$name" --skip 2 --launches 3 \
        -- "$suite" "$name" "$seconds" </dev/null || failed=$((failed + 1))
done < <("$suite" --list)
[ "$failed" = 0 ] || echo "$failed kernels gave no row" >&2
"$joulemeter" estimate train "$rows" -o "${rows%.csv}.json"
