#!/usr/bin/env bash
# The systemd unit: systemd reads it without a word, what it leaves the server to do is little, and under a systemd in a container the
# programs of IMAGE serve and stop as it says. As root, with podman.
#
#   systemd_test.sh IMAGE
set -euo pipefail
cd "$(dirname "$0")/../.."
image=$1
# shellcheck source=tests/deploy/container.sh
source tests/deploy/container.sh

tell() { in_it journalctl --no-pager --unit weightinit; }
in_it() { podman exec "$container" "$@"; }

unit=$directory/weightinit.service
sed 's#^ExecStart=/usr/bin/weightinit-server#ExecStart=/bin/true#' deploy/systemd/weightinit.service >"$unit"
said=$(systemd-analyze verify "$unit" 2>&1)
[[ -z $said ]] || fail "$said"
systemd-analyze security --offline=true --threshold=15 "$unit" | grep Overall

podman build --quiet --network host --tag weightinit-systemd --file - "$directory" >/dev/null <<END
FROM debian:bookworm-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends systemd dbus >/dev/null
COPY --from=$image /usr/bin/ /usr/bin/
COPY --from=$image /lib/ /usr/lib/
END
podman run --detach --name "$container" --privileged --systemd always \
  --volume "$PWD/deploy/systemd/weightinit.service:/etc/systemd/system/weightinit.service:ro" weightinit-systemd /lib/systemd/systemd >/dev/null
in_it timeout 60 sh -c 'until systemctl is-system-running --quiet; do sleep 0.2; done 2>/dev/null' || fail "systemd does not start"
in_it sh -c 'mkdir /etc/weightinit && weightinit-server --listen 127.0.0.1:50051,unix:/run/weightinit/server.sock --print-config >/etc/weightinit/server.toml'
in_it systemctl start weightinit || fail "it does not start"
for server in 127.0.0.1:50051 unix:/run/weightinit/server.sock; do
  in_it weightinit status --wait 60 --server "$server" >/dev/null || fail "nothing answers at $server"
  [[ $(in_it weightinit digest --quiet article_net --server "$server") == "$(in_it weightinit digest --quiet article_net)" ]] || fail "digests differ"
done
pid=$(in_it systemctl show --property MainPID --value weightinit)
confined=$(in_it grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' "/proc/$pid/status" | awk '{print $2}' | xargs)
# The users that DynamicUser= takes begin with 61184.
[[ $confined =~ ^6[1-5][0-9]{3}\ 0000000000000000\ 1\ 2$ ]] || fail "not confined: $confined"
in_it systemctl stop weightinit
[[ $(in_it systemctl show --property Result --value weightinit) == success ]] || fail "it does not stop as it should"
echo "systemd_test: serves, confined, and stops"
