#!/usr/bin/env python3
"""Measures whole models on a disk: a drawn checkpoint beside as many zero bytes, and what memory that takes.

    bench/models.py [--programs build/release/bin] [--directory DIR] [--rounds 3] [--gigabytes 16]

Writes the checkpoint of Llama 3 8B (16 GB of bfloat16) and as many zero bytes with dd in turn, to the same disk, both brought
to it before the clock stops, and removes them again. Needs their size free in DIR. Draws into /dev/null too, which tells
what generation alone costs, and verifies the checkpoint. With fewer --gigabytes, the first layers alone.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import llama3_8b
import measure


def run(command, stdout=None):
    """Seconds, and bytes of resident memory at most, of a command."""
    start = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=stdout, stderr=subprocess.PIPE)
    error = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit {process.returncode}\n{error.decode(errors='replace')}")
    return seconds, usage.ru_maxrss * 1024


def only(gigabytes):
    """Flags that leave about so many bytes, and the bytes they leave."""
    tensors = json.loads(llama3_8b.recipe())["tensors"]
    kept, total = [], 0
    for tensor in tensors:
        size = 2
        for dim in tensor["shape"]:
            size *= dim
        if total + size > gigabytes * 1e9 and kept:
            break
        kept.append(tensor["name"].replace(".", r"\."))
        total += size
    return ([] if len(kept) == len(tensors) else ["--only", "|".join(kept)]), total


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", default="build/release/bin", type=pathlib.Path)
    parser.add_argument("--directory", default=".", type=pathlib.Path, help="on the disk to measure")
    parser.add_argument("--rounds", default=3, type=int)
    parser.add_argument("--gigabytes", default=17.0, type=float, help="of the model; default: all of it")
    options = parser.parse_args()
    flags, size = only(options.gigabytes)
    free = shutil.disk_usage(options.directory).free
    if free < 2 * size + (1 << 30):
        sys.exit(f"{options.directory}: {free / 1e9:.1f} GB free, {(2 * size + (1 << 30)) / 1e9:.1f} GB needed")

    program = options.programs / "weightinit"
    names = ("dd if=/dev/zero conv=fdatasync", "model -o model.safetensors", "model -o DIR --max-shard-size 5GB",
             "model -o - > /dev/null", "verify model.safetensors")
    seconds = {name: [] for name in names}
    memory = dict.fromkeys(names, 0)
    with tempfile.TemporaryDirectory(dir=options.directory) as scratch:
        scratch = pathlib.Path(scratch)
        recipe = scratch / "llama3_8b.json"
        recipe.write_text(llama3_8b.recipe(), encoding="utf-8")
        zeros, model, shards = scratch / "zeros", scratch / "model.safetensors", scratch / "shards"
        draw = [program, "model", recipe, *flags, "--quiet"]

        def note(name, measured):
            seconds[name].append(measured[0])
            memory[name] = max(memory[name], measured[1])
            print(f"{name}: {measured[0]:.1f} s", file=sys.stderr)

        for _ in range(options.rounds):
            note(names[0], run(["dd", "if=/dev/zero", f"of={zeros}", "bs=1M", "iflag=count_bytes", f"count={size}",
                                "conv=fdatasync"]))
            zeros.unlink()
            note(names[1], run([*draw, "-o", model]))
            note(names[4], run([program, "verify", model, "--recipe", recipe, *flags, "--quiet"], subprocess.DEVNULL))
            model.unlink()
            note(names[2], run([*draw, "-o", shards, "--max-shard-size", "5GB"]))
            shutil.rmtree(shards)
            note(names[3], run([*draw, "-o", "-"], subprocess.DEVNULL))
    base = seconds[names[0]]
    rows = [["", "GB/s", "beside dd", "resident memory, MiB"]]
    for name in names:
        ratios = sorted(b / s for b, s in zip(base, seconds[name]))
        median = sorted(seconds[name])[len(seconds[name]) // 2]
        rows.append([f"`{name}`", f"{size / median / 1e9:.2f}", f"{ratios[len(ratios) // 2]:.2f}×",
                     f"{memory[name] / (1 << 20):.0f}"])
    print("\n".join(f"* {line}" for line in measure.machine()))
    print(f"\n{size / 1e9:.2f} GB of bfloat16, {options.rounds} rounds, medians:\n")
    print(measure.markdown(rows))


if __name__ == "__main__":
    main()
