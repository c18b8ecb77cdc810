#!/usr/bin/env bash
# All checks of the CUDA kernels on the GPU of this machine, in eight minutes at most, and a report of them.
#
#     bash benchmarks/gpu_kernels/all.sh [REPORT]      (build/gpu_kernels/report.txt by default)
#
# Needs nvcc, c++, and a Python with NumPy and CuPy (PYTHON, "python3" by default); compute-sanitizer is used if it is
# there. MINUTES sets another limit. Ends with status 1 if a part failed or there was no time for it.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

report=${1:-build/gpu_kernels/report.txt}
python=${PYTHON:-python3}
limit=$((60 * ${MINUTES:-8}))
here=benchmarks/gpu_kernels
mkdir -p "$(dirname "$report")"
: > "$report"
summary=()
failed=0

part() { # a title, the most seconds it may take, and a command
    local title=$1 most=$2 began=$SECONDS status left
    shift 2
    left=$((limit - SECONDS))
    ((most < left)) || most=$left
    printf '\n=== %s\n$ %s\n' "$title" "$*" | tee -a "$report"
    if ((most < 5)); then
        status="no time"
    else
        timeout --kill-after=5 "$most" "$@" >> "$report" 2>&1
        status=$?
        case $status in
            0) status=passed ;;
            124 | 137) status="stopped after $most s" ;;
            *) status="failed, status $status" ;;
        esac
    fi
    [[ $status == passed ]] || failed=1
    summary+=("$(printf '%-40s %4d s  %s' "$title" $((SECONDS - began)) "$status")")
    echo "--- $status, $((SECONDS - began)) s" | tee -a "$report"
}

# For the card at hand alone; each architecture takes a minute.
if [[ -z ${DEEPATTN_CUDA_ARCHITECTURES:-} ]]; then
    capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1)
    export DEEPATTN_CUDA_ARCHITECTURES=${capability/./}
fi

part "machine" 20 bash -c "nvidia-smi && nvcc --version && $python --version && git log --oneline -1"
part "build" 240 "$python" -c "import sys; sys.path.insert(0, '$here'); import libraries; libraries.load_cpu(); libraries.load_cuda(False)"
part "comparisons with the CPU" 180 "$python" $here/check.py --no-timing
part "timing" 90 "$python" $here/check.py --timing-only
if command -v compute-sanitizer > /dev/null; then
    for tool in memcheck racecheck initcheck synccheck; do
        part "compute-sanitizer, $tool" 60 compute-sanitizer --tool $tool --error-exitcode 1 \
            "$python" $here/check.py --no-timing --sample
    done
else
    summary+=("compute-sanitizer                        not installed")
fi
part "registers" 120 "$python" $here/registers.py

{
    printf '\n=== summary\n'
    printf '%s\n' "${summary[@]}"
} | tee -a "$report"
echo "report: $report"
exit $failed
