#!/usr/bin/env bash
# An image as its users meet it: what is in it, and that it runs as nobody, on a root that cannot be written and within bounds on memory
# and processors, serves what the program draws, and ends in time. As root, with podman.
#
#   image_test.sh IMAGE
set -euo pipefail
image=$1
# shellcheck source=tests/deploy/container.sh
source "$(dirname "$0")/container.sh"

# check WHAT IS SHOULD
check() {
  [[ $2 == "$3" ]] || fail "$1: $2, not $3"
  echo "$1: $2"
}
of_image() { podman image inspect --format "$1" "$image"; }
# The program, in a container of its own.
weightinit() { podman run --rm --no-healthcheck --log-driver none --read-only --network host --entrypoint /usr/bin/weightinit "$image" "$@"; }

bytes=$(of_image '{{.Size}}')
((bytes <= 40000000)) || fail "$bytes bytes are more than 40 MB"
echo "size: $bytes bytes"
check user "$(of_image '{{.Config.User}}')" 65532:65532
check version "weightinit-server $(of_image '{{index .Config.Labels "org.opencontainers.image.version"}}')" "$(podman run --rm "$image" --version)"

# Every library has its package's record and licence, and nothing else can be run.
files=$(podman create "$image" | { read -r id && podman export "$id" | tar -t && podman rm "$id" >/dev/null; } | grep -v '/$')
check programs "$(grep '^usr/bin/' <<<"$files" | xargs)" "usr/bin/weightinit usr/bin/weightinit-server"
[[ ! $files =~ bin/(sh|bash|dash|busybox) ]] || fail "there is a shell"
packages=$(grep '^var/lib/dpkg/status.d/' <<<"$files" | sed 's#.*/##')
check licences "$(sed -n 's#^usr/share/doc/\(.*\)/copyright$#\1#p' <<<"$files" | sort | xargs)" "$(sort <<<"$packages" | xargs)"
grep -qx libc6 <<<"$packages" || fail "no record of libc6 among: $packages"

podman run --detach --name "$container" --publish 127.0.0.1::50051 --publish 127.0.0.1::9464 --read-only --cap-drop all --security-opt no-new-privileges \
  --memory 512m --cpus 1 --pids-limit 128 "$image" --listen 0.0.0.0:50051 --insecure --metrics-listen 0.0.0.0:9464 --drain-delay 1s --shutdown-grace 3s >/dev/null
server=$(podman port "$container" 50051)
weightinit status --wait 60 --server "$server" >/dev/null || fail "it does not serve"
status=/proc/$(podman inspect --format '{{.State.Pid}}' "$container")/status
of_process() { awk -v key="$1:" '$1 == key {print $2}' "$status"; }
check "user of the process" "$(of_process Uid)" 65532
check capabilities "$(of_process CapEff)" 0000000000000000
check "no new privileges" "$(of_process NoNewPrivs)" 1
check "system calls are filtered" "$(of_process Seccomp)" 2
check "threads for one processor" "$(podman logs "$container" 2>&1 | grep -o '([0-9]* threads\?,')" "(1 thread,"
check health "$(podman healthcheck run "$container" && echo healthy)" healthy
check metrics "$(curl --silent --fail "http://$(podman port "$container" 9464)/metrics" | grep '^weightinit_serving ')" "weightinit_serving 1"
refusal=$(podman exec "$container" /usr/bin/weightinit tensor --shape 1 --init ones -o /w.npy 2>&1) && fail "its root can be written"
check "writing to its root" "$(grep -o 'Read-only file system' <<<"$refusal" | head -n 1)" "Read-only file system"

check "resnet50, streamed" "$(weightinit model resnet50 --quiet -o - --server "$server" | sha256sum)" "$(weightinit model resnet50 --quiet -o - | sha256sum)"

# An endless stream does not keep it from ending before it is killed.
weightinit tensor --shape 1048576,65536 --init normal --quiet -o - --server "$server" --retry-for 0 2>/dev/null |
  { [[ $(head -c 1000000 | wc -c) == 1000000 ]] && touch "$directory/flows" && cat >/dev/null; } &
timeout 60 sh -c "until [ -e '$directory/flows' ]; do sleep 0.1; done" || fail "the endless stream does not begin"
podman stop --time 20 "$container" >/dev/null
check "streams at SIGTERM" "$(podman logs "$container" 2>&1 | grep -o 'streams=[0-9]*' | head -n 1)" streams=1
check "exit code after SIGTERM" "$(podman inspect --format '{{.State.ExitCode}} {{.State.OOMKilled}}' "$container")" "0 false"
wait
