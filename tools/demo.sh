#!/usr/bin/env bash
# ./dev demo: measures a real program with what this machine has; without a GPU, under the replay of
# a measured one. The recording and its exports land in out/demo/.
set -euo pipefail
cd "$(dirname "$0")/.."

command=build/joulemeter
load=build/examples/demo_load
out=out/demo
seconds=${1:-8}
[ -x "$command" ] || { echo "demo: $command is not built yet" >&2 && exit 1; }

# A GPU counts if its driver loads and lists one.
has_gpu() {
    python3 - <<'PY'
import ctypes, sys
try:
    nvml = ctypes.CDLL("libnvidia-ml.so.1")
    count = ctypes.c_uint()
    found = nvml.nvmlInit_v2() == 0 and nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)) == 0
except (OSError, AttributeError):
    found, count = False, ctypes.c_uint()
sys.exit(0 if found and count.value > 0 else 1)
PY
}

trace() { # the measured trace beside the project, or one made by formula
    local measured=${JOULEMETER_SHARED_DATA:-../shared/data}/sensor-truth/a100-square-wave/nvml.csv
    if [ -r "$measured" ]; then echo "$measured"; else echo "tests/data/training-trace.csv"; fi
}

show() { # show COMMAND...: prints it as one would type it, then runs it
    printf '\n$ %s\n' "$*"
    "$@"
}

rm -rf "$out"
mkdir -p "$out"
options=()
if has_gpu; then
    echo "This machine has a GPU: it is measured."
else
    options=(--simulate "a100,replay:$(trace)")
    echo "This machine has no GPU that answers: a simulated A100 replays $(trace)."
    echo "Every figure that comes from it is labelled simulated. The CPU load is real."
fi

show "$command" run --force -o "$out/demo.jm" "${options[@]}" -- "$load" "$seconds"
show "$command" export "$out/demo.jm" "$out"
show "$command" report -o "$out/demo.html" "$out/demo.jm" || true
show "$command" plot -o "$out/figures" "$out/demo.jm" || true
show "$command" sql "$out/demo.jm" "SELECT count(*) AS samples FROM samples" || true
echo
echo "In $out:"
find "$out" -maxdepth 1 -type f -printf '  %f (%s bytes)\n' | sort
cat <<END

Try next:
  xdg-open $out/demo.html            the report page: timeline, tables, figures
  $command devices                  what this machine can measure
  $command doctor                   what is missing, and the least that would mend it
  $command run -- make -j2          any program of yours
  $command show $out/demo.jm        this summary again
  $command run --json -- true       the same as JSON
  less examples/simple.c             joules of a piece of your own C program
END
