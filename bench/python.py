#!/usr/bin/env python3
"""Measures the Python package beside the C++ engine, the C++ client and torch, and prints a table.

    .venv-python/bin/python3 bench/python.py [--programs build/release/bin] [--rounds 7] [--mebibytes 512]

Needs the package installed (make test-python) and the programs weightinit, weightinit-server and engine_worker (make build). Rounds
of both sides of a ratio alternate; the best of each counts. torch is measured where it is installed.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from collections import OrderedDict

import numpy as np

import weightinit

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "integration"))

MIB = 2**20


def seconds(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def alternate(rounds, *actions):
    """The best time of each."""
    times = [[action() for action in actions] for _ in range(rounds)]
    return [min(column) for column in zip(*times)]


def recipe_of(name, mebibytes):
    return {"tensors": [{"name": "w", "shape": [mebibytes * MIB // 4096, 1024], "init": name}]}


def local(programs, rounds):
    """64 MiB into memory that is there, against Engine::Fill."""
    threads, size = 2, 64 * MIB
    worker = subprocess.Popen([programs / "engine_worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    worker.stdout.readline()

    def peer(name):
        worker.stdin.write(f"fill {name} FLOAT32 {size // 4} {threads}\n")
        worker.stdin.flush()
        return float(worker.stdout.readline().split()[0])

    array = np.zeros((size // 4096, 1024), np.float32)
    for name in ("uniform", "normal"):
        with weightinit.open(weightinit.Recipe.from_dict(recipe_of(name, 64)), threads=threads) as weights:
            ours, theirs = alternate(rounds, lambda: seconds(lambda: weights["w"].into(array)), lambda: peer(name))
            report(f"{name}, 64 MiB into an array", size, ours, "Engine::Fill", theirs)
    worker.stdin.close()
    worker.wait()


def small():
    """What a call costs beside the drawing."""
    recipe = weightinit.Recipe.from_dict({"tensors": [{"name": "w", "shape": [256], "init": "normal"}]})
    with weightinit.open(recipe) as weights:
        tensor, array, calls = weights["w"], np.empty(256, np.float32), 20000
        for what, action in (
            ("tensor[...]", lambda: tensor[...]),
            ("tensor.into(array)", lambda: tensor.into(array)),
            ("weights[name][...]", lambda: weights["w"][...]),
        ):
            best = min(seconds(lambda: [action() for _ in range(calls)]) for _ in range(5)) / calls
            print(f"{'1 KiB, ' + what:44} {best * 1e6:8.2f} µs")


def remote(programs, rounds, mebibytes):
    """One tensor from a server on this machine, against the program, which gives a pipe what comes without computing digests."""
    import os

    os.environ["TEST_SERVER"] = str(programs / "weightinit-server")
    import harness

    size = mebibytes * MIB
    array = np.zeros((size // 4096, 1024), np.float32)
    with tempfile.TemporaryDirectory() as folder, harness.Server("--threads", "2") as server:
        path = pathlib.Path(folder, "recipe.json")
        for name in ("zeros", "uniform"):
            path.write_text(json.dumps(recipe_of(name, mebibytes)))
            command = [programs / "weightinit", "model", path, "--server", server.address, "-o", "-", "--quiet"]
            recipe = weightinit.Recipe.load(path)
            with weightinit.open(recipe, server.address, check=False) as plain, weightinit.open(recipe, server.address) as checked:
                plain["w"][:1], checked["w"][:1]
                ours, digested, theirs = alternate(
                    rounds,
                    lambda: seconds(lambda: plain["w"].into(array)),
                    lambda: seconds(lambda: checked["w"].into(array)),
                    lambda: seconds(lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True)),
                )
            report(f"{name}, {mebibytes} MiB from a server, check=False", size, ours, "weightinit model -o -", theirs)
            report(f"{name}, {mebibytes} MiB from a server", size, digested, "weightinit model -o -", theirs)


def gpt2_medium():
    """On meta."""
    import torch

    def block():
        names = {"qkv": (1024, 3072), "proj": (1024, 1024), "up": (1024, 4096), "down": (4096, 1024)}
        return torch.nn.Sequential(OrderedDict((name, torch.nn.Linear(*sizes)) for name, sizes in names.items()))

    with torch.device("meta"):
        parts = [torch.nn.Embedding(50257, 1024), torch.nn.Embedding(1024, 1024), *(block() for _ in range(24))]
        return torch.nn.Sequential(*parts)


def gpt2_recipe():
    import weightinit.torch

    rules = [{"name_regex": r".*\.bias", "init": "zeros"}, {"name_regex": ".*", "init": "normal(std=0.02)"}]
    recipe = weightinit.Recipe.from_dict(weightinit.torch.manifest(gpt2_medium(), rules))
    recipe.plan()
    return recipe


def torchs_own(net):
    net.to_empty(device="cpu")
    for module in net.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()


def torch_init(rounds):
    """A GPT-2-medium on meta, filled, against torch's own initialization of it."""
    try:
        import weightinit.torch
    except ImportError:
        print("torch is not installed: not measured")
        return
    recipe = gpt2_recipe()
    ours, theirs = alternate(
        rounds,
        lambda: seconds(lambda: weightinit.torch.init_(gpt2_medium(), recipe, device="cpu")),
        lambda: seconds(lambda: torchs_own(gpt2_medium())),
    )
    report("GPT-2-medium, from meta", recipe.nbytes, ours, "to_empty + reset_parameters", theirs)


