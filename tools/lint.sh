#!/usr/bin/env bash
# ./dev lint [--quick] [--fix] [--tap]: each check is one line; what it found follows.
set -uo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/sources.sh
. tools/sources.sh

quick=0 fix=0 tap=0
for argument; do
    case $argument in
    --quick) quick=1 ;;
    --fix) fix=1 ;;
    --tap) tap=1 ;;
    *) echo "lint knows --quick and --fix, not $argument" >&2 && exit 2 ;;
    esac
done

number=0 failures=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

report() { # report VERDICT NAME [REASON]
    number=$((number + 1))
    if [ "$tap" = 1 ]; then
        case $1 in
        ok) echo "ok $number - $2" ;;
        skip) echo "ok $number - $2 # SKIP $3" ;;
        *) echo "not ok $number - $2" ;;
        esac
    else
        printf '%-7s %s%s\n' "$1" "$2" "${3:+ ($3)}"
    fi
}

check() { # check NAME TOOL COMMAND...
    local name=$1 tool=$2
    shift 2
    if ! command -v "$tool" >/dev/null; then
        report skip "$name" "$tool is not installed"
    elif "$@" >"$log" 2>&1; then
        report ok "$name"
    else
        report FAILED "$name"
        failures=$((failures + 1))
        if [ "$tap" = 1 ]; then sed 's/^/# /' "$log"; else cat "$log"; fi
    fi
}

format() {
    local files bad
    files=$(project_files '*.c' '*.h' '*.cpp' '*.cu')
    if [ "$fix" = 1 ]; then
        xargs -r clang-format -i --style=file <<<"$files"
        return
    fi
    bad=$(xargs -r clang-format --dry-run --style=file <<<"$files" 2>&1 |
        sed -n 's/^\([^: ]*\):.*Wclang-format-violations.*/\1/p' | sort | uniq -c)
    [ -z "$bad" ] && return 0
    printf 'places to change, file (./dev lint --fix does it):\n%s\n' "$bad"
    return 1
}

sizes() { project_files | python3 tools/check_sizes.py; }

# Words that show unfinished work, and paths that exist on one machine only.
words() {
    local unfinished='TO''DO|FIX''ME|X''XX'
    ! project_files | xargs -r grep -nEI "\b($unfinished)\b|(^|[^A-Za-z0-9_.])/(home|root|work|Users)/"
}

scripts() { # bash and sh
    project_files dev .ci/run '*.sh' | xargs -r shellcheck -x
}

tidy() {
    # shellcheck source=tools/configure.sh
    . tools/configure.sh
    say() { :; }
    # Headers that the build makes must be there; code that does not compile is for ./dev build.
    configure build && { ninja -C build -k 0 >build/compile.log 2>&1 || true; } || return 1
    python3 tools/tidy.py build
}

check "format (clang-format)" clang-format format
check "includes follow the data" python3 python3 tools/check_includes.py
check "sizes of files and functions" ctags sizes
check "no stray words" grep words
check "scripts (shellcheck)" shellcheck scripts
[ "$quick" = 1 ] || check "clang-tidy" clang-tidy tidy
[ "$tap" = 1 ] && echo "1..$number"
[ "$failures" = 0 ]
