# shellcheck shell=bash
# Lists of the project's files, tracked or not yet: sourced by tools/lint.sh.
project_files() { # project_files [NAME_PATTERN...]
    all_files | sort -u | while read -r file; do
        [ -f "$file" ] || continue
        [ $# != 0 ] || echo "$file"
        for pattern; do
            # shellcheck disable=SC2254 # a pattern, to be matched
            case $file in $pattern) echo "$file" && break ;; esac
        done
    done
}

all_files() { # without git, or outside of a checkout, all that no tool made
    git ls-files --cached --others --exclude-standard 2>/dev/null && return 0
    find . -name build -prune -o -path './build-*' -prune -o -name .venv -prune -o -name .git -prune \
        -o -name .cache -prune -o -name out -prune -o -name __pycache__ -prune -o -type f -print |
        cut -c3-
}
