#!/usr/bin/env bash
# Checks what is in the repository; every finding fails. Without names: all checks, the cheap ones first.
#
#   scripts/lint.sh [--fix] [format|shell|proto|tidy]…
#
#   format  clang-format               --fix formats in place
#   shell   shellcheck
#   proto   buf: lint, format, breaking changes since the API last landed; --fix formats in place
#   tidy    clang-tidy over the sources of build/release (TIDY_ONLY: an extended regex of paths; TIDY_CHECKS: changes to the
#           checks of .clang-tidy; TIDY_JOBS)
set -euo pipefail
cd "$(dirname "$0")/.."

fix=false
if [[ ${1-} == --fix ]]; then
  fix=true
  shift
fi
(($#)) || set -- format shell proto tidy

# The files under version control, or about to be.
sources() { git ls-files --cached --others --exclude-standard -- "$@" | sort -u | while read -r f; do [[ ! -f $f ]] || echo "$f"; done; }

check_format() {
  local files
  mapfile -t files < <(sources '*.cc' '*.h')
  if $fix; then
    clang-format -i "${files[@]}"
  else
    clang-format --dry-run --Werror "${files[@]}"
  fi
  echo "format: ${#files[@]} C++ files"
}

check_shell() {
  local files
  mapfile -t files < <(sources '*.sh' .ci/run)
  shellcheck "${files[@]}"
  echo "shell: ${#files[@]} scripts"
}

# Where the API stood when it last landed: what the checked-in image says, and, on a branch, what origin/main has.
check_proto() {
  local base
  if $fix; then
    node_modules/.bin/buf format -w proto
  else
    node_modules/.bin/buf format -d --exit-code proto
  fi
  node_modules/.bin/buf lint proto
  if [[ -f proto/landed.binpb ]]; then
    node_modules/.bin/buf breaking proto --against proto/landed.binpb
    echo "proto: nothing breaks proto/landed.binpb"
  else
    echo "proto: no version has landed yet (no proto/landed.binpb), so nothing can break"
  fi
  if base=$(git merge-base HEAD origin/main 2>/dev/null) && [[ $base != $(git rev-parse HEAD) ]] &&
    git cat-file -e "$base:proto/buf.yaml" 2>/dev/null; then
    node_modules/.bin/buf breaking proto --against ".git#ref=$base,subdir=proto"
    echo "proto: nothing breaks origin/main"
  fi
}

check_tidy() {
  # Sources include generated headers: they must be there, nothing else of the build.
  cmake --preset release --log-level=WARNING >/dev/null
  cmake --build --preset release --target weightinit_proto >/dev/null
  local files
  mapfile -t files < <(sources '*.cc' | grep -E "${TIDY_ONLY:-.}" |
    while read -r f; do ! grep -q "\"file\": \"$PWD/$f\"" build/release/compile_commands.json || echo "$f"; done)
  printf '%s\n' "${files[@]}" |
    xargs -P "${TIDY_JOBS:-$(nproc)}" -n 1 clang-tidy -p build/release --checks="${TIDY_CHECKS-}" --quiet --extra-arg=-Wno-unknown-warning-option 2> >(grep -v 'warnings\? generated\|^Suppressed' >&2)
  echo "tidy: ${#files[@]} sources"
}

for name in "$@"; do
  case $name in
    format | shell | proto | tidy) "check_$name" ;;
    *)
      echo "no such check: $name; there are format, shell, proto and tidy" >&2
      exit 2
      ;;
  esac
done
