#!/usr/bin/env bash
# The main job, visibly: a server, a whole model streamed from it into a file, and the proof that the bits are the same everywhere.
# Uses build/release/bin alone; `make demo` builds it first. Prints every command that it runs.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=build/release/bin
PATH=$PWD/$bin:$PATH
scratch=$(mktemp -d)
server_pid=
stop() {
  if [[ -n $server_pid ]]; then
    kill -TERM "$server_pid" 2>/dev/null || true
    wait "$server_pid" 2>/dev/null || true
  fi
  rm -rf "$scratch"
}
trap stop EXIT

bold='' dim='' plain=''
if [[ -t 1 ]]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; fi
SECONDS=0

step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
# Shows a command as a person would type it.
shown() {
  local word line=
  for word in "$@"; do
    if [[ $word == "$socket" ]]; then
      word="\$SERVER"
    elif [[ ! $word =~ ^[A-Za-z0-9_./:=,%\&-]+$ ]]; then
      word="'$word'"
    fi
    line+=" $word"
  done
  printf '%s$%s%s\n' "$dim" "$line" "$plain"
}
run() {
  shown "$@"
  "$@"
}
fail() {
  echo "demo: $*" >&2
  exit 1
}

for program in weightinit weightinit-server; do
  [[ -x $bin/$program ]] || fail "$bin/$program is missing; make demo builds it"
done
socket=unix:$scratch/weightinit.sock
recipe=recipes/resnet50.yaml
model=out/resnet50.safetensors
mkdir -p out

step "1. A server"
echo "SERVER=$socket"
shown weightinit-server --listen "$socket" "&"
weightinit-server --listen "$socket" --drain-delay 0s 2>"$scratch/server.log" &
server_pid=$!
if ! run weightinit status --server "$socket" --wait 30; then
  cat "$scratch/server.log" >&2
  fail "the server does not answer"
fi

step "2. ResNet-50, initialized by the rules in $recipe, streamed into a file"
run weightinit model "$recipe" --seed 42 --server "$socket" -o "$model"

step "3. Its layers: what the rules expect, and what was drawn"
run weightinit model "$recipe" --seed 42 --server "$socket" --only '.*conv\d\.weight|.*downsample\.0\.weight|fc\..*'

step "4. One shard, as a rank would fetch it: rows 64 to 127 of one tensor, and the same bytes of the file"
name=layer3.0.conv2.weight row_bytes=$((256 * 3 * 3 * 4))
run weightinit tensor --name "$name" --shape 256,256,3,3 --init 'kaiming_normal(mode=fan_out, nonlinearity=relu)' \
  --seed 42 --slice 64:128 --server "$socket" -o out/shard.bin
# A .safetensors file: the length of its header in 8 bytes, the header (JSON), the values.
header_bytes=$(od -An -tu8 -N8 "$model" | tr -d ' ')
begin=$(head -c $((8 + header_bytes)) "$model" | grep -ao "\"$name\":{[^}]*}" | sed 's/.*"data_offsets":\[\([0-9]*\),.*/\1/')
shard_bytes=$((64 * row_bytes)) shard_begin=$((8 + header_bytes + begin + 64 * row_bytes))
[[ $(stat -c %s out/shard.bin) == "$shard_bytes" ]] || fail "the shard has not $shard_bytes bytes"
run cmp --bytes="$shard_bytes" --ignore-initial="$shard_begin:0" "$model" out/shard.bin || fail "the shard differs from the file"
echo "equal: $shard_bytes bytes"

step "5. The whole model's digest: drawn again by the server, drawn here without it, read from the file"
shown weightinit digest "$recipe" --seed 42 --server "$socket"
server=$(weightinit digest "$recipe" --seed 42 --server "$socket" --quiet | tail -n 1)
echo "$server"
shown weightinit digest "$recipe" --seed 42
here=$(weightinit digest "$recipe" --seed 42 --quiet | tail -n 1)
echo "$here"
shown weightinit digest "$model"
file=$(weightinit digest "$model" | tail -n 1)
echo "$file"
[[ $server == "$file" && $here == "$file" ]] || fail "the digests differ"

step "6. The server stops"
shown kill "%1"
kill -TERM "$server_pid"
wait "$server_pid" || fail "the server ended with exit code $?"
server_pid=
printf '\nDone in %s s: %s (%s bytes).\n' "$SECONDS" "$model" "$(stat -c %s "$model")"
