#!/usr/bin/env bash
# Records the API as it is now, as the version that landed: proto/landed.binpb, what `make proto-lint` measures by. Run it as the
# last step before a change of the API lands. It refuses what breaks the version before (BREAK=1: before the first release only).
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -f proto/landed.binpb && ${BREAK-} != 1 ]]; then
  node_modules/.bin/buf breaking proto --against proto/landed.binpb
fi
# Without comments and positions, so that the image changes only when the API does.
node_modules/.bin/buf build proto --exclude-source-info -o proto/landed.binpb
echo "proto/landed.binpb: $(wc -c <proto/landed.binpb) bytes"
