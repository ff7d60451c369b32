#!/usr/bin/env bash
# ./dev fuzz [--runs N] [NAME...]: libFuzzer on each fuzz/fuzz_NAME.c. The corpus grows in
# build-fuzz/corpus/NAME; what crashes lands in build-fuzz/crashes/NAME-*.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/configure.sh
. tools/configure.sh

say() { printf 'dev: %s\n' "$*" >&2; }
runs=${JOULEMETER_FUZZ_RUNS:-1000000}
names=()
while [ $# -gt 0 ]; do
    case $1 in
    --runs) runs=${2:?--runs needs a number} && shift ;;
    --runs=*) runs=${1#*=} ;;
    -*) echo "fuzz knows --runs N only, not $1" >&2 && exit 2 ;;
    *) names+=("$1") ;;
    esac
    shift
done
if [ ${#names[@]} = 0 ]; then
    for source in fuzz/fuzz_*.c; do
        [ -e "$source" ] && names+=("$(basename "${source#*fuzz_}" .c)")
    done
fi
[ ${#names[@]} != 0 ] || { say "there is no fuzz target yet" && exit 0; }
command -v clang >/dev/null || { say "fuzzing needs clang" && exit 1; }

export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
jobs=${JOULEMETER_JOBS:-$(nproc)} configure build-fuzz
compile build-fuzz "${names[@]/#/fuzz/fuzz_}"
failed=()
for name in "${names[@]}"; do
    target=build-fuzz/fuzz/fuzz_$name
    [ -x "$target" ] || { say "there is no fuzz target $name" && exit 2; }
    corpus=build-fuzz/corpus/$name
    mkdir -p "$corpus" build-fuzz/crashes
    seeds=()
    [ -d "fuzz/seeds/$name" ] && seeds=("fuzz/seeds/$name")
    options=(-runs="$runs" -timeout=20 -rss_limit_mb=3000 -print_final_stats=1
        -artifact_prefix="build-fuzz/crashes/$name-")
    [ -f "fuzz/$name.dict" ] && options+=(-dict="fuzz/$name.dict")
    say "fuzzing $name: $runs inputs"
    log=build-fuzz/$name.log
    if "$target" "${options[@]}" "$corpus" "${seeds[@]}" >"$log" 2>&1; then
        grep -E '^stat::(number_of_executed_units|average_exec_per_sec)|DONE' "$log" |
            sed 's/^/  /' || true
    else
        tail -n 40 "$log"
        say "$name failed; the input is in build-fuzz/crashes, the log is $log"
        failed+=("$name")
    fi
done
[ ${#failed[@]} = 0 ] || { say "failed: ${failed[*]}" && exit 1; }
say "no failure in ${names[*]}"
