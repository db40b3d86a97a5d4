#!/usr/bin/env bash
# dieharder on raw words of WORDS (the program `words`): one sequence, then many interleaved, of adjacent seeds and of names that
# differ in a character. Every test by default; flags go to dieharder ("-d 0" runs its first alone). FAILED fails.
#
#   tests/statistics/dieharder.sh WORDS [DIEHARDER_FLAG]…
set -euo pipefail

words=$1
shift
(($#)) || set -- -a
results=$(mktemp)
trap 'rm -f "$results"' EXIT
for sequence in "0 fc1.weight" "interleaved seeds" "interleaved names"; do
  echo "== $sequence"
  # shellcheck disable=SC2086  # two arguments
  "$words" $sequence | dieharder -g 200 "$@" | tee -a "$results"
done
echo "$(grep -c PASSED "$results") passed, $(grep -c WEAK "$results" || true) weak, $(grep -c FAILED "$results" || true) failed"
! grep -q FAILED "$results"
