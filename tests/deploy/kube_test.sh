#!/usr/bin/env bash
# The chart's Deployment really runs: podman plays what helm renders, with IMAGE. As root, with podman and helm.
#
#   kube_test.sh IMAGE
set -euo pipefail
cd "$(dirname "$0")/../.."
image=$1
directory=$(mktemp -d)
objects=$directory/objects.yaml
trap 'podman play kube --down "$objects" >/dev/null 2>&1 || true; rm -rf "$directory"' EXIT

fail() {
  echo "kube_test: $*" >&2
  podman logs run-weightinit-pod-0-server >&2 || true
  exit 1
}
weightinit() { podman run --rm --no-healthcheck --log-driver none --read-only --network podman-default-kube-network --entrypoint /usr/bin/weightinit "$image" "$@"; }

helm template run deploy/helm/weightinit --kube-version 1.30.0 --set "image.repository=${image%:*},image.tag=${image##*:},image.pullPolicy=Never,replicas=1" \
  --show-only templates/configmap.yaml --show-only templates/deployment.yaml >"$objects"
podman play kube "$objects" >/dev/null
address=$(podman pod inspect --format '{{.InfraContainerID}}' run-weightinit-pod-0 |
  xargs podman inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}')
weightinit status --wait 60 --server "$address:50051" >/dev/null || fail "nothing answers at $address:50051"
[[ $(weightinit digest --quiet article_net --server "$address:50051") == "$(weightinit digest --quiet article_net)" ]] || fail "digests differ"
status=/proc/$(podman inspect --format '{{.State.Pid}}' run-weightinit-pod-0-server)/status
confined=$(grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' "$status" | awk '{print $2}' | xargs)
[[ $confined == "65532 0000000000000000 1 2" ]] || fail "not confined: $confined"
podman logs run-weightinit-pod-0-server 2>&1 | tail -n 1 | python3 -m json.tool >/dev/null || fail "its log is no JSON"
podman pod stop --time 45 run-weightinit-pod-0 >/dev/null
[[ $(podman inspect --format '{{.State.ExitCode}}' run-weightinit-pod-0-server) == 0 ]] || fail "it does not end when told to"
echo "kube_test: the Deployment serves, confined, and ends"
