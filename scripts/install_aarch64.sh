#!/usr/bin/env bash
# Installs what the preset aarch64 needs on Debian, as root: the cross compiler, qemu, and the library's dependencies for arm64.
set -euo pipefail

packages=(g++-aarch64-linux-gnu qemu-user
  libabsl-dev:arm64 libhwy-dev:arm64 libre2-dev:arm64 libmuparser-dev:arm64 libssl-dev:arm64 libgtest-dev:arm64 libgmock-dev:arm64)

missing=()
for package in "${packages[@]}"; do
  [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0
if [[ $(id -u) != 0 ]]; then
  echo "Missing: ${missing[*]}. As root: dpkg --add-architecture arm64, apt-get update, apt-get install these." >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
dpkg --add-architecture arm64
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}"
