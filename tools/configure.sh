#!/usr/bin/env bash
# Build folders and how each is configured: sourced by ./dev, tools/fuzz.sh and run by
# tools/run_tests.py (configure.sh FOLDER: configures and compiles it).

options_of() { # options_of FOLDER: meson's options, one a line
    case $1 in
    build-asan) printf '%s\n' -Dbuildtype=debugoptimized -Db_sanitize=address,undefined \
        -Db_lundef=false ;;
    build-tsan) printf '%s\n' -Dbuildtype=debugoptimized -Db_sanitize=thread -Db_lundef=false ;;
    build-fuzz) printf '%s\n' -Dbuildtype=debugoptimized -Db_sanitize=address,undefined \
        -Db_lundef=false -Dfuzz=true -Dtests=false -Dexamples=false -Dbench=false ;;
    *) printf '%s\n' -Dbuildtype=release ;;
    esac
}

# Sanitized builds use clang where it is there, so that both compilers see every line; fuzzing
# needs it.
compiler_of() {
    case $1 in
    build-fuzz) echo clang ;;
    build-asan | build-tsan) if command -v clang >/dev/null; then echo clang; else echo "${CC:-gcc}"; fi ;;
    *) echo "${CC:-gcc}" ;;
    esac
}

# The report page is built in where its packages are; when they come, the build is configured anew.
page_is_there() {
    if command -v node >/dev/null && [ -d web/node_modules/echarts ]; then echo page; else echo no-page; fi
}

configure() { # configure FOLDER [OPTION...]: again only if the options are others than last time
    local folder=$1 options wanted
    shift
    mapfile -t options < <(options_of "$folder")
    options+=("$@")
    wanted="$(compiler_of "$folder") meson-$(meson --version) $(page_is_there) ${options[*]}"
    if [ -e "$folder/build.ninja" ] && [ "$(cat "$folder/.configured" 2>/dev/null)" = "$wanted" ]; then
        return 0
    fi
    say "configuring $folder ($wanted)"
    rm -rf "$folder"
    mkdir -p "$folder"
    if ! CC=$(compiler_of "$folder") meson setup "$folder" "${options[@]}" >"$folder/configure.log" 2>&1; then
        tail -n 20 "$folder/configure.log" >&2
        say "meson could not configure $folder ($folder/configure.log)"
        return 1
    fi
    echo "$wanted" >"$folder/.configured"
}

compile() { # compile FOLDER [TARGET...]: quiet unless it fails
    local folder=$1
    shift
    say "compiling $folder"
    if ! ninja -C "$folder" -j "${jobs:-2}" "$@" >"$folder/compile.log" 2>&1; then
        # From the first thing that failed on, without the lines of what went well.
        awk '/^FAILED:|ERROR|error:/ { on = 1 } on && !/^\[[0-9]+\/[0-9]+\] /' "$folder/compile.log" |
            cut -c1-300 | head -n 60 >&2
        say "compiling $folder failed ($folder/compile.log)"
        return 1
    fi
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set -euo pipefail
    say() { printf 'dev: %s\n' "$*" >&2; }
    configure "$1"
    compile "$1"
fi
