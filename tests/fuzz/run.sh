#!/usr/bin/env bash
# Runs the fuzz targets, as many at once as there are processors, each from its seeds in the repository and from what earlier runs
# here left in BUILD/corpus. What ends a program is kept in BUILD/findings and named; then this fails.
#
#   tests/fuzz/run.sh BUILD SECONDS [TARGET]…        targets: request, recipe_file, checkpoint, text, envelope
set -euo pipefail
cd "$(dirname "$0")/../.."

build=$1 seconds=$2
shift 2
(($#)) || set -- request recipe_file checkpoint text envelope
mkdir -p "$build/findings"

# An allocation that a few bytes can size is a finding, and so is an input that takes long. What the libraries say of bad input
# (standard error of the target itself) is not kept.
fuzz() {
  local name=$1 seeds=tests/fuzz/corpus/$1 found=$build/corpus/$1 log=$build/findings/$1.log
  mkdir -p "$found"
  if ! UBSAN_OPTIONS="suppressions=$PWD/tests/sanitizers/ubsan.supp" "$build/bin/${name}_fuzz" "$found" "$seeds" \
    -max_total_time="$seconds" -close_fd_mask=2 -max_len=16384 -timeout=20 -rss_limit_mb=2048 -malloc_limit_mb=256 \
    -artifact_prefix="$build/findings/$name-" -print_final_stats=1 >"$log" 2>&1; then
    tail -n 60 "$log"
    echo "$name: FOUND SOMETHING: $log"
    return 1
  fi
  awk -v name="$name" '
    /cov: / { for (i = 1; i < NF; ++i) if ($i == "cov:") cov = $(i + 1) }
    /number_of_executed_units/ { runs = $2 }
    /peak_rss_mb/ { memory = $2 }
    END { printf "%-12s %9d runs, %6d edges covered, at most %4d MB\n", name, runs, cov, memory }' "$log"
}
export -f fuzz
export build seconds

# shellcheck disable=SC2016  # the inner shell expands it
printf '%s\n' "$@" | xargs --max-procs="$(nproc)" --max-args=1 bash -euo pipefail -c 'fuzz "$1"' fuzz
