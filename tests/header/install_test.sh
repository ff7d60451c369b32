#!/bin/sh
# Installs into a temporary prefix and builds a consumer there through pkg-config; checks that the
# shared library gives away nothing but jm_* names.
# usage: install_test.sh SOURCE_ROOT BUILD_ROOT CC...
set -eu
# shellcheck disable=SC2317 # functions are called by check
source_root=$1 build_root=$2
shift 2

if [ "$JM_SANITIZED" = 1 ]; then
    echo "1..0 # SKIP a sanitized library needs the sanitizer's runtime in every consumer"
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cases=0 failed=0
check() { # check NAME COMMAND...: one test case
    name=$1
    shift
    cases=$((cases + 1))
    if "$@" >"$work/log" 2>&1; then
        echo "ok $cases - $name"
    else
        echo "not ok $cases - $name"
        sed 's/^/# /' "$work/log"
        failed=$((failed + 1))
    fi
}

check "meson install respects DESTDIR" \
    meson install -C "$build_root" --no-rebuild --quiet --destdir "$work/root"
pc=$(find "$work/root" -name joulemeter.pc)
[ -n "$pc" ] || { echo "Bail out! no joulemeter.pc was installed"; exit 1; }
prefix=$(sed -n 's/^prefix=//p' "$pc")
export PKG_CONFIG_PATH="${pc%/joulemeter.pc}"
config() { pkg-config --define-variable=prefix="$work/root$prefix" "$@"; }
libdir=$(config --variable=libdir joulemeter)
library=$libdir/libjoulemeter.so

# shellcheck disable=SC2046 # flags are words
build() {
    "$@" -std=c99 -Wall -Wextra -Werror -o "$work/consumer" "$source_root/tests/header/consumer.c" \
        $(config --cflags --libs joulemeter)
}
# shellcheck disable=SC2046
build_static() {
    "$@" -o "$work/static" "$source_root/tests/header/consumer.c" $(config --cflags joulemeter) \
        "$libdir/libjoulemeter.a" $(pkg-config --libs sqlite3 jansson) -lpthread -lm
}
exports() { nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | sed 's/@.*//'; }
only_ours() { ! exports | grep -v '^jm_'; }
versioned() { nm -D --defined-only "$library" | grep -q 'jm_version@@JOULEMETER_0.1'; }
soname() { readelf -d "$library" | grep -q 'SONAME.*\[libjoulemeter\.so\.0\]'; }
declared() { # every JM_API function of the header is exported
    sed -n '/^JM_API/,/;/p' "$source_root/include/joulemeter.h" | tr '\n' ' ' | tr ';' '\n' |
        sed -n 's/^ *JM_API [^(]*\(jm_[a-z0-9_]*\)(.*/\1/p' | sort -u >"$work/declared"
    exports | sort -u >"$work/exported"
    [ -s "$work/declared" ] && ! comm -23 "$work/declared" "$work/exported" | grep .
}

check "a consumer builds through pkg-config" build "$@"
check "it runs with the shared library" env LD_LIBRARY_PATH="$libdir" "$work/consumer"
check "it builds with the static library" build_static "$@"
check "it runs with the static library" "$work/static"
check "the shared library exports jm_* only" only_ours
check "names carry the version JOULEMETER_0.1" versioned
check "the soname is libjoulemeter.so.0" soname
check "every function of the header is exported" declared
if [ -e "$work/root$prefix/bin/joulemeter" ]; then
    check "the installed command runs" "$work/root$prefix/bin/joulemeter" --version
    check "it finds what it has loaded into programs" \
        env -u JOULEMETER_INJECT_LIBRARY "$work/root$prefix/bin/joulemeter" run -q --nvtx -- true
fi
echo "1..$cases"
[ "$failed" = 0 ]