def ranks(rounds):
    """The same on four ranks of FSDP2, and against a seed checkpoint that DCP loads."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=4", __file__]
        subprocess.run([sys.executable, *launcher, "--rank-of", folder, "--rounds", str(rounds)], check=True)


def as_rank(folder, rounds):
    import warnings

    import torch.distributed as dist
    import torch.distributed.checkpoint as dcp
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    import weightinit.torch

    warnings.simplefilter("ignore")
    dist.init_process_group("gloo")
    mesh, recipe = init_device_mesh("cpu", (dist.get_world_size(),)), gpt2_recipe()

    def sharded():
        net = gpt2_medium()
        for block in net[2:]:
            fully_shard(block, mesh=mesh)
        fully_shard(net, mesh=mesh)
        return net

    def timed(action):
        """Until the last rank is done; the sharded model on meta is not counted."""
        net = sharded()
        dist.barrier()
        start = time.perf_counter()
        action(net)
        dist.barrier()
        return time.perf_counter() - start

    def load(net):
        net.to_empty(device="cpu")
        dcp.load({"model": net.state_dict()}, checkpoint_id=folder)

    def init(net):
        weightinit.torch.init_(net, recipe, device="cpu", threads=1)

    net = sharded()
    init(net)
    save = seconds(lambda: dcp.save({"model": net.state_dict()}, checkpoint_id=folder))
    ours, own, loaded = alternate(rounds, lambda: timed(init), lambda: timed(torchs_own), lambda: timed(load))
    load(net)
    weightinit.torch.attest(net, recipe)
    if dist.get_rank() == 0:
        report("GPT-2-medium, 4 ranks", recipe.nbytes, ours, "to_empty + reset_parameters", own)
        report("GPT-2-medium, 4 ranks", recipe.nbytes, ours, f"dcp.load (saved before in {save:.1f} s)", loaded)
    dist.destroy_process_group()


def report(what, size, ours, peer, theirs):
    rate = size / ours / 1e9
    print(f"{what:44} {rate:8.2f} GB/s   {peer} {size / theirs / 1e9:6.2f} GB/s   ratio {theirs / ours:5.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", default="build/release/bin", type=pathlib.Path)
    parser.add_argument("--rounds", default=7, type=int)
    parser.add_argument("--mebibytes", default=512, type=int, help="from a server")
    parser.add_argument("--only", default="local,small,remote,torch,ranks", help="parts, comma-separated")
    parser.add_argument("--rank-of", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rank_of:
        as_rank(options.rank_of, options.rounds)
        return
    parts = options.only.split(",")
    if "local" in parts:
        local(options.programs, options.rounds)
    if "small" in parts:
        small()
    if "remote" in parts:
        remote(options.programs, options.rounds, options.mebibytes)
    if "torch" in parts:
        torch_init(min(options.rounds, 3))
    if "ranks" in parts:
        ranks(min(options.rounds, 3))


if __name__ == "__main__":
    main()
