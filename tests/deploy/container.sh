# shellcheck shell=bash
# What the tests of a container share, which source this: `container` names it, gone at the end like `directory`. As root, with podman.
test=$(basename "$0" .sh)
container=weightinit-$test-$$
directory=$(mktemp -d)
trap 'podman rm --force --time 0 "$container" >/dev/null 2>&1 || true; rm -rf "$directory"' EXIT

# What the container has to say about a failure; a test may say it otherwise.
tell() { podman logs "$container"; }
fail() {
  echo "$test: $*" >&2
  tell >&2 2>/dev/null || true
  exit 1
}
