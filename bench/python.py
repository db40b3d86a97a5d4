#!/usr/bin/env python3
"""Measures the Python package beside the C++ engine, the C++ client and torch, and prints the tables; with --write also into
bench/RESULTS.md.

    .venv-python/bin/python3 bench/python.py [--programs build/release/bin] [--rounds 7] [--mebibytes 512] [--write]

Needs the package installed (make test-python) and the programs weightinit-server, engine_worker and wire_client (make build). torch
2.6 or later is measured where it is installed.
"""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections import OrderedDict

import numpy as np

import measure
import results
import weightinit
from measure import Case, Figure, Ratio, Time, timed

MIB = 2**20
CALLS = 20000  # of a small tensor, for one figure


class Peer:
    """engine_worker or wire_client, which answers each line with seconds."""

    def __init__(self, *command, greets=False):
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if greets:
            self._process.stdout.readline()

    def case(self, name, line, size):
        def run():
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
            if not answer or answer.startswith("error"):
                raise SystemExit(f"{line}: {answer.strip() or 'the peer has died'}")
            return Time(float(answer.split()[0]), None)

        return Case(name, run, size)

    def close(self):
        self._process.stdin.close()
        self._process.wait()


def recipe_of(init, size):
    """One float32 tensor of so many bytes."""
    return weightinit.Recipe.from_dict({"tensors": [{"name": "weight", "shape": [size // 4096, 1024], "init": init}]})


def local(stack, programs):
    """64 MiB into memory that is there, against Engine::Fill."""
    threads, size = 2, 64 * MIB
    peer = Peer(programs / "engine_worker", greets=True)
    stack.callback(peer.close)
    array = np.zeros((size // 4096, 1024), np.float32)
    cases, figures = [], []
    for name in ("uniform", "normal"):
        tensor = stack.enter_context(weightinit.open(recipe_of(name, size), threads=threads))["weight"]
        ours, theirs = f"{name}, 64 MiB into an array", f"{name}, 64 MiB, Engine::Fill"
        fresh = f"{name}, 64 MiB, tensor[...]"
        cases += [
            Case(ours, timed(lambda tensor=tensor: tensor.into(array)), size),
            Case(fresh, timed(lambda tensor=tensor: tensor[...]), size),
            peer.case(theirs, f"fill {name} FLOAT32 {size // 4} {threads}", size),
        ]
        figures += [Ratio(f"{ours} / Engine::Fill", ours, theirs, 0.95), Ratio(f"{fresh}, new memory / Engine::Fill", fresh, theirs)]
    return cases, figures


def small(stack):
    """What a call costs."""
    recipe = weightinit.Recipe.from_dict({"tensors": [{"name": "w", "shape": [256], "init": "normal"}]})
    weights = stack.enter_context(weightinit.open(recipe))
    tensor, array = weights["w"], np.empty(256, np.float32)
    calls = {
        "tensor[...]": lambda: tensor[...],
        "tensor.into(array)": lambda: tensor.into(array),
        "weights[name][...]": lambda: weights["w"][...],
    }
    cases, figures = [], []
    for name, call in calls.items():
        title = f"1 KiB, {CALLS} × {name}"
        cases.append(Case(title, timed(lambda call=call: [call() for _ in range(CALLS)])))
        figures.append(Figure(f"1 KiB, {name}, µs", [title], lambda run: run.wall / CALLS * 1e6, at_most=20))
    return cases, figures


def remote(stack, programs, mebibytes):
    """One tensor from a server on this machine into an array, against the C++ client with as many connections as it thinks best."""
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "integration"))
    os.environ["TEST_SERVER"] = str(programs / "weightinit-server")
    import harness

    server = stack.enter_context(harness.Server("--threads", "2"))
    size = mebibytes * MIB
    array = np.zeros((size // 4096, 1024), np.float32)
    peer = Peer(programs / "wire_client", server.address)
    stack.callback(peer.close)
    cases, figures = [], []
    for init, shown in (("constant(value=1)", "constant"), ("uniform", "uniform")):
        recipe = recipe_of(init, size)
        for digest, how in ((1, ""), (0, ", check=False")):
            ours, theirs = f"{shown} from a server{how}", f"{shown}, C++ client{how and ', no digest'}"
            alone = f"{ours}, streams=1"
            for name, streams in ((ours, 0), (alone, 1)):
                weights = stack.enter_context(weightinit.open(recipe, server.address, check=bool(digest), streams=streams))
                cases.append(Case(name, timed(lambda tensor=weights["weight"]: tensor.into(array)), size))
            cases.append(peer.case(theirs, f"weights {init} {size} 0 {digest} memory", size))
            figures += [Ratio(f"{ours} / C++ client, alike", ours, theirs, 0.7), Ratio(f"{alone} / C++ client, alike", alone, theirs)]
        figures.append(Ratio(f"{shown} from a server / C++ client without digests", f"{shown} from a server", f"{shown}, C++ client, no digest"))
    return cases, figures


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


def torch_init():
    """A GPT-2-medium on meta, filled, against torch's own initialization of it."""
    import weightinit.torch

    recipe = gpt2_recipe()
    ours, theirs = "GPT-2-medium, init_ from meta", "GPT-2-medium, to_empty + reset_parameters"
    cases = [
        Case(ours, timed(lambda: weightinit.torch.init_(gpt2_medium(), recipe, device="cpu")), recipe.nbytes),
        Case(theirs, timed(lambda: torchs_own(gpt2_medium())), recipe.nbytes),
    ]
    return cases, [Ratio(f"{ours} / to_empty + reset_parameters", ours, theirs)]


RANKS = {
    "init": "GPT-2-medium, 4 ranks of FSDP2, init_ from meta",
    "own": "GPT-2-medium, 4 ranks, to_empty + reset_parameters",
    "load": "GPT-2-medium, 4 ranks, dcp.load of a seed checkpoint",
}


def ranks(rounds):
    """The same on four ranks, which time themselves, and against a seed checkpoint that DCP loads. As above, and what was timed."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=4", __file__]
        subprocess.run([sys.executable, *launcher, "--rank-of", folder, "--rounds", str(rounds)], check=True, stdout=sys.stderr)
        seconds = json.loads(pathlib.Path(folder, "seconds.json").read_text(encoding="utf-8"))
    cases = [Case(name, None, gpt2_recipe().nbytes) for name in RANKS.values()]
    times = {RANKS[key]: [Time(value, None) for value in values] for key, values in seconds.items()}
    figures = [
        Ratio(f"{RANKS['init']} / to_empty + reset_parameters", RANKS["init"], RANKS["own"]),
        Ratio(f"{RANKS['init']} / dcp.load of a seed checkpoint", RANKS["init"], RANKS["load"]),
    ]
    return cases, figures, times


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

    def timed_until_all(action):
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
    dcp.save({"model": net.state_dict()}, checkpoint_id=folder)
    actions = {"init": init, "own": torchs_own, "load": load}
    seconds = {key: [] for key in actions}
    for number in range(rounds + 1):  # the first warms up
        for key, action in actions.items():
            value = timed_until_all(action)
            if number > 0:
                seconds[key].append(value)
    load(net)
    weightinit.torch.attest(net, recipe)
    if dist.get_rank() == 0:
        pathlib.Path(folder, "seconds.json").write_text(json.dumps(seconds), encoding="utf-8")
    dist.destroy_process_group()


def tables(cases, figures, times):
    return ["", measure.markdown(measure.ratios_table(figures, cases, times)), "", measure.markdown(measure.rates_table(cases, times))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", default="build/release/bin", type=pathlib.Path)
    parser.add_argument("--rounds", default=7, type=int)
    parser.add_argument("--torch-rounds", default=3, type=int, help="of GPT-2-medium")
    parser.add_argument("--mebibytes", default=512, type=int, help="from a server")
    parser.add_argument("--only", default="local,small,remote,torch,ranks", help="parts, comma-separated")
    parser.add_argument("--write", action="store_true", help="into bench/RESULTS.md")
    parser.add_argument("--rank-of", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rank_of:
        as_rank(options.rank_of, options.rounds)
        return
    parts = options.only.split(",")
    conditions = [f"NumPy {np.__version__}"]
    try:
        import torch

        conditions.append(f"torch {torch.__version__}")
    except ImportError:
        print("torch is not installed: not measured", file=sys.stderr)
        parts = [part for part in parts if part not in ("torch", "ranks")]

    text = []
    for part, title, make in (
        ("local", "In this process", lambda stack: local(stack, options.programs)),
        ("small", "Small reads", small),
        ("remote", f"From a server, {options.mebibytes} MiB", lambda stack: remote(stack, options.programs, options.mebibytes)),
        ("torch", "PyTorch", lambda stack: torch_init()),
    ):
        if part in parts:
            with contextlib.ExitStack() as stack:
                cases, figures = make(stack)
                rounds = options.torch_rounds if part == "torch" else options.rounds
                times = measure.run_rounds(cases, rounds, progress=lambda line: print(f"\r{title}: {line}", end="", file=sys.stderr))
                print(file=sys.stderr)
                text += ["", f"## {title}, {rounds} rounds", *tables(cases, figures, times)]
    if "ranks" in parts:
        text += ["", f"## PyTorch, four ranks, {options.torch_rounds} rounds", *tables(*ranks(options.torch_rounds))]
    section = results.section("bench/python.py", conditions, text)
    print(f"# Python\n\n{section}\n")
    if options.write:
        results.write({"Python": section})


if __name__ == "__main__":
    main()
