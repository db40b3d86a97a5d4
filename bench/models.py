"""Whole models on a disk: a drawn checkpoint beside as many zero bytes, and what memory that takes.

Writes the checkpoint of Llama 3 8B (16 GB of bfloat16) and as many zero bytes with dd in turn, to the same disk, both brought to it before
the clock stops, and removes them again. Draws into /dev/null too, which tells what generation alone costs, and verifies the checkpoint.
"""

import json
import os
import shutil
import subprocess
import tempfile
import pathlib
import time

import llama3_8b
from measure import Case, Figure, Ratio, Time


class Command:
    """A command to time; the most resident memory of all its runs is kept."""

    def __init__(self, arguments, before=lambda: None, stdout=None):
        self.arguments, self.before, self.stdout, self.memory = [str(part) for part in arguments], before, stdout, 0

    def __call__(self):
        self.before()
        start = time.perf_counter()
        process = subprocess.Popen(self.arguments, stdout=self.stdout, stderr=subprocess.PIPE)
        error = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(self.arguments)}: exit {process.returncode}\n{error.decode(errors='replace')}")
        self.memory = max(self.memory, usage.ru_maxrss * 1024)
        return Time(seconds, usage.ru_utime + usage.ru_stime)


def only(gigabytes):
    """Flags that leave about so many bytes of the model, from its beginning, and the bytes they leave."""
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


class Models:
    """Cases in a directory of their own, which close() removes."""

    def __init__(self, programs, directory, gigabytes):
        flags, self.size = only(gigabytes)
        free, needed = shutil.disk_usage(directory).free, 2 * self.size + (1 << 30)
        if free < needed:
            raise SystemExit(f"{directory}: {free / 1e9:.1f} GB free, {needed / 1e9:.1f} GB needed (--gigabytes, --directory)")
        self._scratch = tempfile.TemporaryDirectory(dir=directory)
        scratch = pathlib.Path(self._scratch.name)
        recipe, zeros, model, shards = scratch / "llama3_8b.json", scratch / "zeros", scratch / "model.safetensors", scratch / "shards"
        recipe.write_text(llama3_8b.recipe(), encoding="utf-8")

        def remove():
            for path in (zeros, model):
                path.unlink(missing_ok=True)
            shutil.rmtree(shards, ignore_errors=True)

        program = programs / "weightinit"
        draw = [program, "model", recipe, *flags, "--quiet"]
        dd = ["dd", "if=/dev/zero", f"of={zeros}", "bs=1M", "iflag=count_bytes", f"count={self.size}", "conv=fdatasync"]
        self.commands = {
            "dd if=/dev/zero conv=fdatasync": Command(dd, remove),
            "model -o DIR --max-shard-size 5GB": Command([*draw, "-o", shards, "--max-shard-size", "5GB"], remove),
            "model -o model.safetensors": Command([*draw, "-o", model], remove),
            "verify model.safetensors": Command([program, "verify", model, "--recipe", recipe, *flags, "--quiet"], stdout=subprocess.DEVNULL),
            "model -o - > /dev/null": Command([*draw, "-o", "-"], stdout=subprocess.DEVNULL),
        }

    def cases_and_figures(self):
        names = list(self.commands)
        cases = [Case(name, command, self.size) for name, command in self.commands.items()]
        memory = self.commands["model -o - > /dev/null"]
        figure = Figure("model -o - > /dev/null, resident memory, MiB", ["model -o - > /dev/null"], lambda run: memory.memory / 2**20)
        figure.at_most = 256
        return cases, [
            Ratio("model -o model.safetensors / dd", "model -o model.safetensors", names[0], 0.7),
            Ratio("model -o DIR / dd", "model -o DIR --max-shard-size 5GB", names[0]),
            # Above 1: it is the disk that bounds the checkpoint, and not drawing.
            Ratio("model -o - > /dev/null / model -o model.safetensors", "model -o - > /dev/null", "model -o model.safetensors"),
            figure,
        ]

    def close(self):
        self._scratch.cleanup()
