#!/usr/bin/env bash
# Makes debian:bookworm-slim from Debian's packages, unless podman has it. As root.
set -euo pipefail
podman image exists debian:bookworm-slim && exit

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include=ca-certificates bookworm "$root" >"$root.log" || { cat "$root.log"; exit 1; }
rm -rf "$root.log" "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{man,info,locale}/*
find "$root/usr/share/doc" -type f ! -name copyright -delete
tar -C "$root" --numeric-owner -c . | podman import --change 'CMD ["/bin/bash"]' - docker.io/library/debian:bookworm-slim
