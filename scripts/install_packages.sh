#!/usr/bin/env bash
# Installs what is missing of the packages in scripts/packages.txt: by apt as root on Debian and Ubuntu; elsewhere lists it and fails.
#
#   scripts/install_packages.sh GROUP…        GROUP: build, test, lint, fuzz
set -euo pipefail
cd "$(dirname "$0")/.."

list=scripts/packages.txt
if (($# == 0)); then
  echo "usage: $0 GROUP…   groups: $(awk '/^[a-z]/ {print $1}' "$list" | uniq | xargs)" >&2
  exit 2
fi

# Debian's interpreter, which has Debian's peers, before another that stands earlier in PATH.
python=/usr/bin/python3
[[ -x $python ]] || python=python3

probe() {
  local what=${1#*:}
  case $1 in
    cmd:?*) command -v "$what" >/dev/null ;;
    hdr:*) for compiler in c++ clang++; do  # libFuzzer's header is clang's own
      if "$compiler" -std=c++20 -E -x c++ - <<<"#include <$what>" >/dev/null 2>&1; then return; fi
    done; return 1 ;;
    py:*) "$python" -c "import $what" >/dev/null 2>&1 ;;
    *) false ;;
  esac
}

# is_there PACKAGE PROBE
is_there() {
  if command -v dpkg-query >/dev/null; then
    # One line for each architecture that it is known for; another one's do not help to build for this.
    local lines
    lines=$(dpkg-query -W -f='${db:Status-Status} ${Architecture}\n' "$1" 2>/dev/null)
    grep -qxE "installed (all|$(dpkg --print-architecture))" <<<"$lines" && return
    # A header or module that did not come as a package may be another version: packages alone count, and commands.
    [[ $2 == cmd:?* ]] && probe "$2"
  else
    probe "$2"
  fi
}

missing=()
for group in "$@"; do
  while read -r of package probe_of; do
    [[ $of == "$group" ]] || continue
    is_there "$package" "$probe_of" || missing+=("$package")
  done < <(grep -v '^#' "$list")
done
((${#missing[@]})) || exit 0

if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
  echo "Installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}"
  exit
fi

echo "Missing packages (Debian's names), by purpose:" >&2
for group in "$@"; do
  wanted=()
  for package in "${missing[@]}"; do
    if grep -q "^$group  *$package " "$list"; then wanted+=("$package"); fi
  done
  ((${#wanted[@]} == 0)) || printf '  %-6s %s\n' "$group" "${wanted[*]}" >&2
done
if command -v apt-get >/dev/null; then
  echo "Install them with: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
else
  echo "Install your system's packages of these; CMake finds them by their own CMake packages or pkg-config." >&2
fi
exit 1
